//! What every disk driver must do, against QEMU's own devices, without a kernel.
//!
//! ```text
//!  suite!(Rig) ─▶ tests ─▶ World ── the driver: Disk ─▶ registers, memory ─▶ Machine (QEMU)
//! ```
//!
//! A driver says in a [`Rig`] which device it is for and how it is started; `suite!(Rig)` in its
//! tests is then the whole of [`tests`]. The device is at one place of the PCI bus, its BARs
//! have addresses, and its interrupts are messages to a mailbox in memory. Misuse panics: it is
//! a test.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    reason = "code of tests, which are to fail loudly"
)]

mod machine;
pub mod tests;

use std::path::PathBuf;

use anode_device::qtest::Qemu;

pub use machine::{Machine, Severed};

use crate::{Disk, Op, Submitted};

/// Where the tests' data lies in the machine's memory.
pub const DATA: u64 = 0x20_0000;

/// A driver, and the device that it is for.
pub trait Rig {
    /// The driver.
    type Disk: Disk;

    /// The logical blocks that the device can have, in bytes.
    const BLOCKS: &'static [u32];
    /// Whether the device tells of its physical blocks.
    const TELLS_PHYSICAL: bool;

    /// The arguments that give QEMU this device at [`Machine::SLOT`], with the drive `d`.
    /// `options` are properties of the disk: `,key=value` each.
    fn arguments(options: &str) -> Vec<String>;

    /// Starts the driver on the device.
    fn start(machine: &mut Machine) -> Self::Disk;
}

/// A disk image that is removed in the end.
#[derive(Debug)]
pub struct Image(PathBuf);

impl Image {
    /// A file with these bytes; `name` is another one for each test.
    #[must_use]
    pub fn new(name: &str, bytes: &[u8]) -> Self {
        let file = format!("anode-disk-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    /// What is in it now.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.0).unwrap()
    }

    /// Its drive in QEMU's words.
    #[must_use]
    pub fn drive(&self) -> String {
        let file = self.0.display();
        // What is flushed need not reach this machine's own disk.
        format!("if=none,id=d,format=raw,cache=unsafe,discard=unmap,file={file}")
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// A machine with the device, and the driver on it.
#[derive(Debug)]
pub struct World<D> {
    /// The machine.
    pub machine: Machine,
    /// The driver.
    pub disk: D,
}

impl<D: Disk> World<D> {
    /// Starts QEMU with this drive; `None` where there is no QEMU.
    #[must_use]
    pub fn start<R: Rig<Disk = D>>(drive: &str, options: &str) -> Option<Self> {
        let device = R::arguments(options);
        let drive = ["-drive", drive].into_iter();
        let arguments: Vec<&str> = drive.chain(device.iter().map(String::as_str)).collect();
        let mut machine = Machine::new(Qemu::start(&arguments)?);
        let disk = R::start(&mut machine);
        Some(Self { machine, disk })
    }

    /// The driver takes an operation.
    pub fn starts(&mut self, tag: usize, op: Op) {
        assert_eq!(self.disk.submit(tag, op).unwrap(), Submitted::Started);
    }

    /// The next operation that ends, with its errno.
    pub fn ends(&mut self) -> (usize, Result<(), i32>) {
        self.disk.kick();
        let mut wait = crate::patience();
        loop {
            if let Some((tag, result)) = self.disk.finish() {
                return (tag, result.map_err(|error| error.errno));
            }
            assert!(wait(), "the device does not answer");
        }
    }

    /// An operation from start to end.
    ///
    /// # Errors
    ///
    /// Its errno.
    pub fn does(&mut self, op: Op) -> Result<(), i32> {
        self.starts(7, op);
        let (tag, result) = self.ends();
        assert_eq!(tag, 7);
        result
    }
}

/// Bytes that differ from place to place.
#[must_use]
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 512).to_le_bytes()[0]).collect()
}
