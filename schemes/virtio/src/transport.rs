//! Bringing a device up: reset, features, queues, doorbells.

use core::fmt;

use anode_device::{Device, Mmio, Registers};
use redox::error::{EIO, Error, Result};

use crate::VERSION_1;
use crate::capability::Layout;

// Offsets in the common configuration.
const DEVICE_FEATURE_SELECT: usize = 0;
const DEVICE_FEATURE: usize = 4;
const DRIVER_FEATURE_SELECT: usize = 8;
const DRIVER_FEATURE: usize = 12;
const CONFIG_VECTOR: usize = 16;
const NUM_QUEUES: usize = 18;
const STATUS: usize = 20;
const GENERATION: usize = 21;
const QUEUE_SELECT: usize = 22;
const QUEUE_SIZE: usize = 24;
const QUEUE_VECTOR: usize = 26;
const QUEUE_ENABLE: usize = 28;
const QUEUE_NOTIFY: usize = 30;
const QUEUE_DESCRIPTORS: usize = 32;
const QUEUE_AVAILABLE: usize = 40;
const QUEUE_USED: usize = 48;

// Bits of the device status.
const ACKNOWLEDGE: u8 = 1;
const DRIVER: u8 = 2;
const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;
const NEEDS_RESET: u8 = 64;
const FAILED: u8 = 128;

/// Vector number that stands for "no interrupt".
const NO_VECTOR: u16 = 0xFFFF;
/// How often the status is read before a reset counts as failed. Each read leaves the virtual
/// machine or crosses the bus, so this is far more than a device needs.
const RESET_READS: u32 = 1_000_000;
/// How often a changing configuration is read again.
const CONFIG_TRIES: u32 = 100;

/// Why a device cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Its capabilities do not describe a virtio 1.x device.
    NotModern,
    /// A part that it describes could not be mapped (errno).
    Unmapped(i32),
    /// It does not come out of reset.
    Reset,
    /// It refuses the features that were chosen.
    Features,
    /// It has no such queue, or not of a usable size.
    Queue(u16),
    /// It has no room for this interrupt vector.
    Vector(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotModern => f.write_str("not a virtio 1.x device"),
            Self::Unmapped(errno) => write!(f, "its registers cannot be mapped (errno {errno})"),
            Self::Reset => f.write_str("the device does not reset"),
            Self::Features => f.write_str("the device refuses virtio 1.x or the chosen features"),
            Self::Queue(queue) => write!(f, "the device has no usable queue {queue}"),
            Self::Vector(vector) => write!(f, "the device refuses interrupt vector {vector}"),
        }
    }
}

impl core::error::Error for Failure {}

impl From<Failure> for Error {
    fn from(_: Failure) -> Self {
        Self::new(EIO)
    }
}

/// Where the three parts of a queue lie, as the device sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Descriptor table.
    pub descriptors: u64,
    /// Available ring.
    pub available: u64,
    /// Used ring.
    pub used: u64,
}

/// A device's registers.
#[derive(Debug)]
pub struct Transport<R = Mmio> {
    common: R,
    notify: R,
    device: Option<R>,
    /// Why the line was raised.
    reason: Option<R>,
    multiplier: u32,
}

impl Transport {
    /// Finds and maps the registers of a PCI function.
    ///
    /// # Errors
    ///
    /// [`Failure::NotModern`] or [`Failure::Unmapped`].
    pub fn open(device: &Device) -> Result<Self, Failure> {
        let unmapped = |error: Error| Failure::Unmapped(error.errno);
        let config = device.config().map_err(unmapped)?;
        let layout = Layout::find(&config).ok_or(Failure::NotModern)?;
        let map = |window: crate::Window| {
            device.window(window.bar, window.offset, window.len).map_err(unmapped)
        };
        let specific = layout.device.map(map).transpose()?;
        let reason = map(layout.isr)?;
        let transport =
            Self::new(map(layout.common)?, map(layout.notify)?, specific, layout.multiplier);
        Ok(transport.with_line(reason))
    }
}

impl<R: Registers> Transport<R> {
    /// A device by its registers; `multiplier` is the distance of two doorbells in bytes.
    #[must_use]
    pub const fn new(common: R, notify: R, device: Option<R>, multiplier: u32) -> Self {
        Self { common, notify, device, reason: None, multiplier }
    }

    /// For a device that is to raise its line: the register that says why.
    #[must_use]
    pub fn with_line(self, reason: R) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Has the device let go of its line; it raises it again when there is more to tell.
    pub fn lower_line(&mut self) {
        if let Some(reason) = &self.reason {
            // To read it is to take note of it.
            reason.read8(0);
        }
    }

    /// Resets the device and agrees on features: all of `wanted` that it offers, and always
    /// [`VERSION_1`]. Gives what was agreed.
    ///
    /// When this returns, the device has dropped every buffer that an earlier driver lent it.
    ///
    /// # Errors
    ///
    /// [`Failure::Reset`] or [`Failure::Features`]; the device is marked as failed then.
    pub fn bring_up(&mut self, wanted: u64) -> Result<u64, Failure> {
        self.reset()?;
        self.add_status(ACKNOWLEDGE);
        self.add_status(DRIVER);
        let agreed = self.offered() & (wanted | VERSION_1);
        self.common.write32(DRIVER_FEATURE_SELECT, 0);
        self.common.write32(DRIVER_FEATURE, low(agreed));
        self.common.write32(DRIVER_FEATURE_SELECT, 1);
        self.common.write32(DRIVER_FEATURE, low(agreed >> 32));
        self.add_status(FEATURES_OK);
        let kept = self.common.read8(STATUS) & FEATURES_OK != 0;
        if kept && agreed & VERSION_1 != 0 {
            return Ok(agreed);
        }
        self.add_status(FAILED);
        Err(Failure::Features)
    }

    /// Resets the device: it stops using every buffer and queue.
    ///
    /// # Errors
    ///
    /// [`Failure::Reset`]: it does not answer; its memory must not be used for anything else.
    pub fn reset(&mut self) -> Result<(), Failure> {
        self.common.write8(STATUS, 0);
        for _ in 0..RESET_READS {
            match self.common.read8(STATUS) {
                0 => return Ok(()),
                // Nobody answers: the device was pulled out.
                u8::MAX => break,
                _ => core::hint::spin_loop(),
            }
        }
        Err(Failure::Reset)
    }

    /// Whether the device, which was started, is there and does not ask to be reset.
    #[must_use]
    pub fn is_well(&self) -> bool {
        // Where nobody answers there are zeroes or ones.
        self.common.read8(STATUS) & (DRIVER_OK | NEEDS_RESET) == DRIVER_OK
    }

    /// The size that a queue may have at most; a power of two.
    ///
    /// # Errors
    ///
    /// [`Failure::Queue`]: there is no such queue.
    pub fn queue_size(&mut self, queue: u16) -> Result<u16, Failure> {
        if queue >= self.common.read16(NUM_QUEUES) {
            return Err(Failure::Queue(queue));
        }
        self.common.write16(QUEUE_SELECT, queue);
        let size = self.common.read16(QUEUE_SIZE);
        if size.is_power_of_two() { Ok(size) } else { Err(Failure::Queue(queue)) }
    }

    /// Gives the device a queue of `size` entries; interrupts by MSI-X entry `vector`, if any.
    ///
    /// Gives the queue's doorbell, for [`Transport::ring`].
    ///
    /// # Errors
    ///
    /// [`Failure::Queue`] or [`Failure::Vector`].
    pub fn start_queue(
        &mut self,
        queue: u16,
        size: u16,
        addresses: Addresses,
        vector: Option<u16>,
    ) -> Result<Doorbell, Failure> {
        if size > self.queue_size(queue)? {
            return Err(Failure::Queue(queue));
        }
        self.common.write16(QUEUE_SIZE, size);
        let vector = vector.unwrap_or(NO_VECTOR);
        self.common.write16(QUEUE_VECTOR, vector);
        if self.common.read16(QUEUE_VECTOR) != vector {
            return Err(Failure::Vector(vector));
        }
        self.write64(QUEUE_DESCRIPTORS, addresses.descriptors);
        self.write64(QUEUE_AVAILABLE, addresses.available);
        self.write64(QUEUE_USED, addresses.used);
        let place = u64::from(self.common.read16(QUEUE_NOTIFY))
            .checked_mul(u64::from(self.multiplier))
            .and_then(|at| usize::try_from(at).ok())
            .filter(|at| at.checked_add(2).is_some_and(|end| end <= self.notify.size()));
        let at = place.ok_or(Failure::Queue(queue))?;
        self.common.write16(QUEUE_ENABLE, 1);
        Ok(Doorbell { queue, at })
    }

    /// Lets the device begin. Interrupts of changed configuration are not asked for.
    pub fn start(&mut self) {
        self.common.write16(CONFIG_VECTOR, NO_VECTOR);
        self.add_status(DRIVER_OK);
    }

    /// Tells the device that a queue has new entries.
    pub fn ring(&mut self, doorbell: Doorbell) {
        self.notify.write16(doorbell.at, doorbell.queue);
    }

    /// Reads the first `N` bytes of the device's own configuration, all of one moment. What the
    /// device does not have reads as zero.
    ///
    /// # Errors
    ///
    /// `EIO`: it has no configuration, or one that changes all the time.
    pub fn configuration<const N: usize>(&self) -> Result<[u8; N]> {
        let device = self.device.as_ref().ok_or(Error::new(EIO))?;
        for _ in 0..CONFIG_TRIES {
            let before = self.common.read8(GENERATION);
            let mut bytes = [0; N];
            for (at, byte) in bytes.iter_mut().enumerate().take(device.size()) {
                *byte = device.read8(at);
            }
            if self.common.read8(GENERATION) == before {
                return Ok(bytes);
            }
        }
        Err(Error::new(EIO))
    }

    fn offered(&mut self) -> u64 {
        self.common.write32(DEVICE_FEATURE_SELECT, 0);
        let below = self.common.read32(DEVICE_FEATURE);
        self.common.write32(DEVICE_FEATURE_SELECT, 1);
        let above = self.common.read32(DEVICE_FEATURE);
        u64::from(above) << 32 | u64::from(below)
    }

    fn add_status(&mut self, bit: u8) {
        let status = self.common.read8(STATUS);
        self.common.write8(STATUS, status | bit);
    }

    fn write64(&mut self, at: usize, value: u64) {
        self.common.write32(at, low(value));
        self.common.write32(at.saturating_add(4), low(value >> 32));
    }
}

/// Where a queue is rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doorbell {
    queue: u16,
    at: usize,
}

/// The low half of a word.
fn low(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
