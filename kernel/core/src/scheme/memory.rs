//! `memory:`: objects that programs make, and parts of them.

use core::ops::Range;

use crate::num::{size, wide};
use crate::{
    Access, EINVAL, ENOENT, ENOSPC, Errno, Kernel, Machine, Memory, Object, Outcome, PAGE_SIZE,
    Target, ThreadId, Transfer, Window,
};

/// A hexadecimal number without prefix.
///
/// # Errors
///
/// `EINVAL`: it is none.
pub fn hex(text: &str) -> Result<u64, Errno> {
    if text.starts_with('+') {
        return Err(EINVAL);
    }
    u64::from_str_radix(text, 16).map_err(|_other| EINVAL)
}

impl<M: Machine> Kernel<M> {
    /// A new, empty object, with one reference.
    pub(crate) fn new_object(&mut self) -> Result<Window, Errno> {
        let Memory { machine, frames, objects } = &mut self.memory;
        let object = Object::anonymous(frames, machine)?;
        let object = objects.insert(object, frames, machine)?;
        Ok(Window { object, offset: 0, bytes: u64::MAX })
    }

    /// `window/OFFSET/LEN` of an object.
    pub(crate) fn part_of(&mut self, whole: Window, path: Range<usize>) -> Result<Target, Errno> {
        let mut words = self.path(path)?.split('/');
        if words.next() != Some("window") {
            return Err(ENOENT);
        }
        let offset = hex(words.next().unwrap_or(""))?;
        let bytes = hex(words.next().unwrap_or(""))?;
        let all = self.size_of(Target::Memory(whole))?;
        let end = offset.checked_add(bytes).ok_or(EINVAL)?;
        if words.next().is_some() || offset & 0xFFF != 0 || bytes == 0 || end > all {
            return Err(EINVAL);
        }
        self.memory.objects.retain(whole.object);
        let offset = whole.offset.checked_add(offset).ok_or(EINVAL)?;
        Ok(Target::Memory(Window { offset, bytes, ..whole }))
    }

    pub(crate) fn resize_memory(&mut self, me: ThreadId, window: Window, bytes: u64) -> Outcome {
        if window.bytes != u64::MAX {
            return Err(EINVAL);
        }
        let Memory { machine, frames, objects } = &mut self.memory;
        objects.get_mut(window.object).ok_or(EINVAL)?.resize(bytes, frames, machine)?;
        self.give(me, 0)
    }

    pub(crate) fn write_memory(
        &mut self,
        me: ThreadId,
        window: Window,
        transfer: &Transfer,
    ) -> Outcome {
        let end = transfer.offset.checked_add(wide(transfer.range.len())).ok_or(EINVAL)?;
        let object = self.memory.objects.get(window.object).ok_or(EINVAL)?;
        if object.is_read_only() {
            return Err(crate::error::EPERM);
        }
        if end > self.size_of(Target::Memory(window))? {
            if window.bytes != u64::MAX {
                return Err(ENOSPC);
            }
            let Memory { machine, frames, objects } = &mut self.memory;
            objects.get_mut(window.object).ok_or(EINVAL)?.resize(end, frames, machine)?;
        }
        let mut done = 0usize;
        while done < transfer.range.len() {
            let at = window.offset.saturating_add(transfer.offset).saturating_add(wide(done));
            let rest = transfer.range.skip(done);
            let (inside, outside) = (size(at & 0xFFF), size(rest.start() & 0xFFF));
            let piece = PAGE_SIZE.saturating_sub(inside.max(outside)).min(rest.len());
            let from = self.with_space(me, |space, memory| {
                Ok(space.frame_at(memory, rest.start(), Access::Read)?)
            })?;
            let Memory { machine, frames, objects } = &mut self.memory;
            let object = objects.get(window.object).ok_or(EINVAL)?;
            let to = object.page(at >> 12, frames, machine)?;
            machine.copy((from, outside), (to, inside), piece);
            done = done.saturating_add(piece);
        }
        self.advance(me, transfer, done)
    }
}
