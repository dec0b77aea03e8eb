//! New programs and processes: exec, spawn, fork.

use anode_abi::info::{HandleMove, SpawnArgs};
use anode_abi::number::NONE;

use crate::counters::count;
use crate::error::E2BIG;
use crate::exec::elf;
use crate::machine::reg;
use crate::mem::fork::Progress;
use crate::num::{size, wide};
use crate::object::process::{MAX_RINGS, Signals};
use crate::object::thread::Work;
use crate::{
    Backing, Call, EACCES, EAGAIN, EINVAL, ENODEV, ENOEXEC, EPERM, Errno, FLAGS, Handle, Handles,
    Kernel, Life, Machine, Mapping, NamespaceId, Next, ORDINARY, Outcome, Place, Process,
    ProcessId, ProgramName, Protection, Regs, Rights, SLICE_PAGES, Space, Target, ThreadId,
    UserSlice, Window,
};

/// Bytes of a program's first stack; no promise is taken for it.
const STACK: u64 = 8 << 20;
/// Where it ends.
const STACK_TOP: u64 = 0x7FFF_FFFF_0000;
const MAX_MOVES: u64 = 64;

/// What a new process is made of.
#[derive(Debug)]
pub struct Birth {
    /// The program's file (none for a fork).
    pub program: Option<Window>,
    /// Its args object.
    pub args: Option<Window>,
    /// Its name.
    pub name: ProgramName,
    /// Its namespace.
    pub namespace: NamespaceId,
    /// Its parent.
    pub parent: Option<ProcessId>,
}

impl<M: Machine> Kernel<M> {
    /// A space with a program in it, and the registers to start with.
    fn prepare(&mut self, program: Window, args: Window) -> Result<(Space, Regs), Errno> {
        let mut space = Space::new(&mut self.memory)?;
        match self.fill(&mut space, program, args) {
            Ok(regs) => Ok((space, regs)),
            Err(errno) => {
                self.bury_space(space);
                Err(errno)
            }
        }
    }

    fn fill(&mut self, space: &mut Space, program: Window, args: Window) -> Result<Regs, Errno> {
        if args.bytes == 0 || args.bytes > wide(anode_abi::args::MAX_BYTES) {
            return Err(E2BIG);
        }
        let entry = elf::load(&mut self.memory, space, program)?;
        let protection = Protection { read: true, write: true, execute: false };
        let mut wanted = Mapping {
            address: STACK_TOP.saturating_sub(STACK),
            bytes: STACK,
            protection,
            backing: Backing::Private(None),
            lazy: true,
            fixed: true,
            unforkable: false,
        };
        space.map(&mut self.memory, &wanted).map_err(|_taken| ENOEXEC)?;
        wanted = Mapping {
            address: 0,
            bytes: args.bytes,
            backing: Backing::Private(Some(args)),
            lazy: false,
            fixed: false,
            ..wanted
        };
        let address = space.map(&mut self.memory, &wanted)?;
        let mut regs = Regs { rip: entry, rsp: STACK_TOP, rflags: FLAGS, ..Regs::default() };
        for (at, value) in [(reg::RDI, address), (reg::RSI, args.bytes)] {
            if let Some(register) = regs.general.get_mut(at) {
                *register = value;
            }
        }
        Ok(regs)
    }

    /// A new process with one ready thread and no handles.
    pub(crate) fn bear(&mut self, birth: &Birth) -> Result<ProcessId, Errno> {
        let (Some(program), Some(args)) = (birth.program, birth.args) else { return Err(ENOEXEC) };
        let (space, regs) = self.prepare(program, args)?;
        let process = self.new_process(birth, space)?;
        let thread = match self.make_thread(process, &regs) {
            Ok(thread) => thread,
            Err(errno) => {
                self.unmake_process(process);
                return Err(errno);
            }
        };
        self.enqueue(thread, Place::Last);
        Ok(process)
    }

    fn new_process(&mut self, birth: &Birth, space: Space) -> Result<ProcessId, Errno> {
        let parent = birth.parent.and_then(|parent| self.processes.get(parent));
        let (ppid, group, session) = parent.map_or((0, 0, 0), |p| (p.pid, p.group, p.session));
        let (uid, gid) = parent.map_or((0, 0), |parent| (parent.uid, parent.gid));
        let priority = parent.map_or(ORDINARY.saturating_add(1), |parent| parent.priority);
        let process = Process {
            pid: 0,
            parent: ppid,
            group,
            session,
            uid,
            gid,
            name: birth.name,
            space: Some(space),
            handles: Handles::default(),
            namespace: birth.namespace,
            threads: 0,
            signals: Signals { page: None, address: 0, trampoline: 0, pending: 0 },
            life: Life::Alive,
            priority,
            cpu_ns: 0,
            rings: [None; MAX_RINGS],
            borrowing: false,
        };
        if !self.processes.has_room() {
            let mut process = process;
            if let Some(space) = process.space.take() {
                self.bury_space(space);
            }
            return Err(EAGAIN);
        }
        let id = self.processes.insert(process)?;
        if let Some(namespace) = self.namespaces.get_mut(birth.namespace) {
            namespace.references = namespace.references.saturating_add(1);
        }
        let pid = self.pid_of(id);
        if let Some(process) = self.processes.get_mut(id) {
            process.pid = pid;
            if birth.parent.is_none() {
                process.group = pid;
                process.session = pid;
            }
        }
        count(&mut self.counters.processes);
        Ok(id)
    }

    /// Undoes [`Kernel::new_process`] for a process that never ran.
    pub(crate) fn unmake_process(&mut self, id: ProcessId) {
        if let Some(mut process) = self.processes.remove(id) {
            if let Some(space) = process.space.take() {
                self.bury_space(space);
            }
            self.grave.handles.push(core::mem::take(&mut process.handles));
            self.drop_namespace(process.namespace);
        }
    }

    /// The window that a handle offers as a program or as args.
    fn window_of(&mut self, me: ThreadId, number: u64) -> Result<Window, Errno> {
        let handle = self.process(me)?.handles.get(number)?;
        if !handle.rights.contains(Rights::READ) {
            return Err(EACCES);
        }
        let description = self.descriptions.get(handle.description).ok_or(EINVAL)?;
        let window = match description.target {
            Target::Memory(window) => Some(window),
            _ => description.attached,
        };
        let window = window.ok_or(ENODEV)?;
        let all = self.memory.objects.get(window.object).ok_or(ENODEV)?.bytes();
        let bytes = window.bytes.min(all.saturating_sub(window.offset));
        Ok(Window { bytes, ..window })
    }

    fn program_name(&mut self, me: ThreadId, at: u64, len: u64) -> Result<ProgramName, Errno> {
        let range = UserSlice::new(at, len.min(4096))?;
        let mut bytes = [0u8; 127];
        // What matters in a long path is its end.
        let range = range.skip(range.len().saturating_sub(bytes.len()));
        self.with_space(me, |space, memory| space.read(memory, range, &mut bytes))?;
        Ok(ProgramName::cut(bytes.get(..range.len()).unwrap_or(&bytes)))
    }

    pub(crate) fn exec(&mut self, me: ThreadId, call: Call) -> Outcome {
        let program = self.window_of(me, call.a)?;
        let name = self.program_name(me, call.b, call.c)?;
        let args = self.window_of(me, call.d)?;
        let (space, regs) = self.prepare(program, args)?;
        // Nothing below refuses: the old program is gone from here on.
        self.drop_other_threads(me);
        let id = self.owner(me)?;
        let process = self.process(me)?;
        process.name = name;
        process.borrowing = false;
        let old = process.space.replace(space);
        process.signals.trampoline = 0;
        let page = process.signals.page.take();
        if let Some((_, frame)) = page {
            self.memory.frames.release(frame);
        }
        if let Some(old) = old {
            self.bury_space(old);
        }
        self.close_rings(id);
        self.close_on_exec(id);
        if let Some(thread) = self.threads.get_mut(me) {
            thread.signal_slot = 0;
            thread.result = None;
            *self.memory.machine.regs(thread.context) = regs;
            self.memory.machine.reset_vector(thread.context);
        }
        Ok(Next::To(me))
    }

    pub(crate) fn spawn(&mut self, me: ThreadId, call: Call) -> Outcome {
        if size(call.b) != size_of::<SpawnArgs>() {
            return Err(EINVAL);
        }
        let words: [u64; 11] = self.with_space(me, |s, memory| s.read_words(memory, call.a))?;
        let [object, args, name, name_len, moves, count, namespace, group, priority, uid, gid] =
            words;
        if count > MAX_MOVES {
            return Err(EINVAL);
        }
        let program = self.window_of(me, object)?;
        let args = self.window_of(me, args)?;
        let name = self.program_name(me, name, name_len)?;
        let caller = self.process(me)?;
        let (own_uid, own_priority) = (caller.uid, caller.priority);
        let own_namespace = caller.namespace;
        let none = wide(NONE);
        let raises = priority != none && priority > u64::from(own_priority.max(ORDINARY));
        let changes = (uid != none && uid != u64::from(own_uid)) || (gid != none && own_uid != 0);
        if own_uid != 0 && (raises || changes) {
            return Err(EPERM);
        }
        let namespace =
            if namespace == none { own_namespace } else { self.namespace_of(me, namespace)? };
        let mut handles = Handles::default();
        let moves = (moves, size(count));
        let parent = Some(self.owner(me)?);
        self.collect(me, moves, &mut handles)?;
        let birth = Birth { program: Some(program), args: Some(args), name, namespace, parent };
        let child = match self.bear(&birth) {
            Ok(child) => child,
            Err(errno) => {
                self.grave.handles.push(handles);
                return Err(errno);
            }
        };
        let Some(process) = self.processes.get_mut(child) else { return Err(EAGAIN) };
        process.handles = handles;
        let narrow = |value: u64, old: u32| u32::try_from(value).unwrap_or(old);
        process.uid = narrow(uid, process.uid);
        process.gid = narrow(gid, process.gid);
        process.priority = u8::try_from(priority).unwrap_or(process.priority).min(7);
        if group == 1 {
            process.group = process.pid;
        }
        let (pid, priority) = (process.pid, process.priority);
        self.set_priority(child, priority);
        self.give(me, u64::from(pid))
    }

    /// Duplicates of the caller's handles for a child's table.
    fn collect(
        &mut self,
        me: ThreadId,
        (at, count): (u64, usize),
        handles: &mut Handles,
    ) -> Result<(), Errno> {
        for number in 0..count {
            let skipped = wide(number.saturating_mul(size_of::<HandleMove>()));
            let place = at.saturating_add(skipped);
            let words = self.with_space(me, |space, memory| space.read_words(memory, place));
            let taken = words.and_then(|[from, to]| {
                let handle = self.process(me)?.handles.get(from)?;
                handles.reach(size(to))?;
                Ok((to, Handle { close_on_exec: false, ..handle }))
            });
            match taken {
                Ok((to, handle)) => {
                    self.retain_description(handle.description);
                    if let Some(old) = handles.put(to, handle) {
                        self.drop_handle(old);
                    }
                }
                Err(errno) => {
                    self.grave.handles.push(core::mem::take(handles));
                    return Err(errno);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn fork(&mut self, me: ThreadId, call: Call) -> Outcome {
        let work = self.threads.get(me).and_then(|thread| thread.work);
        let (child, at) = match work {
            Some(Work::Fork(child, at)) => (child, at),
            None => (self.start_fork(me)?, 0),
        };
        let mut budget = SLICE_PAGES;
        let parent = self.owner(me)?;
        let Self { processes, memory, .. } = self;
        let (parent, heir) = processes.get2_mut(parent, child).ok_or(EAGAIN)?;
        let (Some(from), Some(to)) = (parent.space.as_mut(), heir.space.as_mut()) else {
            return Err(EAGAIN);
        };
        match from.fork_pages(memory, to, at, &mut budget) {
            Ok(Progress::At(page)) => {
                if let Some(thread) = self.threads.get_mut(me) {
                    thread.work = Some(Work::Fork(child, page));
                }
                self.again(me, call)
            }
            Ok(Progress::Done) => self.finish_fork(me, child),
            Err(errno) => {
                self.clear_work(me);
                self.unmake_process(child);
                Err(errno)
            }
        }
    }

    fn clear_work(&mut self, me: ThreadId) {
        if let Some(thread) = self.threads.get_mut(me) {
            thread.work = None;
        }
    }

    /// The child without its pages: handles, names, regions.
    fn start_fork(&mut self, me: ThreadId) -> Result<ProcessId, Errno> {
        if self.contexts.is_empty() {
            return Err(EAGAIN);
        }
        let parent = self.owner(me)?;
        let space = Space::new(&mut self.memory)?;
        let owner = self.process(me)?;
        let birth = Birth {
            program: None,
            args: None,
            name: owner.name,
            namespace: owner.namespace,
            parent: Some(parent),
        };
        let child = self.new_process(&birth, space)?;
        match self.inherit(parent, child) {
            Ok(()) => Ok(child),
            Err(errno) => {
                self.unmake_process(child);
                Err(errno)
            }
        }
    }

    fn inherit(&mut self, parent: ProcessId, child: ProcessId) -> Result<(), Errno> {
        let Self { processes, memory, descriptions, .. } = self;
        let (parent, heir) = processes.get2_mut(parent, child).ok_or(EAGAIN)?;
        heir.borrowing = true;
        let (Some(from), Some(to)) = (parent.space.as_ref(), heir.space.as_mut()) else {
            return Err(EAGAIN);
        };
        from.fork_regions(memory, to)?;
        for (number, handle) in parent.handles.iter() {
            if handle.rights.contains(Rights::PASS)
                && let Some(description) = descriptions.get_mut(handle.description)
            {
                heir.handles.reach(size(number))?;
                heir.handles.put(number, handle);
                description.references = description.references.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The child's one thread, a copy of the caller.
    fn finish_fork(&mut self, me: ThreadId, child: ProcessId) -> Outcome {
        self.clear_work(me);
        let context = self.threads.get(me).map(|t| (t.context, t.signal_slot)).ok_or(EAGAIN)?;
        let (context, slot) = context;
        let regs = *self.memory.machine.regs(context);
        let thread = match self.make_thread(child, &regs) {
            Ok(thread) => thread,
            Err(errno) => {
                self.unmake_process(child);
                return Err(errno);
            }
        };
        if let Some(copy) = self.threads.get_mut(thread) {
            copy.result = Some(0);
            copy.signal_slot = slot;
            self.memory.machine.copy_vector(context, copy.context);
        }
        self.inherit_signals(me, child);
        let pid = self.processes.get(child).map_or(0, |child| child.pid);
        self.enqueue(thread, Place::Last);
        self.give(me, u64::from(pid))
    }
}
