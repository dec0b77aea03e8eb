//! New programs and processes: exec, spawn, fork.

use anode_abi::info::{HandleMove, SpawnArgs};

use crate::exec;
use crate::object::process::Signals;
use crate::prelude::*;

/// Bytes of a program's first stack; no promise is taken for it.
const STACK: u64 = 8 << 20;
/// Where it ends.
const STACK_TOP: u64 = 0x7FFF_FFFF_0000;
const MAX_MOVES: u64 = 64;

/// What a new process is made of.
#[derive(Debug)]
pub(crate) struct Birth {
    /// Its name.
    pub(crate) name: ProgramName,
    /// Its namespace.
    pub(crate) namespace: NamespaceId,
    /// Its parent.
    pub(crate) parent: Option<ProcessId>,
}

impl<M: Machine> Kernel<M> {
    /// A space with a program in it, and the registers to start with.
    fn prepare(&mut self, program: Window, args: Window) -> Result<(Space, Regs)> {
        self.grave.check_room()?;
        let mut space = Space::new(&mut self.memory)?;
        match self.fill(&mut space, program, args) {
            Ok(regs) => Ok((space, regs)),
            Err(errno) => {
                self.grave.spaces.push(space);
                Err(errno)
            }
        }
    }

    fn fill(&mut self, space: &mut Space, program: Window, args: Window) -> Result<Regs> {
        if args.bytes == 0 || args.bytes > wide(anode_abi::args::MAX_BYTES) {
            return Err(E2BIG);
        }
        let entry = exec::load(&mut self.memory, space, program)?;
        let stack = pages_of(STACK_TOP.saturating_sub(STACK), STACK)?;
        let stack = Region::new(stack, MapFlags::READ_WRITE | MapFlags::LAZY, None);
        let stack = space.map(&mut self.memory, stack);
        stack.map_err(|_taken| ENOEXEC)?;
        let at = space.place(0, args.bytes.div_ceil(PAGE))?;
        let region = Region::new(at, MapFlags::READ_WRITE, Some(args));
        space.map(&mut self.memory, region)?;
        let address = at.0 << 12;
        Ok(Regs::starting(entry, STACK_TOP, (address, args.bytes)))
    }

    /// A new process with one ready thread and no handles.
    pub(crate) fn bear(
        &mut self,
        birth: &Birth,
        (program, args): (Window, Window),
    ) -> Result<ProcessId> {
        let (space, regs) = self.prepare(program, args)?;
        let process = self.new_process(birth, space)?;
        let thread = self.make_thread(process, &regs);
        let thread = thread.inspect_err(|_full| self.unmake_process(process))?;
        self.enqueue(thread, Place::Last);
        Ok(process)
    }

    fn new_process(&mut self, birth: &Birth, space: Space) -> Result<ProcessId> {
        if !self.processes.has_room() {
            self.grave.spaces.push(space);
            return Err(EAGAIN);
        }
        let parent = birth.parent.and_then(|parent| self.processes.get(parent));
        let (ppid, group, session) = parent.map_or((0, 1, 1), |p| (p.pid, p.group, p.session));
        let (uid, gid) = parent.map_or((0, 0), |parent| (parent.uid, parent.gid));
        let priority = parent.map_or(ORDINARY.saturating_add(1), |parent| parent.priority);
        let id = self.processes.insert(Process {
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
            borrowing: false,
        })?;
        self.namespaces.retain(birth.namespace);
        let pid = self.pid_of(id);
        self.processes.update(id, |process| process.pid = pid);
        count(&mut self.counters.processes);
        Ok(id)
    }

    /// Undoes [`Kernel::new_process`] for a process that never ran.
    pub(crate) fn unmake_process(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.remove(id) {
            self.grave.spaces.extend(process.space);
            self.grave.handles.push(process.handles);
            if process.life == Life::Alive {
                self.drop_namespace(process.namespace);
            }
        }
    }

    /// What a handle offers as a program or as args.
    fn file_of(&mut self, me: ThreadId, number: u64) -> Result<Window> {
        let window = self.window_of(me, number, Rights::READ, 0)?;
        Ok(Window { bytes: self.memory.len(window), ..window })
    }

    fn program_name(&mut self, me: ThreadId, at: u64, len: u64) -> Result<ProgramName> {
        let range = UserSlice::new(at, len.min(4096))?;
        let mut bytes = [0u8; 127];
        // What matters in a long path is its end.
        let range = range.skip(range.len().saturating_sub(bytes.len()));
        let name = bytes.get_mut(..range.len()).ok_or(EINVAL)?;
        self.load(me, range, name)?;
        Ok(ProgramName::cut(name))
    }

    pub(crate) fn exec(&mut self, me: ThreadId, call: Call) -> Outcome {
        let program = self.file_of(me, call.a)?;
        let name = self.program_name(me, call.b, call.c)?;
        let args = self.file_of(me, call.d)?;
        let (space, regs) = self.prepare(program, args)?;
        // Nothing below refuses: the old program is gone from here on.
        self.drop_other_threads(me);
        let id = self.owner(me)?;
        let process = self.process(me)?;
        process.name = name;
        process.borrowing = false;
        process.signals.trampoline = 0;
        let page = process.signals.page.take();
        let old = process.space.replace(space);
        self.grave.spaces.extend(old);
        if let Some((_, frame)) = page {
            self.memory.frames.release(frame);
        }
        self.close_rings(id);
        self.close_on_exec(id);
        if let Some(thread) = self.threads.get_mut(me) {
            thread.signal_slot = 0;
            *self.memory.machine.regs(thread.context) = regs;
            self.memory.machine.reset_vector(thread.context);
        }
        Ok(Next::To(me))
    }

    pub(crate) fn spawn(&mut self, me: ThreadId, call: Call) -> Outcome {
        if size(call.b) != size_of::<SpawnArgs>() {
            return Err(EINVAL);
        }
        let words: [u64; 11] = self.words(me, call.a)?;
        let [object, args, name, name_len, moves, count, namespace, group, priority, uid, gid] =
            words;
        if count > MAX_MOVES {
            return Err(EINVAL);
        }
        let files = (self.file_of(me, object)?, self.file_of(me, args)?);
        let name = self.program_name(me, name, name_len)?;
        let caller = self.process(me)?;
        let (own_uid, own_namespace) = (caller.uid, caller.namespace);
        let none = wide(NONE);
        let raises = priority != none && priority > u64::from(caller.priority.max(ORDINARY));
        let changes = (uid != none && uid != u64::from(own_uid)) || (gid != none && own_uid != 0);
        if own_uid != 0 && (raises || changes) {
            return Err(EPERM);
        }
        if [uid, gid].iter().any(|id| *id != none && u32::try_from(*id).is_err()) {
            return Err(EINVAL);
        }
        let namespace =
            if namespace == none { own_namespace } else { self.namespace_of(me, namespace)? };
        let parent = Some(self.owner(me)?);
        let child = self.bear(&Birth { name, namespace, parent }, files)?;
        for number in 0..count {
            let at = moves.saturating_add(number.saturating_mul(wide(size_of::<HandleMove>())));
            if let Err(errno) = self.move_handle(me, at, child) {
                self.end_unseen(child);
                return Err(errno);
            }
        }
        let process = self.processes.get_mut(child).ok_or(EAGAIN)?;
        let narrow = |value: u64, old: u32| u32::try_from(value).unwrap_or(old);
        process.uid = narrow(uid, process.uid);
        process.gid = narrow(gid, process.gid);
        if group == 1 {
            process.group = process.pid;
        }
        let pid = process.pid;
        let priority = u8::try_from(priority).unwrap_or(process.priority).min(7);
        self.set_priority(child, priority);
        self.give(me, pid.into())
    }

    /// Gives a child a duplicate of one of the caller's handles, as a [`HandleMove`] says.
    fn move_handle(&mut self, me: ThreadId, at: u64, child: ProcessId) -> Result<()> {
        let [from, to] = self.words(me, at)?;
        let handle = self.process(me)?.handles.get(from)?;
        self.descriptions.retain(handle.description);
        self.install(child, Some(to), Handle { close_on_exec: false, ..handle })?;
        Ok(())
    }

    /// Ends a child that its parent was never told of.
    fn end_unseen(&mut self, child: ProcessId) {
        while let Some(thread) = self.threads.next(None, |thread| thread.process == child) {
            self.drop_thread(thread);
        }
        self.unmake_process(child);
    }

    pub(crate) fn fork(&mut self, me: ThreadId) -> Outcome {
        let child = self.start_fork(me)?;
        self.go_on_forking(me, child, 0)
    }

    /// Does the next slice of a fork.
    pub(crate) fn go_on_forking(&mut self, me: ThreadId, child: ProcessId, at: u64) -> Outcome {
        match self.copy_pages(me, child, at) {
            Ok(Some(page)) => self.pause(me, Then::Fork(child, page)),
            done => {
                let pid = done.and_then(|_all| self.finish_fork(me, child));
                let pid = pid.inspect_err(|_| self.end_unseen(child))?;
                self.give(me, pid.into())
            }
        }
    }

    /// Shares a slice of the caller's pages with its child; gives the page to go on at.
    fn copy_pages(&mut self, me: ThreadId, child: ProcessId, at: u64) -> Result<Option<u64>> {
        let parent = self.owner(me)?;
        let Self { processes, memory, .. } = self;
        let (parent, child) = processes.get2_mut(parent, child).ok_or(EAGAIN)?;
        let spaces = parent.space.as_mut().zip(child.space.as_mut());
        let (from, to) = spaces.ok_or(EAGAIN)?;
        from.fork_pages(memory, to, at, SLICE_PAGES)
    }

    /// The child without its pages: handles, names, regions.
    fn start_fork(&mut self, me: ThreadId) -> Result<ProcessId> {
        if self.contexts.is_empty() {
            return Err(EAGAIN);
        }
        self.grave.check_room()?;
        let parent = self.owner(me)?;
        let space = Space::new(&mut self.memory)?;
        let Process { name, namespace, .. } = *self.process(me)?;
        let child = self.new_process(&Birth { name, namespace, parent: Some(parent) }, space)?;
        self.inherit(parent, child).inspect_err(|_| self.unmake_process(child))?;
        Ok(child)
    }

    fn inherit(&mut self, parent: ProcessId, child: ProcessId) -> Result<()> {
        let Self { processes, memory, descriptions, .. } = self;
        let (parent, child) = processes.get2_mut(parent, child).ok_or(EAGAIN)?;
        child.borrowing = true;
        let spaces = parent.space.as_ref().zip(child.space.as_mut());
        let (from, to) = spaces.ok_or(EAGAIN)?;
        from.fork_regions(memory, to)?;
        for (number, handle) in parent.handles.iter() {
            if handle.rights.contains(Rights::PASS) {
                child.handles.reach(number)?;
                child.handles.put(number, handle);
                descriptions.retain(handle.description);
            }
        }
        Ok(())
    }

    /// The child's one thread, a copy of the caller; gives the child's pid.
    fn finish_fork(&mut self, me: ThreadId, child: ProcessId) -> Result<u32> {
        let caller = self.threads.get(me).ok_or(EAGAIN)?;
        let (context, slot) = (caller.context, caller.signal_slot);
        let regs = *self.memory.machine.regs(context);
        let id = self.make_thread(child, &regs)?;
        let thread = self.threads.get_mut(id).ok_or(EAGAIN)?;
        thread.sleep = Sleep::over(0);
        thread.signal_slot = slot;
        self.memory.machine.copy_vector(context, thread.context);
        let signals = &self.process(me)?.signals;
        let (address, trampoline) = (signals.address, signals.trampoline);
        if signals.page.is_some() {
            self.use_signal_page(child, address, trampoline)?;
        }
        self.enqueue(id, Place::Last);
        Ok(self.pid_of(child))
    }
}
