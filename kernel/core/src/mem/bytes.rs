//! Copying: one loop over whatever has bytes, a piece at a time that lies in one page on both
//! sides. Nothing that was found stays valid beyond its piece, so nothing is held meanwhile.

use crate::prelude::*;

/// The frame that holds a byte, and where in the frame.
pub type Located = Result<(Frame, usize)>;

/// A run of bytes somewhere in memory.
pub trait Bytes<M: Machine> {
    /// Where byte `at` of the run is.
    ///
    /// # Errors
    ///
    /// `EFAULT`: it is not there, not for such an access, or a device's; `ENOMEM`.
    fn locate(&mut self, memory: &mut Memory<M>, at: usize, access: MapFlags) -> Located;
}

/// The frame's bytes from its first on.
impl<M: Machine> Bytes<M> for Frame {
    fn locate(&mut self, _: &mut Memory<M>, at: usize, _: MapFlags) -> Located {
        Ok((*self, at))
    }
}

/// The window's bytes from its first on; the object's own end is the limit.
impl<M: Machine> Bytes<M> for Window {
    fn locate(&mut self, memory: &mut Memory<M>, at: usize, _: MapFlags) -> Located {
        let place = self.offset.checked_add(wide(at)).ok_or(EFAULT)?;
        Ok((memory.page(self.object, place >> 12)?, size(place & 0xFFF)))
    }
}

/// What a process claims to own, in its space.
impl<M: Machine> Bytes<M> for (&mut Space, UserSlice) {
    fn locate(&mut self, memory: &mut Memory<M>, at: usize, access: MapFlags) -> Located {
        let address = self.1.skip(at).start();
        Ok((self.0.frame_at(memory, address, access)?, size(address & 0xFFF)))
    }
}

impl<M: Machine> Memory<M> {
    /// Copies `len` bytes.
    ///
    /// # Errors
    ///
    /// As [`Bytes::locate`]; some bytes may have been copied.
    pub fn copy(
        &mut self,
        mut from: impl Bytes<M>,
        mut to: impl Bytes<M>,
        len: usize,
    ) -> Result<()> {
        let mut done = 0usize;
        while done < len {
            let source = from.locate(self, done, MapFlags::READ)?;
            let target = to.locate(self, done, MapFlags::WRITE)?;
            let left = PAGE_SIZE.saturating_sub(source.1.max(target.1));
            let piece = left.min(len.saturating_sub(done));
            self.machine.copy(source, target, piece).ok_or(EFAULT)?;
            done = done.saturating_add(piece.max(1));
        }
        Ok(())
    }

    /// Copies bytes into the kernel's own memory.
    ///
    /// # Errors
    ///
    /// As [`Bytes::locate`].
    pub fn load(&mut self, mut from: impl Bytes<M>, to: &mut [u8]) -> Result<()> {
        let mut done = 0usize;
        while let Some(rest) = to.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let (frame, at) = from.locate(self, done, MapFlags::READ)?;
            // What lies beyond the frame is left for the next one.
            self.machine.read(frame, at, rest).ok_or(EFAULT)?;
            done = done.saturating_add(PAGE_SIZE.saturating_sub(at).max(1));
        }
        Ok(())
    }

    /// Copies bytes out of the kernel's own memory.
    ///
    /// # Errors
    ///
    /// As [`Bytes::locate`]; some bytes may have been copied.
    pub fn store(&mut self, from: &[u8], mut to: impl Bytes<M>) -> Result<()> {
        let mut done = 0usize;
        while let Some(rest) = from.get(done..).filter(|rest| !rest.is_empty()) {
            let (frame, at) = to.locate(self, done, MapFlags::WRITE)?;
            self.machine.write(frame, at, rest).ok_or(EFAULT)?;
            done = done.saturating_add(PAGE_SIZE.saturating_sub(at).max(1));
        }
        Ok(())
    }
}
