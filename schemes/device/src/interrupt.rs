//! An interrupt, as a handle that becomes readable.

use std::os::fd::OwnedFd;

use anode_scheme::sys;
use redox::error::{EINVAL, Error, Result};

/// Inode of an interrupt that is no message; a message has its address there, and its data as
/// size.
const LINE: u64 = 1;

/// An interrupt line or message. Subscribe [`Interrupt::handle`] to the ring; each note is
/// answered by [`Interrupt::acknowledge`], then the device is looked at.
#[derive(Debug)]
pub struct Interrupt {
    handle: OwnedFd,
}

impl Interrupt {
    /// The interrupt behind a handle of `irq:`.
    #[must_use]
    pub const fn new(handle: OwnedFd) -> Self {
        Self { handle }
    }

    /// The handle, to be subscribed.
    #[must_use]
    pub const fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// The handle itself, to be given away.
    #[must_use]
    pub fn into_handle(self) -> OwnedFd {
        self.handle
    }

    /// Lets the next one through. To be called before the device's state is read, so that what
    /// happens in between raises a new one.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn acknowledge(&self) -> Result<()> {
        sys::write(&self.handle, &[1]).map(drop)
    }

    /// Address and data of a message-signalled interrupt, for who programs it (`pci:`).
    ///
    /// # Errors
    ///
    /// `EINVAL` if this is not one, or what the kernel answers.
    pub fn message(&self) -> Result<(u64, u32)> {
        let stat = sys::stat(&self.handle)?;
        let data = u32::try_from(stat.st_size).map_err(|_wide| Error::new(EINVAL))?;
        if stat.st_ino == LINE { Err(Error::new(EINVAL)) } else { Ok((stat.st_ino, data)) }
    }
}
