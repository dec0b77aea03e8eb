//! The directory `/scheme`, and canonical paths of what the kernel serves.

use core::fmt::Write;

use crate::prelude::*;

/// Kind of a directory in directory records.
const DT_DIR: u8 = 4;
/// Bytes of a record before its name.
const HEADER: usize = 19;

/// A text in a buffer; what is over is cut.
struct Text<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for (place, byte) in self.buffer.iter_mut().skip(self.len).zip(text.bytes()) {
            *place = byte;
            self.len = self.len.saturating_add(1);
        }
        Ok(())
    }
}

impl<M: Machine> Kernel<M> {
    /// Directory records from position `from` on.
    pub(crate) fn list(
        &mut self,
        me: ThreadId,
        target: Target,
        range: UserSlice,
        from: u64,
    ) -> Outcome {
        let mut at = size(from);
        let mut done = 0usize;
        while let Some(name) = self.entry(target, at)? {
            let bytes = name.as_bytes();
            let len = HEADER.saturating_add(bytes.len()).saturating_add(1);
            let room = range.len().saturating_sub(done);
            if len > room && done == 0 {
                return Err(EINVAL);
            }
            if len > room {
                break;
            }
            at = at.saturating_add(1);
            let mut record = [0u8; HEADER + 32];
            let fields = (wide(at).to_le_bytes().into_iter())
                .chain(wide(at).to_le_bytes())
                .chain(u16::try_from(len).unwrap_or(0).to_le_bytes())
                .chain([DT_DIR])
                .chain(bytes.iter().copied());
            for (to, byte) in record.iter_mut().zip(fields) {
                *to = byte;
            }
            let record = record.get(..len).unwrap_or_default();
            self.store(me, record, range.skip(done).start())?;
            done = done.saturating_add(len);
        }
        self.give(me, wide(done))
    }

    /// Entry number `at` of a directory.
    fn entry(&self, target: Target, at: usize) -> Result<Option<Name>> {
        let Target::Names(namespace) = target else { return Err(ENOTDIR) };
        let namespace = self.namespaces.get(namespace).ok_or(ENOENT)?;
        Ok(namespace.iter().nth(at).map(|(name, _)| *name))
    }

    /// The canonical path of a kernel scheme's handle.
    pub(crate) fn write_path(&mut self, me: ThreadId, target: Target, range: UserSlice) -> Outcome {
        let len = self.with_scratch(|kernel, scratch| {
            let mut text = Text { buffer: scratch, len: 0 };
            kernel.describe_path(target, &mut text).map(|()| text.len)
        });
        let range = range.cut(len.map_err(|_never| EACCES)?);
        self.store_scratch(me, range)?;
        self.give(me, wide(range.len()))
    }

    fn describe_path(&self, target: Target, out: &mut Text<'_>) -> core::fmt::Result {
        match target {
            Target::Memory(window) => {
                let object = self.memory.objects.get(window.object);
                let address = object.and_then(|object| object.address());
                let bytes = self.size_of(target).unwrap_or(0);
                match address {
                    Some(address) => {
                        let address = address.saturating_add(window.offset);
                        write!(out, "memory:dma/{address:x}/{bytes:x}")
                    }
                    None => write!(out, "/scheme/memory"),
                }
            }
            Target::Irq(id) => match self.irqs.get(id).and_then(|irq| irq.message) {
                Some((address, data)) => write!(out, "irq:msi/{address:x}/{data:x}"),
                None => write!(out, "irq:{}", self.irqs.get(id).map_or(0, |irq| irq.line)),
            },
            Target::Pipe(..) => out.write_str("/scheme/pipe"),
            Target::Queue(_) => out.write_str("/scheme/event"),
            Target::Clock(clock, _) => write!(out, "/scheme/time/{clock}"),
            Target::Rand => out.write_str("/scheme/rand"),
            Target::Debug => out.write_str("/scheme/debug"),
            Target::Names(_) => out.write_str("/scheme"),
            Target::Ports(first, count) => write!(out, "memory:io/{first:x}/{count:x}"),
            _ => out.write_str("/scheme"),
        }
    }
}
