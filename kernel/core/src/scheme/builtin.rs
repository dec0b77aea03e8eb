//! The kernel's own schemes: opening them, and which file answers what.

use anode_abi::number::{SYS_CALL, SYS_FPATH, SYS_FSTAT, SYS_FSYNC, SYS_FTRUNCATE, SYS_GETDENTS};

use crate::prelude::*;
use crate::syscall::time::{CLOCK_MONOTONIC, CLOCK_REALTIME};

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
        let target = match (builtin, path) {
            (Builtin::Memory, "") => {
                let object = self.memory.anonymous(0)?;
                Target::Memory(Window { object, offset: 0, bytes: u64::MAX })
            }
            (Builtin::Event, "") => Target::Queue(self.queues.insert(Queue)?),
            (Builtin::Pipe, "") => Target::Pipe(self.new_pipe()?, End::Read),
            (Builtin::Pipe, "log") => {
                let pipe = self.new_pipe()?;
                self.pipes.update(pipe, |pipe| pipe.lossy = true);
                Target::Pipe(pipe, End::Read)
            }
            (Builtin::Time, "1") => Target::Clock(CLOCK_REALTIME, 0),
            (Builtin::Time, "4") => Target::Clock(CLOCK_MONOTONIC, 0),
            (Builtin::Rand, "") => Target::Rand,
            (Builtin::Debug, "") => Target::Debug,
            _ => return Err(ENOENT),
        };
        self.open_target(me, target, flags)
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
                self.retain_target(base)?;
                base
            }
            Target::Memory(window) => self.part_of(window, path)?,
            Target::Machine => self.machine_part(path)?,
            // `/scheme` as a directory: a name opens the root of a kernel scheme.
            Target::Names(namespace) => {
                let names = self.namespaces.get(namespace).ok_or(ENOENT)?;
                return match names.find(text.as_bytes()).ok_or(ENOENT)? {
                    Binding::Builtin(builtin) => self.open_builtin(me, builtin, 0..0, flags),
                    _ => Err(EXDEV),
                };
            }
            _ => return Err(ENOTDIR),
        };
        self.open_target(me, target, flags)
    }

    pub(crate) fn read_builtin(&mut self, target: Target, transfer: &Transfer) -> Outcome {
        match target {
            Target::Memory(window) => {
                let bytes = self.memory.len(window);
                self.read_window(Window { bytes, ..window }, transfer)
            }
            Target::Pipe(pipe, _) => self.read_pipe(pipe, transfer),
            Target::Queue(queue) => self.read_events(queue, transfer),
            Target::Clock(clock, alarm) => self.read_clock((clock, alarm), transfer),
            Target::Rand => self.read_random(transfer),
            Target::Debug => self.read_console(transfer),
            Target::Irq(irq) => self.read_irq(irq, transfer),
            Target::Ports(first, count) => self.read_ports((first, count), transfer),
            _ => Err(EISDIR),
        }
    }

    pub(crate) fn write_builtin(&mut self, target: Target, transfer: &Transfer) -> Outcome {
        match target {
            Target::Memory(window) => self.write_memory(window, transfer),
            Target::Pipe(pipe, _) => self.write_pipe(pipe, transfer),
            Target::Queue(queue) => self.subscribe(Sink::Queue(queue), transfer),
            Target::Ring(ring) => self.subscribe(Sink::Ring(ring), transfer),
            Target::Clock(clock, _) => self.arm_clock(clock, transfer),
            Target::Debug => self.write_console(transfer),
            Target::Irq(irq) => self.acknowledge(irq, transfer),
            Target::Ports(first, count) => self.write_ports((first, count), transfer),
            _ => Err(EINVAL),
        }
    }

    /// fstat, fpath, getdents and the like of a kernel scheme's handle.
    pub(crate) fn ask_builtin(&mut self, me: ThreadId, target: Target, call: Call) -> Outcome {
        match (size(call.number), target) {
            (SYS_FSTAT, _) => self.stat(me, target, UserSlice::new(call.b, call.c)?),
            (SYS_FPATH, _) => self.write_path(me, target, UserSlice::new(call.b, call.c)?),
            (SYS_GETDENTS, _) => self.list(me, target, UserSlice::new(call.b, call.c)?, call.d),
            (SYS_FTRUNCATE, Target::Memory(window)) if window.bytes == u64::MAX => {
                let done = self.memory.resize(window.object, call.b)?;
                if done { self.give(me, 0) } else { self.again(me, call) }
            }
            (SYS_FSYNC, _) => self.give(me, 0),
            (SYS_CALL, _) => Err(ENOTTY),
            _ => Err(EINVAL),
        }
    }

    fn stat(&mut self, me: ThreadId, target: Target, range: UserSlice) -> Outcome {
        let mode = match target {
            Target::Names(_) | Target::Machine => DIRECTORY,
            Target::Pipe(..) => FIFO,
            Target::Memory(_) => FILE,
            _ => DEVICE,
        };
        if range.len() < size_of::<redox::data::Stat>() {
            return Err(EINVAL);
        }
        let size = self.size_of(target).unwrap_or(0);
        // `Stat`: dev, ino, mode with nlink, uid with gid, size, block size, blocks.
        let words = [0, 1, mode | 1 << 32, 0, size, 4096, size.div_ceil(512), 0, 0, 0, 0, 0, 0];
        self.put_words(me, range.start(), words)?;
        self.give(me, 0)
    }

    /// How many bytes a positioned thing has.
    pub(crate) fn size_of(&self, target: Target) -> Result<u64> {
        match target {
            Target::Memory(window) => Ok(self.memory.len(window)),
            _ => Err(ESPIPE),
        }
    }

    /// One more description of a target that is opened again by itself.
    fn retain_target(&mut self, target: Target) -> Result<()> {
        match target {
            Target::Memory(window) => self.memory.objects.retain(window.object),
            Target::Names(namespace) => self.namespaces.retain(namespace),
            Target::Scheme(..) | Target::Owner(_) | Target::Ring(_) => return Err(ENOTDIR),
            Target::Pipe(..) | Target::Queue(_) | Target::Irq(_) => return Err(ENOTDIR),
            Target::Namespace(_) => return Err(ENOTDIR),
            _ => {}
        }
        Ok(())
    }

    /// The last description of a target is gone.
    pub(crate) fn drop_target(&mut self, target: Target) {
        match target {
            Target::Scheme(Open { scheme, .. }) | Target::Owner(scheme) => self.drop_scheme(scheme),
            Target::Memory(window) => self.memory.release(window.object),
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
            Target::Ring(ring) => self.close_ring(ring),
            Target::Clock(..)
            | Target::Rand
            | Target::Debug
            | Target::Ports(..)
            | Target::Machine => {}
        }
    }
}
