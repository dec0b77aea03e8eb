//! The kernel's own schemes: opening them, and what their handles answer.

use anode_abi::number::{SYS_CALL, SYS_FPATH, SYS_FSTAT, SYS_FSYNC, SYS_FTRUNCATE, SYS_GETDENTS};

use crate::prelude::*;
use crate::syscall::io::DIRENT_HEADER;

/// `st_mode` of a directory, readable by all.
const DIRECTORY: u64 = 0x4000 | 0o555;
/// `st_mode` of a character device.
const DEVICE: u64 = 0x2000 | 0o666;
/// `st_mode` of a pipe.
const FIFO: u64 = 0x1000 | 0o600;
/// `st_mode` of a plain file.
const FILE: u64 = 0x8000 | 0o666;
/// Kind of a directory in directory records.
const DT_DIR: u8 = 4;

impl<M: Machine> Kernel<M> {
    /// Opens something of a kernel scheme; its path lies in the scratch buffer.
    pub(crate) fn open_builtin(
        &mut self,
        me: ThreadId,
        scheme: &'static str,
        path: Range<usize>,
        flags: u64,
    ) -> Outcome {
        let uid = self.process(me)?.who.uid;
        let target = match (scheme, self.path(path)?) {
            ("memory", "") => Target::all_of(self.memory.anonymous(0, uid)?),
            ("event", "") => Target::Queue(self.queues.insert(Queue, uid)?),
            ("pipe", "") => Target::Pipe(self.new_pipe(None, uid)?, End::Read),
            ("pipe", "log") => Target::Pipe(self.new_pipe(Some(0), uid)?, End::Read),
            ("rand", "") => Target::Rand,
            ("debug", "") => Target::Debug,
            _ => return Err(ENOENT),
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
            Target::Rand => self.read_random(transfer),
            Target::Debug => self.give(transfer.me, 0),
            Target::Ports(first, count) => self.use_ports((first, count), transfer, MapFlags::READ),
            _ => Err(EISDIR),
        }
    }

    pub(crate) fn write_builtin(&mut self, target: Target, transfer: &Transfer) -> Outcome {
        match target {
            Target::Memory(window) => self.write_memory(window, transfer),
            Target::Pipe(pipe, _) => self.write_pipe(pipe, transfer),
            Target::Queue(_) | Target::Ring(_) => self.subscribe(target, transfer),
            Target::Debug => self.write_console(transfer),
            Target::Irq(irq) => self.acknowledge(irq, transfer),
            Target::Ports(first, count) => {
                self.use_ports((first, count), transfer, MapFlags::WRITE)
            }
            _ => Err(EINVAL),
        }
    }

    /// fstat, fpath, getdents and the like of a kernel scheme's handle.
    pub(crate) fn ask_builtin(&mut self, me: ThreadId, target: Target, call: Call) -> Outcome {
        match (size(call.number), target) {
            (SYS_FSTAT, _) => self.stat(me, target, UserSlice::new(call.b, call.c)?),
            (SYS_FPATH, Target::Names(_)) => {
                let path: &[u8] = b"/scheme";
                let path = path.get(..size(call.c)).unwrap_or(path);
                self.store(me, path, call.b)?;
                self.give(me, wide(path.len()))
            }
            (SYS_GETDENTS, Target::Names(names)) => self.list(me, names, call),
            (SYS_GETDENTS, _) => Err(ENOTDIR),
            (SYS_FTRUNCATE, Target::Memory(window)) if window.bytes == u64::MAX => {
                let done = self.memory.resize(window.object, call.b)?;
                if done { self.give(me, 0) } else { self.pause(me, Then::Resume(0)) }
            }
            (SYS_FSYNC, _) => self.give(me, 0),
            (SYS_CALL, Target::Memory(window)) => self.open_part(me, window, call),
            (SYS_CALL, Target::Machine) => self.machine_part(me, call),
            (SYS_CALL, _) => Err(ENOTTY),
            _ => Err(EINVAL),
        }
    }

    fn stat(&mut self, me: ThreadId, target: Target, range: UserSlice) -> Outcome {
        if range.len() < size_of::<redox::data::Stat>() {
            return Err(EINVAL);
        }
        let (mode, inode, size) = match target {
            Target::Names(_) | Target::Machine => (DIRECTORY, 1, 0),
            Target::Pipe(pipe, _) => {
                let dropped = self.pipes.get(pipe).and_then(|pipe| pipe.dropped);
                (FIFO, 1, dropped.unwrap_or(0))
            }
            // Drivers give devices the address of memory, and what an interrupt's message is.
            Target::Memory(window) => {
                let object = self.memory.objects.get(window.object);
                let address = object.and_then(Object::address);
                let first = address.map_or(1, |address| address.saturating_add(window.offset));
                (FILE, first, self.memory.len(window))
            }
            Target::Irq(irq) => {
                let line = self.irqs.get(irq).map(|irq| irq.line);
                let message = line.and_then(|line| self.memory.machine.message(line));
                let (address, data) = message.unwrap_or((1, 0));
                (DEVICE, address, data.into())
            }
            _ => (DEVICE, 1, 0),
        };
        // `Stat`: dev, ino, mode with nlink, uid with gid, size, block size, blocks.
        let words = [0, inode, mode | 1 << 32, 0, size, PAGE, size.div_ceil(512), 0, 0, 0, 0, 0, 0];
        self.put_words(me, range.start(), words)?;
        self.give(me, 0)
    }

    /// The names of a namespace as directory records, from a position on.
    fn list(&mut self, me: ThreadId, id: NamespaceId, call: Call) -> Outcome {
        let range = UserSlice::new(call.b, call.c)?.cut(SCRATCH);
        let namespace = self.namespaces.get(id).ok_or(ENOENT)?;
        let buffer = self.scratch.get_mut(..range.len()).unwrap_or_default();
        let mut done = 0usize;
        for (next, (name, _)) in (1u64..).zip(namespace.iter()).skip(size(call.d)) {
            let len = size(DIRENT_HEADER).saturating_add(name.len()).saturating_add(1);
            let end = done.saturating_add(len);
            let Some(record) = buffer.get_mut(done..end) else { break };
            let fields = (next.to_le_bytes().into_iter())
                .chain(next.to_le_bytes())
                .chain(u16::try_from(len).unwrap_or(0).to_le_bytes())
                .chain([DT_DIR])
                .chain(name.as_bytes().iter().copied())
                .chain([0]);
            record.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
            done = end;
        }
        if done == 0 && size(call.d) < namespace.iter().count() {
            return Err(EINVAL);
        }
        self.store_scratch(me, range.cut(done))?;
        self.give(me, wide(done))
    }

    /// The last description of a target is gone.
    pub(crate) fn drop_target(&mut self, target: Target) {
        match target {
            Target::Scheme(Open { scheme, .. }) | Target::Owner(scheme) => self.drop_scheme(scheme),
            Target::Memory(window) => self.memory.release(window.object),
            Target::Pipe(pipe, end) => self.drop_pipe_end(pipe, end),
            Target::Queue(queue) => {
                self.unsubscribe(|subscription| subscription.sink == target);
                self.queues.remove(queue);
            }
            Target::Irq(irq) => self.drop_irq(irq),
            Target::Names(namespace) | Target::Namespace(namespace) => {
                self.drop_namespace(namespace);
            }
            Target::Ring(ring) => self.close_ring(ring),
            Target::Builtin(_)
            | Target::Rand
            | Target::Debug
            | Target::Ports(..)
            | Target::Machine => {}
        }
    }
}
