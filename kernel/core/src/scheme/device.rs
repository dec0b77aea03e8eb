//! What the machine handle opens: physical memory, DMA memory, ports, interrupts.

use anode_abi::boot_info::Extent;
use anode_abi::info::part;

use crate::prelude::*;

/// The first serial port: when a driver takes it, the kernel gives it up.
const CONSOLE_PORT: u16 = 0x3f8;
/// Numbers that lines may have; messages are lines too.
pub(crate) const LINES: u32 = 256;
/// Most bytes of one string transfer on a port.
const PORT_BYTES: usize = 512;

impl<M: Machine> Kernel<M> {
    /// A handle on a part of the machine: three words of the caller's are its kind and two
    /// numbers.
    pub(crate) fn machine_part(&mut self, me: ThreadId, call: Call) -> Outcome {
        let [kind, a, b] = self.words(me, call.e)?;
        let uid = self.process(me)?.who.uid;
        let target = match size(kind) {
            part::MEMORY => self.physical((a, b), MapFlags::empty(), uid)?,
            part::COMBINING => self.physical((a, b), MapFlags::WRITE_COMBINING, uid)?,
            part::UNCACHED => self.physical((a, b), MapFlags::UNCACHED, uid)?,
            part::DMA => Target::all_of(self.memory.dma(a, uid)?),
            part::PORTS => {
                let first = u16::try_from(a).map_err(|_wide| EINVAL)?;
                let count = u16::try_from(b).map_err(|_wide| EINVAL)?;
                first.checked_add(count.checked_sub(1).ok_or(EINVAL)?).ok_or(EINVAL)?;
                if first == CONSOLE_PORT {
                    self.memory.machine.console_release();
                }
                Target::Ports(first, count)
            }
            part::EDGE => self.take_line(low(a), IrqOp::Edge, uid)?,
            part::LEVEL => self.take_line(low(a), IrqOp::Level, uid)?,
            part::MESSAGE => {
                let taken = |line| self.irqs.iter().any(|(_, irq)| irq.line == line);
                let message = |line: &u32| self.memory.machine.message(*line).is_some();
                let free = (0..LINES).filter(message).find(|line| !taken(*line));
                let irq = Irq { line: free.ok_or(ENOSPC)?, ..Irq::default() };
                Target::Irq(self.irqs.insert(irq, uid)?)
            }
            _ => return Err(EINVAL),
        };
        let mode = self.process(me)?.handles.get(call.a)?.mode();
        self.open_target(me, target, mode | call.d & !O_RDWR)
    }

    fn physical(
        &mut self,
        (address, bytes): (u64, u64),
        cache: MapFlags,
        uid: u32,
    ) -> Result<Target> {
        let bytes = bytes.checked_next_multiple_of(PAGE).ok_or(EINVAL)?;
        let object = Object::physical(address, bytes, cache)?;
        if self.memory.frames.has_any(Extent { phys: address, len: bytes }) {
            return Err(EBUSY);
        }
        Ok(Target::all_of(self.memory.objects.insert(object, uid)?))
    }

    fn take_line(&mut self, line: u32, op: IrqOp, uid: u32) -> Result<Target> {
        if self.irqs.iter().any(|(_, irq)| irq.line == line) {
            return Err(EBUSY);
        }
        if !self.memory.machine.irq(line, op) {
            return Err(ENOENT);
        }
        let id = self.irqs.insert(Irq { line, ..Irq::default() }, uid)?;
        self.memory.machine.irq(line, IrqOp::Unmask);
        Ok(Target::Irq(id))
    }

    /// The last handle on an interrupt is gone.
    pub(crate) fn drop_irq(&mut self, id: IrqId) {
        self.unsubscribe(|subscription| subscription.source == Some(Target::Irq(id)));
        if let Some(irq) = self.irqs.remove(id) {
            self.memory.machine.irq(irq.line, IrqOp::Mask);
        }
    }

    /// A write acknowledges: the line may fire again.
    pub(crate) fn acknowledge(&mut self, id: IrqId, transfer: &Transfer) -> Outcome {
        let irq = self.irqs.get_mut(id).ok_or(EINVAL)?;
        irq.pending = false;
        self.memory.machine.irq(irq.line, IrqOp::Unmask);
        self.give(transfer.me, wide(transfer.range.len()))
    }

    /// Moves 1, 2 or 4 bytes as one access, or more as a string of bytes on one port.
    pub(crate) fn use_ports(
        &mut self,
        (first, count): (u16, u16),
        transfer: &Transfer,
        access: MapFlags,
    ) -> Outcome {
        let range = transfer.range.cut(PORT_BYTES);
        let at = u16::try_from(transfer.offset).map_err(|_far| EINVAL)?;
        let width = if matches!(range.len(), 2 | 4) { range.len() } else { 1 };
        if range.len() == 0 || usize::from(at).saturating_add(width) > usize::from(count) {
            return Err(EINVAL);
        }
        let port = first.checked_add(at).ok_or(EINVAL)?;
        if access == MapFlags::WRITE {
            self.load_scratch(transfer.me, range)?;
        }
        let Self { memory: Memory { machine, .. }, scratch, .. } = self;
        for chunk in scratch.get_mut(..range.len()).unwrap_or_default().chunks_mut(width) {
            if access == MapFlags::WRITE {
                let value = chunk.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
                machine.port_out(port, width, value);
            } else {
                let value = machine.port_in(port, width).to_le_bytes();
                chunk.iter_mut().zip(value).for_each(|(to, from)| *to = from);
            }
        }
        if access == MapFlags::READ {
            self.store_scratch(transfer.me, range)?;
        }
        self.give(transfer.me, wide(range.len()))
    }
}
