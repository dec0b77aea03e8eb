//! The driver against QEMU's own device, without a kernel.

use std::fs::File;
use std::path::PathBuf;

use anode_block::{Disk, Op, Submitted};
use anode_device::qtest::{Memory, Qemu, Window};
use anode_device::{Interrupt, Registers as _};
use anode_virtio::{Layout, Transport};
use redox::error::EIO;

use crate::disk::VirtioBlk;

const DATA: u64 = 0x20_0000;
const BAR: u64 = 0xC000_0000;
const TABLE: u32 = 0xC010_0000;
const MAILBOX: u64 = 0x30_0000;
const SIGNAL: u32 = 0x4042;
/// The device's slot, in the address of configuration space.
const SLOT: u32 = 1 << 31 | 3 << 11;

/// A disk image that is removed in the end.
struct Image(PathBuf);

impl Image {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let file = format!("anode-virtio-blk-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.0).unwrap()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

struct World {
    qemu: Qemu,
    disk: VirtioBlk<Memory, Window>,
}

fn config(qemu: &Qemu, at: u32) -> u32 {
    let mut ports = qemu.ports(0xCF8, 8);
    ports.write32(0, SLOT | at);
    ports.read32(4)
}

fn set_config(qemu: &Qemu, at: u32, value: u32) {
    let mut ports = qemu.ports(0xCF8, 8);
    ports.write32(0, SLOT | at);
    ports.write32(4, value);
}

/// Lets MSI-X entry 0 write [`SIGNAL`] to [`MAILBOX`], where a test can see it.
fn enable_messages(qemu: &Qemu) {
    set_config(qemu, 0x14, TABLE);
    let mut table = qemu.window(TABLE.into(), 16);
    table.write32(0, u32::try_from(MAILBOX).unwrap());
    table.write32(4, 0);
    table.write32(8, SIGNAL);
    table.write32(12, 0);
    let mut at = config(qemu, 0x34) & 0xFC;
    while config(qemu, at) & 0xFF != 0x11 {
        at = config(qemu, at) >> 8 & 0xFC;
        assert_ne!(at, 0, "the device has no MSI-X");
    }
    let control = config(qemu, at);
    assert_eq!(config(qemu, at + 4), 1, "its table is BAR 1");
    set_config(qemu, at, control | 1 << 31);
}

/// Starts QEMU with this drive, and the driver on it; does what `pci:` does.
fn world(drive: &str, device: &str) -> Option<World> {
    let device = format!("virtio-blk-pci,drive=d,addr=3{device}");
    let qemu = Qemu::start(&["-drive", drive, "-device", &device])?;
    let low = u32::try_from(BAR).unwrap();
    set_config(&qemu, 0x20, low);
    set_config(&qemu, 0x24, 0);
    set_config(&qemu, 4, 0b110);
    enable_messages(&qemu);
    let bytes: Vec<u8> = (0..64).flat_map(|at| config(&qemu, at * 4).to_le_bytes()).collect();
    let layout = Layout::find(&bytes).unwrap();
    assert_eq!(layout.common.bar, 4);
    let window = |part: anode_virtio::Window| {
        qemu.window(BAR + u64::from(part.offset), usize::try_from(part.len).unwrap())
    };
    let transport = Transport::new(
        window(layout.common),
        window(layout.notify),
        layout.device.map(window),
        layout.multiplier,
    );
    // The handle stands for an interrupt; what the device does with entry 0 is seen in RAM.
    let interrupt = Interrupt::new(File::open("/dev/null").unwrap().into());
    let mut next = 0x10_0000;
    let mut memory = |bytes: usize| {
        let part = qemu.memory(next, bytes);
        next += u64::try_from(bytes.next_multiple_of(4096)).unwrap();
        Ok(part)
    };
    let mut disk = VirtioBlk::start(transport, vec![interrupt], &mut memory).unwrap();
    disk.identify(&mut anode_block::patience());
    Some(World { qemu, disk })
}

impl World {
    fn starts(&mut self, tag: usize, op: Op) {
        assert_eq!(self.disk.submit(tag, op).unwrap(), Submitted::Started);
    }

    fn ends(&mut self) -> (usize, Result<(), i32>) {
        self.disk.kick();
        let mut wait = anode_block::patience();
        loop {
            if let Some((tag, result)) = self.disk.finish() {
                return (tag, result.map_err(|error| error.errno));
            }
            assert!(wait(), "the device does not answer");
        }
    }

    fn does(&mut self, op: Op) -> Result<(), i32> {
        self.starts(7, op);
        let (tag, result) = self.ends();
        assert_eq!(tag, 7);
        result
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 512).to_le_bytes()[0]).collect()
}

#[test]
fn a_disk_of_qemu_is_read_written_zeroed_and_flushed() {
    let image = Image::new("whole", &pattern(1 << 20));
    let drive = format!("if=none,id=d,format=raw,discard=unmap,file={}", image.0.display());
    let Some(mut world) = world(&drive, ",serial=QM-0001") else { return };
    let info = world.disk.info().clone();
    assert!(info.is_sound());
    assert_eq!((info.block, info.blocks, info.identity.as_str()), (512, 2048, "QM-0001"));
    assert!(info.max_discard > 0 && info.max_zero > 0);

    assert_eq!(world.does(Op::Read { block: 5, bytes: 4096, address: DATA }), Ok(()));
    assert_eq!(world.qemu.read(DATA, 4096), pattern(1 << 20)[2560..6656]);

    world.qemu.write(DATA, &[0xA5; 1024]);
    assert_eq!(world.does(Op::Write { block: 100, bytes: 1024, address: DATA }), Ok(()));
    assert_eq!(world.does(Op::Zero { block: 200, blocks: 3 }), Ok(()));
    assert_eq!(world.does(Op::Discard { block: 1024, blocks: 1024 }), Ok(()));
    assert_eq!(world.does(Op::Flush), Ok(()));
    assert_eq!(world.does(Op::Read { block: 2048, bytes: 512, address: DATA }), Err(EIO));
    assert_eq!(world.does(Op::Read { block: 0, bytes: 512, address: DATA }), Ok(()));

    let mut expected = pattern(1 << 20);
    expected[51_200..52_224].fill(0xA5);
    expected[102_400..103_936].fill(0);
    let bytes = image.bytes();
    assert_eq!(bytes[..1 << 19], expected[..1 << 19]);
}

#[test]
fn each_end_of_a_request_is_told_by_a_message() {
    let Some(mut world) = world("if=none,id=d,driver=null-co,size=1M", "") else { return };
    for round in 0..3 {
        world.qemu.write(MAILBOX, &[0; 4]);
        assert_eq!(world.does(Op::Read { block: round, bytes: 512, address: DATA }), Ok(()));
        assert_eq!(world.qemu.read(MAILBOX, 4), SIGNAL.to_le_bytes());
    }
}

#[test]
fn many_requests_are_in_flight_and_a_reset_lets_go_of_them_all() {
    let image = Image::new("many", &pattern(1 << 20));
    let drive = format!("if=none,id=d,format=raw,file={}", image.0.display());
    let Some(mut world) = world(&drive, "") else { return };
    for tag in 0..32 {
        let (block, address) = (tag * 3, DATA + tag * 4096);
        world.starts(tag.try_into().unwrap(), Op::Read { block, bytes: 1536, address });
    }
    let mut ended: Vec<_> = (0..32).map(|_| world.ends()).collect();
    ended.sort();
    assert_eq!(ended, (0..32).map(|tag| (tag, Ok(()))).collect::<Vec<_>>());
    for tag in 0..32_usize {
        let address = DATA + u64::try_from(tag * 4096).unwrap();
        assert_eq!(world.qemu.read(address, 1536), pattern(1 << 20)[tag * 1536..][..1536]);
    }

    world.starts(1, Op::Flush);
    world.disk.reset();
    assert_eq!(world.ends(), (1, Err(EIO)));
    assert_eq!(world.does(Op::Read { block: 1, bytes: 512, address: DATA }), Ok(()));
}

#[test]
fn blocks_of_4096_bytes_and_bad_sectors_are_what_they_are() {
    let image = Image::new("large", &pattern(1 << 20));
    let file = image.0.display();
    let drive = format!(
        "if=none,id=d,format=raw,file.driver=blkdebug,file.image.filename={file},\
         file.inject-error.0.event=read_aio,file.inject-error.0.errno=5,\
         file.inject-error.0.sector=80"
    );
    let sizes = ",logical_block_size=4096,physical_block_size=16384";
    let Some(mut world) = world(&drive, sizes) else { return };
    let info = world.disk.info().clone();
    assert_eq!((info.block, info.physical_block, info.blocks), (4096, 16_384, 256));
    assert_eq!(world.does(Op::Read { block: 9, bytes: 4096, address: DATA }), Ok(()));
    assert_eq!(world.qemu.read(DATA, 4096), pattern(1 << 20)[36_864..40_960]);
    assert_eq!(world.does(Op::Read { block: 10, bytes: 4096, address: DATA }), Err(EIO));
    assert_eq!(world.does(Op::Read { block: 11, bytes: 4096, address: DATA }), Ok(()));
}

#[test]
fn a_disk_that_is_read_only_says_so() {
    let Some(world) = world("if=none,id=d,driver=null-co,size=1M,read-only=on", "") else { return };
    assert_eq!(world.disk.info().access, anode_block::Access::ReadOnly);
}
