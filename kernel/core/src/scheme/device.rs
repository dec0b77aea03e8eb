//! What the machine handle opens: physical memory, DMA memory, ports, interrupts.

use crate::prelude::*;
use crate::scheme::memory::hex;

/// The first serial port: when a driver takes it, the kernel gives it up.
const CONSOLE_PORT: u16 = 0x3f8;
/// Most bytes of one string transfer on a port.
const PORT_BYTES: usize = 512;

impl<M: Machine> Kernel<M> {
    /// What a path relative to the machine handle names.
    pub(crate) fn machine_part(&mut self, path: Range<usize>) -> Result<Target> {
        let mut words = self.path(path)?.split('/');
        let mut word = || words.next().unwrap_or("");
        match word() {
            "phys" => {
                let (address, bytes) = (hex(word())?, hex(word())?);
                let cache = match word() {
                    "wb" => MapFlags::empty(),
                    "wc" => MapFlags::WRITE_COMBINING,
                    "uc" => MapFlags::UNCACHED,
                    _ => return Err(EINVAL),
                };
                let bytes = bytes.checked_next_multiple_of(PAGE).ok_or(EINVAL)?;
                let object = Object::physical(address, bytes, cache)?;
                let object = self.memory.objects.insert(object)?;
                Ok(Target::Memory(Window { object, offset: 0, bytes: u64::MAX }))
            }
            "dma" => {
                let bytes = hex(word())?;
                let object = self.memory.dma(bytes)?;
                Ok(Target::Memory(Window { object, offset: 0, bytes: u64::MAX }))
            }
            "io" => {
                let mut port = || u16::try_from(hex(word())?).map_err(|_wide| EINVAL);
                let (first, count) = (port()?, port()?);
                first.checked_add(count.checked_sub(1).ok_or(EINVAL)?).ok_or(EINVAL)?;
                if first == CONSOLE_PORT {
                    self.memory.machine.console_release();
                }
                Ok(Target::Ports(first, count))
            }
            "irq" => {
                let line = low(hex(word())?);
                let op = match word() {
                    "" => IrqOp::Edge,
                    "level" => IrqOp::Level,
                    _ => return Err(EINVAL),
                };
                self.take_line(line, op)
            }
            "msi" => self.take_message(),
            _ => Err(ENOENT),
        }
    }

    fn take_line(&mut self, line: u32, op: IrqOp) -> Result<Target> {
        if self.irqs.iter().any(|(_, irq)| irq.line == line) {
            return Err(EBUSY);
        }
        if !self.irqs.has_room() {
            return Err(ENOSPC);
        }
        if !self.memory.machine.irq(line, op) {
            return Err(ENOENT);
        }
        let irq = Irq { line, message: None, count: 0, total: 0 };
        let id = self.irqs.insert(irq)?;
        self.memory.machine.irq(line, IrqOp::Unmask);
        Ok(Target::Irq(id))
    }

    fn take_message(&mut self) -> Result<Target> {
        if !self.irqs.has_room() {
            return Err(ENOSPC);
        }
        let (address, data, line) = self.memory.machine.take_msi().ok_or(ENOSPC)?;
        let message = Some((address, data));
        let irq = Irq { line, message, count: 0, total: 0 };
        Ok(Target::Irq(self.irqs.insert(irq)?))
    }

    /// The last handle on an interrupt is gone.
    pub(crate) fn drop_irq(&mut self, id: IrqId) {
        self.unsubscribe(|subscription| subscription.source == Source::Irq(id));
        if let Some(irq) = self.irqs.remove(id) {
            match irq.message {
                Some(_) => self.memory.machine.give_msi(irq.line),
                None => {
                    self.memory.machine.irq(irq.line, IrqOp::Mask);
                }
            }
        }
    }

    pub(crate) fn read_irq(&mut self, id: IrqId, transfer: &Transfer) -> Outcome {
        if transfer.range.len() < 8 {
            return Err(EINVAL);
        }
        let count = self.irqs.get(id).ok_or(EINVAL)?.count;
        if count == 0 {
            return self.wait(Channel::Irq(id), transfer);
        }
        self.put_words(transfer.me, transfer.range.start(), [count])?;
        self.irqs.update(id, |irq| irq.count = 0);
        self.give(transfer.me, 8)
    }

    /// A write acknowledges: the line may fire again.
    pub(crate) fn acknowledge(&mut self, id: IrqId, transfer: &Transfer) -> Outcome {
        let irq = self.irqs.get_mut(id).ok_or(EINVAL)?;
        irq.count = 0;
        if irq.message.is_none() {
            self.memory.machine.irq(irq.line, IrqOp::Unmask);
        }
        self.give(transfer.me, wide(transfer.range.len()))
    }

    /// The port of a transfer, and whether it is a string of bytes.
    fn port((first, count): (u16, u16), transfer: &Transfer) -> Result<(u16, usize, UserSlice)> {
        let range = transfer.range.cut(PORT_BYTES);
        let at = u16::try_from(transfer.offset).map_err(|_far| EINVAL)?;
        let width = match range.len() {
            len @ (1 | 2 | 4) => len,
            _ => 1,
        };
        let last = usize::from(at).checked_add(width).ok_or(EINVAL)?;
        if range.len() == 0 || last > usize::from(count) {
            return Err(EINVAL);
        }
        Ok((first.checked_add(at).ok_or(EINVAL)?, width, range))
    }

    pub(crate) fn read_ports(&mut self, ports: (u16, u16), transfer: &Transfer) -> Outcome {
        let (port, width, range) = Self::port(ports, transfer)?;
        let Self { memory, scratch, .. } = self;
        let buffer = scratch.get_mut(..range.len()).ok_or(EINVAL)?;
        for chunk in buffer.chunks_mut(width) {
            let value = memory.machine.port_in(port, width).to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(value) {
                *to = from;
            }
        }
        self.store_scratch(transfer.me, range)?;
        self.give(transfer.me, wide(range.len()))
    }

    pub(crate) fn write_ports(&mut self, ports: (u16, u16), transfer: &Transfer) -> Outcome {
        let (port, width, range) = Self::port(ports, transfer)?;
        self.load_scratch(transfer.me, range)?;
        let Self { memory, scratch, .. } = self;
        for chunk in scratch.get(..range.len()).unwrap_or_default().chunks(width) {
            let mut value = [0u8; 4];
            for (to, from) in value.iter_mut().zip(chunk) {
                *to = *from;
            }
            memory.machine.port_out(port, width, u32::from_le_bytes(value));
        }
        self.give(transfer.me, wide(range.len()))
    }
}
