//! `memory:`: objects that programs make, and parts of them.

use crate::prelude::*;

/// A hexadecimal number without prefix.
///
/// # Errors
///
/// `EINVAL`: it is none.
pub fn hex(text: &str) -> Result<u64> {
    if text.starts_with('+') {
        return Err(EINVAL);
    }
    u64::from_str_radix(text, 16).map_err(|_other| EINVAL)
}

impl<M: Machine> Kernel<M> {
    /// `window/OFFSET/LEN` of an object.
    pub(crate) fn part_of(&mut self, whole: Window, path: Range<usize>) -> Result<Target> {
        let mut words = self.path(path)?.split('/');
        if words.next() != Some("window") {
            return Err(ENOENT);
        }
        let offset = hex(words.next().unwrap_or(""))?;
        let bytes = hex(words.next().unwrap_or(""))?;
        let whole = Window { bytes: self.memory.len(whole), ..whole };
        let sound = words.next().is_none() && offset & 0xFFF == 0 && bytes != 0;
        let part = whole.part(offset, bytes).filter(|_| sound).ok_or(EINVAL)?;
        self.memory.objects.retain(part.object);
        Ok(Target::Memory(part))
    }

    pub(crate) fn write_memory(&mut self, window: Window, transfer: &Transfer) -> Outcome {
        let len = transfer.range.len();
        let end = transfer.offset.checked_add(wide(len)).ok_or(EINVAL)?;
        if self.memory.objects.get(window.object).ok_or(EINVAL)?.read_only {
            return Err(EPERM);
        }
        if end > self.memory.len(window) {
            if window.bytes != u64::MAX {
                return Err(ENOSPC);
            }
            self.memory.resize(window.object, end)?;
        }
        let offset = window.offset.checked_add(transfer.offset).ok_or(EINVAL)?;
        let (space, memory) = self.space(transfer.me)?;
        let part = len.min(COPY_BYTES);
        memory.copy((space, transfer.range), Window { offset, ..window }, part)?;
        self.go_on_or_end(transfer, part, len)
    }
}
