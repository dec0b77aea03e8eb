//! The host adapter: what all of its ports share.

use core::time::Duration;

use anode_device::Registers;

use crate::failure::Failure;

// Offsets of its registers.
const CAPABILITIES: usize = 0x00;
const CONTROL: usize = 0x04;
const INTERRUPTS: usize = 0x08;
const PORTS: usize = 0x0C;
const CAPABILITIES_2: usize = 0x24;
const HANDOFF: usize = 0x28;
/// Where the ports begin, and their distance.
pub(crate) const FIRST_PORT: usize = 0x100;
pub(crate) const PORT_BYTES: usize = 0x80;

const RESET: u32 = 1;
const INTERRUPTS_ON: u32 = 1 << 1;
const AHCI: u32 = 1 << 31;
const HAS_NCQ: u32 = 1 << 30;
const CAN_HAND_OFF: u32 = 1;
const FIRMWARE_OWNS: u32 = 1;
const WE_OWN: u32 = 1 << 1;

/// How long the firmware may take to let go, and the adapter to reset.
const HANDOFF_TIME: Duration = Duration::from_secs(2);
const RESET_TIME: Duration = Duration::from_secs(1);

/// Whether commands can be queued in the device (NCQ).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queueing {
    /// One at a time.
    None,
    /// Several, in the order that the device likes.
    Native,
}

/// What an adapter can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// Command slots of each port, 1 to 32.
    pub(crate) slots: u32,
    pub(crate) queueing: Queueing,
    /// A bit for each port that exists.
    pub(crate) ports: u32,
}

/// An adapter's registers, those of its ports among them.
#[derive(Clone, Debug)]
pub(crate) struct Hba<R>(R);

impl<R: Registers> Hba<R> {
    /// Takes the adapter from the firmware and resets it. It then has let go of all memory.
    ///
    /// # Errors
    ///
    /// [`Failure::Gone`], or [`Failure::Late`].
    pub(crate) fn start(registers: R) -> Result<(Self, Capabilities), Failure> {
        let mut hba = Self(registers);
        if hba.0.read32(CAPABILITIES_2) & CAN_HAND_OFF != 0 {
            let handoff = hba.0.read32(HANDOFF);
            hba.0.write32(HANDOFF, handoff | WE_OWN);
            // A firmware that does not let go has none to run any more.
            hba.wait(HANDOFF, FIRMWARE_OWNS, HANDOFF_TIME).unwrap_or_default();
        }
        hba.0.write32(CONTROL, AHCI);
        hba.0.write32(CONTROL, AHCI | RESET);
        hba.wait(CONTROL, RESET, RESET_TIME)?;
        hba.0.write32(CONTROL, AHCI);
        let capabilities = hba.0.read32(CAPABILITIES);
        let queueing = if capabilities & HAS_NCQ != 0 { Queueing::Native } else { Queueing::None };
        let slots = (capabilities >> 8 & 0x1F).saturating_add(1);
        let room = hba.0.size().saturating_sub(FIRST_PORT).div_euclid(PORT_BYTES);
        let inside = u32::try_from(room).map_or(0, |room| {
            // All ports that lie in the registers.
            1_u32.checked_shl(room).map_or(u32::MAX, |bit| bit.saturating_sub(1))
        });
        let ports = hba.0.read32(PORTS) & inside;
        Ok((hba, Capabilities { slots, queueing, ports }))
    }

    /// Lets the ports' interrupts through.
    pub(crate) fn enable_interrupts(&mut self) {
        self.0.write32(CONTROL, AHCI | INTERRUPTS_ON);
    }

    /// The interrupt of a port was seen.
    pub(crate) fn acknowledge(&mut self, port: u32) {
        self.0.write32(INTERRUPTS, 1_u32.checked_shl(port).unwrap_or(0));
    }

    /// Reads a register of a port.
    pub(crate) fn read(&self, port: u32, at: usize) -> u32 {
        self.0.read32(place(port, at))
    }

    /// Writes a register of a port.
    pub(crate) fn write(&mut self, port: u32, at: usize, value: u32) {
        self.0.write32(place(port, at), value);
    }

    /// Waits until all of these bits are clear.
    fn wait(&self, at: usize, bits: u32, limit: Duration) -> Result<(), Failure> {
        let mut more = anode_block::patience_of(limit);
        loop {
            match self.0.read32(at) {
                u32::MAX => return Err(Failure::Gone),
                value if value & bits == 0 => return Ok(()),
                _ if more() => {}
                _ => return Err(Failure::Late("reset")),
            }
        }
    }
}

fn place(port: u32, at: usize) -> usize {
    let port = usize::try_from(port).unwrap_or(usize::MAX);
    FIRST_PORT.saturating_add(port.saturating_mul(PORT_BYTES)).saturating_add(at)
}
