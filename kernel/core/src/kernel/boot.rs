//! How the kernel starts: tables sized by RAM, the kernel's names, and init.

use alloc::vec::Vec;

use anode_abi::args::{ABI_VERSION, Header, MAGIC};
use anode_abi::number::NONE;

use crate::kernel::Grave;
use crate::mem::object::Objects;
use crate::num::{index, wide};
use crate::object::namespace::BUILTINS;
use crate::syscall::spawn::Birth;
use crate::{
    Binding, Cache, Context, Counters, CpuState, Description, ENOMEM, Errno, Frames, Handle,
    Kernel, Machine, Memory, Name, Namespace, Object, ProgramName, Random, Rights, SCRATCH, Slab,
    Target, Timers, Waits, Window,
};

/// A range of frames: first frame number and count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRange {
    /// Number of the first frame.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// A range of physical bytes that the loader filled; `address` is page-aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Physical address.
    pub address: u64,
    /// Length in bytes.
    pub len: u64,
}

/// What the core is started with.
#[derive(Clone, Copy, Debug)]
pub struct Boot<'a> {
    /// Free RAM: sorted, disjoint, without whatever the kernel or the loader still uses.
    pub free: &'a [FrameRange],
    /// init's ELF.
    pub init: Loaded,
    /// The initfs image.
    pub initfs: Loaded,
    /// The kernel's command line.
    pub command_line: &'a str,
    /// Text of `sys:boot`: lines `key value` (`rsdp 0x…`, `framebuffer …`, `slot …`).
    pub facts: &'static str,
}

fn reserved<T>(capacity: usize) -> Result<Vec<T>, Errno> {
    let mut list = Vec::new();
    list.try_reserve_exact(capacity).map_err(|_full| ENOMEM)?;
    Ok(list)
}

impl<M: Machine> Kernel<M> {
    /// Makes the kernel and init's first thread.
    ///
    /// # Errors
    ///
    /// A sentence that says what is missing: the machine cannot be started.
    pub fn boot(machine: M, boot: &Boot<'_>) -> Result<Self, &'static str> {
        let mut kernel = Self::empty(machine, boot)
            .map_err(|_errno| "not enough memory for the kernel's tables")?;
        kernel.start_init(boot).map_err(|errno| match errno {
            ENOMEM => "not enough memory to start init",
            _ => "init is not a program that the kernel can load",
        })?;
        Ok(kernel)
    }

    fn empty(mut machine: M, boot: &Boot<'_>) -> Result<Self, Errno> {
        let frames = Frames::new(boot.free)?;
        let threads = index(machine.contexts());
        // A process has at least one thread; the rest follows from what programs use.
        let (processes, objects) = (threads, threads.saturating_mul(4));
        let descriptions = threads.saturating_mul(8);
        let mut contexts = reserved(threads)?;
        contexts.extend((0..machine.contexts()).rev().map(Context));
        let mut scratch = reserved(SCRATCH)?;
        scratch.resize(SCRATCH, 0);
        let random = Random::new(machine.entropy());
        let wall = machine.boot_wall();
        Ok(Self {
            memory: Memory { machine, frames, objects: Objects::new(objects)? },
            threads: Slab::new(threads)?,
            processes: Slab::new(processes)?,
            descriptions: Slab::new(descriptions)?,
            namespaces: Slab::new(processes)?,
            schemes: Slab::new(128)?,
            rings: Slab::new(128)?,
            pipes: Slab::new(processes)?,
            queues: Slab::new(processes)?,
            subscriptions: Slab::new(processes.saturating_mul(4))?,
            irqs: Slab::new(256)?,
            cpus: core::array::from_fn(|_cpu| CpuState::default()),
            waits: Waits::default(),
            timers: Timers::new(threads.saturating_add(descriptions).saturating_mul(2))?,
            random,
            grave: Grave::new(processes)?,
            contexts,
            scratch,
            facts: boot.facts,
            wall,
            requests: 0,
            breathe: false,
            counters: Counters::default(),
        })
    }

    fn start_init(&mut self, boot: &Boot<'_>) -> Result<(), Errno> {
        let mut names = Namespace::new();
        for (name, builtin) in BUILTINS {
            names.bind(Name::new(name.as_bytes())?, Binding::Builtin(builtin))?;
        }
        let namespace = self.namespaces.insert(names)?;
        let program = self.loaded(boot.init)?;
        let initfs = self.loaded(boot.initfs)?;
        let args = self.first_args(boot.command_line)?;
        let birth = Birth {
            program: Some(program),
            args: Some(args),
            name: ProgramName::cut(b"/sbin/init"),
            namespace,
            parent: None,
        };
        let process = self.bear(&birth)?;
        self.let_go(program);
        self.let_go(args);
        let console = self.describe(Target::Debug, 0, u64::MAX)?;
        let initfs = self.describe(Target::Memory(initfs), 0, 0)?;
        let machine = self.describe(Target::Machine, 0, u64::MAX)?;
        let init = self.processes.get_mut(process).ok_or(ENOMEM)?;
        for (number, description) in (0..).zip([console, console, console, initfs, machine]) {
            init.handles.reach(number)?;
            let handle = Handle { description, rights: Rights::all(), close_on_exec: false };
            init.handles.put(wide(number), handle);
            if let Some(description) = self.descriptions.get_mut(description) {
                description.references = description.references.saturating_add(1);
            }
        }
        for description in [console, initfs, machine] {
            self.drop_description(description);
        }
        Ok(())
    }

    /// An object over what the loader left.
    fn loaded(&mut self, loaded: Loaded) -> Result<Window, Errno> {
        let object = Object::physical(loaded.address, loaded.len, Cache::WriteBack)?.read_only();
        let Memory { machine, frames, objects } = &mut self.memory;
        let object = objects.insert(object, frames, machine)?;
        Ok(Window { object, offset: 0, bytes: loaded.len })
    }

    /// init's args object: its name as the one argument, the command line's words as environment.
    fn first_args(&mut self, command_line: &str) -> Result<Window, Errno> {
        let (start, bytes) = (size_of::<Header>(), SCRATCH);
        let page = self.scratch.get_mut(..bytes).ok_or(ENOMEM)?;
        page.fill(0);
        let mut at = start;
        let mut put = |text: &str| {
            for (to, from) in page.iter_mut().skip(at).zip(text.bytes().chain([0])) {
                *to = from;
                at = at.saturating_add(1);
            }
            wide(at)
        };
        let argv = wide(start);
        let env = put("/sbin/init");
        let mut envc = 0u64;
        let mut cwd = env;
        for word in command_line.split_ascii_whitespace().filter(|word| word.contains('=')) {
            cwd = put(word);
            envc = envc.saturating_add(1);
        }
        put("/");
        let bytes = wide(at);
        let header = [MAGIC, ABI_VERSION, bytes, 1, argv, envc, env, cwd, wide(NONE), 0o22];
        for (to, word) in page.chunks_mut(8).zip(header) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        let Memory { machine, frames, objects } = &mut self.memory;
        let mut object = Object::anonymous(frames, machine)?;
        object.resize(bytes, frames, machine)?;
        let frame = object.page(0, frames, machine)?;
        machine.write(frame, 0, &self.scratch);
        let object = objects.insert(object, frames, machine)?;
        Ok(Window { object, offset: 0, bytes })
    }

    /// Gives the reference of a window back.
    pub(crate) fn let_go(&mut self, window: Window) {
        self.memory.objects.release(window.object);
        self.grave.objects = true;
    }

    /// A new description, with one reference.
    pub(crate) fn describe(
        &mut self,
        target: Target,
        flags: u64,
        offset: u64,
    ) -> Result<crate::object::handle::DescriptionId, Errno> {
        self.descriptions.insert(Description {
            target,
            flags,
            offset,
            attached: None,
            epoch: 0,
            references: 1,
            next_closing: None,
        })
    }
}
