//! The controller's registers: what it can do, on and off, doorbells.

use core::time::Duration;

use anode_device::Registers;

use crate::failure::Failure;

// Offsets.
const CAPABILITIES: usize = 0x00;
const CONFIGURATION: usize = 0x14;
const STATUS: usize = 0x1C;
const ADMIN_SIZES: usize = 0x24;
const ADMIN_SUBMISSION: usize = 0x28;
const ADMIN_COMPLETION: usize = 0x30;
/// Where the doorbells begin, and all other registers end.
pub(crate) const DOORBELLS: usize = 0x1000;

const ENABLE: u32 = 1;
/// Sizes of the entries of both kinds of queues, as powers of two: 64 and 16 bytes.
const ENTRY_SIZES: u32 = 6 << 16 | 4 << 20;
const READY: u32 = 1;
const FATAL: u32 = 1 << 1;

/// The device's unit of time-outs, and what is added to what it says.
const TIME_UNIT: Duration = Duration::from_millis(500);
const GRACE: Duration = Duration::from_millis(500);

/// A queue's two doorbells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bell {
    /// There are new commands, up to here.
    Tail,
    /// Completions were taken, up to here.
    Head,
}

/// What a controller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// The most entries of a queue.
    pub(crate) entries: u32,
    /// How long it may take to start and to stop.
    pub(crate) patience: Duration,
    /// Distance of two doorbells in bytes.
    stride: usize,
}

impl Capabilities {
    /// Reads them, and sees that they are enough.
    ///
    /// # Errors
    ///
    /// [`Failure::Gone`] or [`Failure::Unsuited`].
    pub(crate) fn read(registers: &impl Registers) -> Result<Self, Failure> {
        let low = registers.read32(CAPABILITIES);
        let high = registers.read32(CAPABILITIES.saturating_add(4));
        if low == u32::MAX && high == u32::MAX {
            return Err(Failure::Gone);
        }
        if high & 1 << 5 == 0 {
            return Err(Failure::Unsuited("it has no NVM command set"));
        }
        if high >> 16 & 0xF != 0 {
            return Err(Failure::Unsuited("its smallest page is larger than 4096 bytes"));
        }
        let entries = (low & 0xFFFF).saturating_add(1);
        if entries < 2 {
            return Err(Failure::Unsuited("its queues have one entry"));
        }
        let patience = TIME_UNIT.saturating_mul(low >> 24).saturating_add(GRACE);
        Ok(Self { entries, patience, stride: 4 << (high & 0xF) })
    }

    /// Bytes of registers up to the doorbells of queue 1.
    pub(crate) const fn bytes(&self) -> usize {
        DOORBELLS.saturating_add(self.stride.saturating_mul(4))
    }
}

/// The registers.
#[derive(Debug)]
pub(crate) struct Bank<R> {
    registers: R,
    pub(crate) capabilities: Capabilities,
}

impl<R: Registers> Bank<R> {
    /// The registers of a controller, at least [`Capabilities::bytes`].
    ///
    /// # Errors
    ///
    /// As [`Capabilities::read`].
    pub(crate) fn new(registers: R) -> Result<Self, Failure> {
        let capabilities = Capabilities::read(&registers)?;
        if registers.size() < capabilities.bytes() {
            return Err(Failure::Unsuited("its doorbells lie outside of its registers"));
        }
        Ok(Self { registers, capabilities })
    }

    /// Whether it is there and reports no fatal error.
    ///
    /// # Errors
    ///
    /// [`Failure::Gone`] or [`Failure::Fatal`].
    pub(crate) fn health(&self) -> Result<(), Failure> {
        match self.status()? & FATAL {
            0 => Ok(()),
            _ => Err(Failure::Fatal),
        }
    }

    /// The status register of a controller that is there.
    fn status(&self) -> Result<u32, Failure> {
        // Where nobody answers there are zeroes or ones. All is zero in the status of one that is
        // off, too, but no controller says that it can do nothing.
        match self.registers.read32(STATUS) {
            u32::MAX => Err(Failure::Gone),
            0 if self.registers.read32(CAPABILITIES) == 0 => Err(Failure::Gone),
            status => Ok(status),
        }
    }

    /// Whether it may be stopped: it is off, has started, or has failed to.
    ///
    /// # Errors
    ///
    /// [`Failure::Gone`].
    pub(crate) fn has_settled(&self) -> Result<bool, Failure> {
        let on = self.registers.read32(CONFIGURATION) & ENABLE != 0;
        Ok(!on || self.status()? & (READY | FATAL) != 0)
    }

    /// Whether it has started; one that was told to stop has let go of all memory when this is
    /// `false`.
    ///
    /// # Errors
    ///
    /// [`Failure::Gone`].
    pub(crate) fn is_ready(&self) -> Result<bool, Failure> {
        Ok(self.status()? & READY != 0)
    }

    /// Tells the controller to stop.
    pub(crate) fn stop(&mut self) {
        self.registers.write32(CONFIGURATION, 0);
    }

    /// Tells a controller that is off to start, with its admin queue.
    pub(crate) fn start(&mut self, entries: u16, submission: u64, completion: u64) {
        let size = u32::from(entries.saturating_sub(1));
        self.registers.write32(ADMIN_SIZES, size << 16 | size);
        self.write64(ADMIN_SUBMISSION, submission);
        self.write64(ADMIN_COMPLETION, completion);
        self.registers.write32(CONFIGURATION, ENTRY_SIZES | ENABLE);
    }

    /// Rings a doorbell of a queue, 0 or 1.
    pub(crate) fn ring(&mut self, queue: u16, bell: Bell, value: u16) {
        let number = usize::from(queue).saturating_mul(2);
        let number = match bell {
            Bell::Tail => number,
            Bell::Head => number.saturating_add(1),
        };
        let at = DOORBELLS.saturating_add(number.saturating_mul(self.capabilities.stride));
        self.registers.write32(at, value.into());
    }

    fn write64(&mut self, at: usize, value: u64) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.registers.write32(at, u32::from_le_bytes([a, b, c, d]));
        self.registers.write32(at.saturating_add(4), u32::from_le_bytes([e, f, g, h]));
    }
}
