//! The kernel's own schemes: opening them, and which file answers what.

use core::ops::Range;

use anode_abi::number::{SYS_FPATH, SYS_FSTAT, SYS_FSYNC, SYS_FTRUNCATE, SYS_GETDENTS};

use crate::error::ENOTTY;
use crate::object::event::Queue;
use crate::{
    Builtin, Call, DescriptionId, EACCES, EINVAL, ENOENT, ENOTDIR, ESPIPE, Errno, Kernel, Machine,
    Outcome, ProcFile, Sink, Source, SysFile, Target, ThreadId, Transfer, UserSlice,
};

/// `st_mode` of a directory, readable by all.
const DIRECTORY: u64 = 0x4000 | 0o555;
/// `st_mode` of a character device.
const DEVICE: u64 = 0x2000 | 0o666;
/// `st_mode` of a pipe.
const FIFO: u64 = 0x1000 | 0o600;
/// `st_mode` of a plain file.
const FILE: u64 = 0x8000 | 0o666;

impl<M: Machine> Kernel<M> {
    /// Opens something of a kernel scheme; its path lies in the scratch buffer.
    pub(crate) fn open_builtin(
        &mut self,
        me: ThreadId,
        builtin: Builtin,
        rest: Range<usize>,
        flags: u64,
    ) -> Outcome {
        let path = self.path(rest.clone())?;
        let no_position = u64::MAX;
        let (target, offset) = match (builtin, path) {
            (Builtin::Memory, "") => (Target::Memory(self.new_object()?), 0),
            (Builtin::Event, "") => {
                (Target::Queue(self.queues.insert(Queue::default())?), no_position)
            }
            (Builtin::Pipe, "" | "log") => {
                let lossy = path == "log";
                (self.new_pipe(lossy)?, no_position)
            }
            (Builtin::Time, clock) => (Self::clock_named(clock)?, no_position),
            (Builtin::Rand, "") => (Target::Rand, no_position),
            (Builtin::Debug, "") => (Target::Debug, no_position),
            (Builtin::Irq, "") => (Target::Directory(Builtin::Irq), 0),
            (Builtin::Sys, _) => {
                return self.open_beneath(me, Target::Sys(SysFile::Directory), rest, flags);
            }
            (Builtin::Proc, _) => {
                return self.open_beneath(me, Target::Directory(Builtin::Proc), rest, flags);
            }
            _ => return Err(ENOENT),
        };
        self.open_target(me, target, flags, offset)
    }

    /// Opens something relative to a handle of a kernel scheme.
    pub(crate) fn open_beneath(
        &mut self,
        me: ThreadId,
        base: Target,
        path: Range<usize>,
        flags: u64,
    ) -> Outcome {
        let text = self.path(path.clone())?.trim_matches('/');
        let target = match base {
            _ if text.is_empty() || text == "." => {
                self.retain_target(base);
                base
            }
            Target::Sys(SysFile::Directory) => Self::sys_file(text)?,
            Target::Directory(Builtin::Proc) => self.proc_file(text)?,
            Target::Process(pid, ProcFile::Directory) => Self::process_file(pid, text)?,
            Target::Memory(window) => self.part_of(window, path)?,
            Target::Machine => self.machine_part(path)?,
            Target::Names(_) => {
                // `/scheme` as a directory: its names are opened by their absolute path.
                let name = Self::bounded(text)?;
                let namespace = self.process(me)?.namespace;
                let names = self.namespaces.get(namespace).ok_or(ENOENT)?;
                let binding = names.find(name.as_bytes()).ok_or(ENOENT)?;
                return self.open_binding(me, binding, flags);
            }
            _ => return Err(ENOTDIR),
        };
        let offset = if has_position(target) { 0 } else { u64::MAX };
        self.open_target(me, target, flags, offset)
    }

    pub(crate) fn read_builtin(
        &mut self,
        me: ThreadId,
        target: Target,
        transfer: &Transfer,
    ) -> Outcome {
        match target {
            Target::Memory(window) => {
                let bytes = self.size_of(target)?;
                self.read_window(me, crate::mem::object::Window { bytes, ..window }, transfer)
            }
            Target::Pipe(pipe, _) => self.read_pipe(me, pipe, transfer),
            Target::Queue(queue) => self.read_events(me, queue, transfer),
            Target::Clock(clock, alarm) => self.read_clock(me, (clock, alarm), transfer),
            Target::Rand => self.read_random(me, transfer),
            Target::Debug => self.read_console(me, transfer),
            Target::Sys(_) | Target::Process(..) => self.read_text(me, target, transfer),
            Target::Irq(irq) => self.read_irq(me, irq, transfer),
            Target::Ports(first, count) => self.read_ports(me, (first, count), transfer),
            _ => Err(crate::error::EISDIR),
        }
    }

    pub(crate) fn write_builtin(
        &mut self,
        me: ThreadId,
        target: Target,
        transfer: &Transfer,
    ) -> Outcome {
        match target {
            Target::Memory(window) => self.write_memory(me, window, transfer),
            Target::Pipe(pipe, _) => self.write_pipe(me, pipe, transfer),
            Target::Queue(queue) => self.subscribe(me, Sink::Queue(queue), transfer),
            Target::Ring(ring) => self.subscribe(me, Sink::Ring(ring), transfer),
            Target::Clock(clock, _) => self.arm_clock(me, clock, transfer),
            Target::Debug => self.write_console(me, transfer),
            Target::Sys(SysFile::Power) => self.write_power(me, transfer),
            Target::Process(pid, ProcFile::Signal) => self.write_signal(me, pid, transfer),
            Target::Irq(irq) => self.acknowledge(me, irq, transfer),
            Target::Ports(first, count) => self.write_ports(me, (first, count), transfer),
            _ => Err(EINVAL),
        }
    }

    /// fstat, fpath, getdents and the like of a kernel scheme's handle.
    pub(crate) fn ask_builtin(
        &mut self,
        me: ThreadId,
        (_description, target): (DescriptionId, Target),
        (number, range): (usize, UserSlice),
        call: Call,
    ) -> Outcome {
        match number {
            SYS_FSTAT => {
                let mode = match target {
                    Target::Sys(SysFile::Directory)
                    | Target::Directory(_)
                    | Target::Process(_, ProcFile::Directory)
                    | Target::Names(_)
                    | Target::Machine => DIRECTORY,
                    Target::Pipe(..) => FIFO,
                    Target::Memory(_) | Target::Sys(_) | Target::Process(..) => FILE,
                    _ => DEVICE,
                };
                let size = self.size_of(target).unwrap_or(0);
                // `Stat`: dev, ino, mode with nlink, uid with gid, size, block size, blocks.
                let words =
                    [0, 1, mode | 1 << 32, 0, size, 4096, size.div_ceil(512), 0, 0, 0, 0, 0, 0];
                if range.len() < size_of::<redox::data::Stat>() {
                    return Err(EINVAL);
                }
                self.with_space(me, |s, memory| s.write_words(memory, range.start(), &words))?;
                self.give(me, 0)
            }
            SYS_FPATH => self.write_path(me, target, range),
            SYS_GETDENTS => self.list(me, target, range, call.d),
            anode_abi::number::SYS_CALL => Err(ENOTTY),
            _ => Err(EINVAL),
        }
    }

    /// ftruncate, fsync and the like of a kernel scheme's handle.
    pub(crate) fn set_builtin(
        &mut self,
        me: ThreadId,
        target: Target,
        number: usize,
        value: u64,
    ) -> Outcome {
        match (number, target) {
            (SYS_FTRUNCATE, Target::Memory(window)) => self.resize_memory(me, window, value),
            (SYS_FSYNC, _) => self.give(me, 0),
            _ => Err(EINVAL),
        }
    }

    /// How many bytes a positioned thing has.
    pub(crate) fn size_of(&self, target: Target) -> Result<u64, Errno> {
        match target {
            Target::Memory(window) => {
                let all = self.memory.objects.get(window.object).ok_or(EACCES)?.bytes();
                Ok(window.bytes.min(all.saturating_sub(window.offset)))
            }
            Target::Sys(_) | Target::Process(..) => Ok(0),
            _ => Err(ESPIPE),
        }
    }

    /// One more description of a target.
    fn retain_target(&mut self, target: Target) {
        match target {
            Target::Memory(window) => self.memory.objects.retain(window.object),
            Target::Names(namespace) => self.retain_namespace(namespace),
            _ => {}
        }
    }

    /// The last description of a target is gone.
    pub(crate) fn drop_target(&mut self, target: Target) {
        match target {
            Target::Scheme(scheme, ..) | Target::Owner(scheme) => self.drop_scheme(scheme),
            Target::Memory(window) => self.let_go(window),
            Target::Pipe(pipe, end) => self.drop_pipe_end(pipe, end),
            Target::Queue(queue) => {
                self.unsubscribe(|s| {
                    s.sink == Sink::Queue(queue) || s.source == Source::Queue(queue)
                });
                self.queues.remove(queue);
            }
            Target::Irq(irq) => self.drop_irq(irq),
            Target::Names(namespace) | Target::Namespace(namespace) => {
                self.drop_namespace(namespace);
            }
            Target::Ring(ring) => self.close_ring_handle(ring),
            Target::Clock(..)
            | Target::Rand
            | Target::Debug
            | Target::Sys(_)
            | Target::Directory(_)
            | Target::Process(..)
            | Target::Ports(..)
            | Target::Machine => {}
        }
    }

    /// A daemon closed its ring: it serves no more.
    fn close_ring_handle(&mut self, id: crate::table::RingId) {
        let Some(ring) = self.rings.get(id) else { return };
        if let Some(process) = self.processes.get_mut(ring.process) {
            for entry in &mut process.rings {
                if *entry == Some(id) {
                    *entry = None;
                }
            }
        }
        self.close_ring(id);
    }
}

/// Whether reads and writes of a target have a position.
fn has_position(target: Target) -> bool {
    matches!(target, Target::Memory(_) | Target::Sys(_) | Target::Process(..) | Target::Names(_))
}
