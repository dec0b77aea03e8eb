//! New programs and processes: exec, spawn, fork.

use anode_abi::info::{HandleMove, SpawnArgs, id};
use anode_abi::signal::THREAD_WORDS;

use crate::exec;
use crate::prelude::*;

/// Bytes of a program's first stack; no promise is taken for it.
const STACK: u64 = 8 << 20;
/// Where it ends.
const STACK_TOP: u64 = 0x7FFF_FFFF_0000;
const MAX_MOVES: u64 = 64;

impl<M: Machine> Kernel<M> {
    /// A process without threads, memory and handles; [`Kernel::forget_process`] undoes it. Its
    /// pid is made here, and stands for the group too where that is 0.
    pub(crate) fn new_process(&mut self, who: &Who) -> Result<ProcessId> {
        self.grave.check_room()?;
        if !self.processes.has_room(who.uid) {
            return Err(EAGAIN);
        }
        let process = Process {
            who: *who,
            space: None,
            handles: Handles::default(),
            threads: 0,
            signals: None,
            pending: 0,
            life: Life::Alive,
            cpu_ns: 0,
            borrowing: false,
        };
        let id = self.processes.insert(process, who.uid)?;
        self.namespaces.retain(who.namespace);
        let pid = self.pid_of(id);
        self.processes.update(id, |process| {
            process.who.pid = pid;
            if process.who.group == 0 {
                process.who.group = pid;
            }
        });
        Ok(id)
    }

    /// Ends a process that its parent was never told of.
    pub(crate) fn forget_process(&mut self, id: ProcessId) {
        self.processes.update(id, |process| process.who.parent = 0);
        self.end_process(id, 0);
        self.processes.remove(id);
    }

    /// A space with a program in it, and the registers to start with.
    fn prepare(&mut self, program: Window, args: Window) -> Result<(Space, Regs)> {
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

    /// Starts a program in a new process.
    pub(crate) fn start(
        &mut self,
        id: ProcessId,
        (program, args): (Window, Window),
    ) -> Result<ThreadId> {
        let (space, regs) = self.prepare(program, args)?;
        self.processes.update(id, |process| process.space = Some(space));
        self.make_thread(id, &regs, THREAD_WORDS)
    }

    /// What a handle offers as a program or as args.
    fn file_of(&mut self, me: ThreadId, number: u64) -> Result<Window> {
        let window = self.window_of(me, number, Rights::READ, 0)?;
        Ok(Window { bytes: self.memory.len(window), ..window })
    }

    fn program_name(&mut self, me: ThreadId, at: u64, len: u64) -> Result<ProgramName> {
        let len = self.take_path(me, at, len)?;
        let path = self.path(0..len)?;
        // What matters in a long path is its end.
        let end = len.saturating_sub(ProgramName::new_const().capacity());
        let end = path.get(path.ceil_char_boundary(end)..).unwrap_or_default();
        ProgramName::from(end).map_err(|_long| ENAMETOOLONG)
    }

    pub(crate) fn exec(&mut self, me: ThreadId, call: Call) -> Outcome {
        self.grave.check_room()?;
        let program = self.file_of(me, call.a)?;
        let name = self.program_name(me, call.b, call.c)?;
        let args = self.file_of(me, call.d)?;
        let (space, regs) = self.prepare(program, args)?;
        // Nothing below refuses: the old program is gone from here on.
        let &Thread { process: id, context, .. } = self.threads.get(me).ok_or(ESRCH)?;
        self.drop_threads(id, Some(context));
        self.leave_page(id);
        self.close_rings(id);
        self.close_on_exec(id);
        let process = self.process(me)?;
        process.who.name = name;
        process.borrowing = false;
        let old = process.space.replace(space);
        self.grave.spaces.extend(old);
        self.threads.update(me, |thread| thread.signal_word = THREAD_WORDS);
        *self.memory.machine.regs(context) = regs;
        self.memory.machine.reset_vector(context);
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
        let caller = self.process(me)?.who;
        let mut who = Who { name, parent: caller.pid, ..caller };
        if group == 1 {
            who.group = 0;
        }
        if namespace != wide(NONE) {
            who.namespace = self.namespace_of(me, namespace)?;
        }
        for (which, value) in [(id::PRIORITY, priority), (id::UID, uid), (id::GID, gid)] {
            if value != wide(NONE) {
                who.set(which, value, caller.uid)?;
            }
        }
        let child = self.new_process(&who)?;
        let mut made = self.start(child, files).map(drop);
        for number in 0..count {
            let at = moves.saturating_add(number.saturating_mul(wide(size_of::<HandleMove>())));
            made = made.and_then(|()| self.move_handle(me, at, child));
        }
        made.inspect_err(|_| self.forget_process(child))?;
        self.give(me, self.pid_of(child).into())
    }

    /// Gives a child a duplicate of one of the caller's handles, as a [`HandleMove`] says.
    fn move_handle(&mut self, me: ThreadId, at: u64, child: ProcessId) -> Result<()> {
        let [from, to] = self.words(me, at)?;
        let handle = self.process(me)?.handles.get(from)?;
        self.descriptions.retain(handle.description);
        self.install(child, Some(to), Handle { close_on_exec: false, ..handle })?;
        Ok(())
    }

    pub(crate) fn fork(&mut self, me: ThreadId) -> Outcome {
        let (parent, caller) = (self.owner(me)?, self.process(me)?.who);
        let child = self.new_process(&Who { parent: caller.pid, ..caller })?;
        self.inherit(parent, child).inspect_err(|_| self.forget_process(child))?;
        self.go_on_forking(me, child, 0)
    }

    /// Gives a child its parent's regions, without their pages, and its handles.
    fn inherit(&mut self, parent: ProcessId, child: ProcessId) -> Result<()> {
        let Self { processes, memory, descriptions, .. } = self;
        let (parent, child) = processes.get2_mut(parent, child).ok_or(EAGAIN)?;
        child.borrowing = true;
        let space = child.space.insert(Space::new(memory)?);
        parent.space.as_ref().ok_or(EAGAIN)?.fork_regions(memory, space)?;
        for (number, handle) in parent.handles.iter() {
            if handle.rights.contains(Rights::PASS) {
                child.handles.reach(number)?;
                child.handles.put(number, handle);
                descriptions.retain(handle.description);
            }
        }
        Ok(())
    }

    /// Does the next slice of a fork, from a page on.
    pub(crate) fn go_on_forking(&mut self, me: ThreadId, child: ProcessId, at: u64) -> Outcome {
        match self.copy_pages(me, child, at) {
            Ok(Some(page)) => self.pause(me, Then::Fork(child, page)),
            done => {
                let done = done.and_then(|_all| self.finish_fork(me, child));
                done.inspect_err(|_| self.forget_process(child))?;
                self.give(me, self.pid_of(child).into())
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

    /// The child's one thread, a copy of the caller.
    fn finish_fork(&mut self, me: ThreadId, child: ProcessId) -> Result<()> {
        let &Thread { context, signal_word, .. } = self.threads.get(me).ok_or(EAGAIN)?;
        let mut regs = *self.memory.machine.regs(context);
        regs.general[reg::RAX] = 0;
        let thread = self.make_thread(child, &regs, signal_word)?;
        let copy = self.threads.get(thread).ok_or(EAGAIN)?.context;
        self.memory.machine.copy_vector(context, copy);
        // Not before: what is sent to it meanwhile must not make pages that are still to come.
        let signals = self.process(me)?.signals;
        self.processes.update(child, |child| child.signals = signals);
        Ok(())
    }
}
