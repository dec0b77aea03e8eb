//! How the kernel starts: tables sized by RAM, the kernel's names, and init.

use anode_abi::boot_info::{Extent, FrameRange};

use crate::kernel::Grave;
use crate::object::namespace::{BUILTINS, checked_name};
use crate::prelude::*;
use crate::scheme::device::LINES;

/// What the core is started with.
#[derive(Clone, Copy, Debug)]
pub struct Boot<'a> {
    /// Free RAM: sorted, disjoint, without whatever the kernel or the loader still uses.
    pub free: &'a [FrameRange],
    /// init's ELF.
    pub init: Extent,
    /// The initfs image.
    pub initfs: Extent,
    /// init's args object.
    pub args: Extent,
    /// Randomness.
    pub seed: [u64; 4],
    /// Wall time at `now() == 0`, in ns since 1970 UTC.
    pub wall: u64,
    /// Text of `sys:boot`: lines `key value` (`rsdp 0x…`, `framebuffer …`, `slot …`).
    pub facts: &'static str,
}

impl<M: Machine> Kernel<M> {
    /// Makes the kernel and init's first thread.
    ///
    /// # Errors
    ///
    /// A sentence that says what is missing: the machine cannot be started.
    pub fn boot(machine: M, boot: &Boot<'_>) -> Result<Self, &'static str> {
        let start = || {
            let mut kernel = Self::empty(machine, boot)?;
            kernel.start_init(boot)?;
            Ok(kernel)
        };
        start().map_err(|errno| match errno {
            ENOMEM => "there is not enough memory",
            _ => "init is not a program that the kernel can load",
        })
    }

    fn empty(machine: M, boot: &Boot<'_>) -> Result<Self> {
        let frames = Frames::new(boot.free)?;
        let threads = index(machine.contexts());
        // A process has at least one thread; the rest follows from what programs use.
        let (processes, objects) = (threads, threads.saturating_mul(4));
        let descriptions = threads.saturating_mul(8);
        let mut contexts = reserved(threads)?;
        contexts.extend((0..machine.contexts()).rev().map(Context));
        let mut scratch = reserved(SCRATCH)?;
        scratch.resize(SCRATCH, 0);
        Ok(Self {
            memory: Memory {
                machine,
                frames,
                objects: Slab::new(objects)?,
                dead: reserved(objects)?,
            },
            threads: Slab::new(threads)?,
            processes: Slab::new(processes)?,
            descriptions: Slab::new(descriptions)?,
            namespaces: Slab::new(processes)?,
            schemes: Slab::new(128)?,
            rings: Slab::new(128)?,
            pipes: Slab::new(processes)?,
            queues: Slab::new(processes)?,
            subscriptions: Slab::new(processes.saturating_mul(4))?,
            irqs: Slab::new(index(LINES))?,
            cpus: core::array::from_fn(|_cpu| CpuState::default()),
            schedule: Schedule::default(),
            timers: Timers::new(threads)?,
            random: Random::new(boot.seed),
            grave: Grave::new(processes)?,
            contexts,
            scratch,
            facts: boot.facts,
            wall: boot.wall,
            counters: Counters::default(),
        })
    }

    fn start_init(&mut self, boot: &Boot<'_>) -> Result<()> {
        let mut names = Namespace::default();
        for name in BUILTINS {
            names.bind(checked_name(name)?, self.describe(Target::Builtin(name), 0, 0)?)?;
        }
        let namespace = self.namespaces.insert(names, 0)?;
        let (program, initfs) = (self.loaded(boot.init)?, self.loaded(boot.initfs)?);
        let args = self.loaded(boot.args)?;
        let name = ProgramName::from("/sbin/init").unwrap_or_default();
        let process = self.new_process(&Who {
            pid: 0,
            parent: 0,
            group: 0,
            session: 1,
            uid: 0,
            gid: 0,
            priority: ORDINARY.saturating_add(1),
            name,
            namespace,
        })?;
        self.start(process, (program, args))?;
        self.drop_namespace(namespace);
        self.memory.release(program.object);
        self.memory.release(args.object);
        let console = Target::Debug;
        for target in [console, console, console, Target::Memory(initfs), Target::Machine] {
            let description = self.describe(target, 0, 0)?;
            let handle = Handle { description, rights: Rights::all(), close_on_exec: false };
            self.install(process, None, handle)?;
        }
        Ok(())
    }

    /// An object over what the loader left.
    fn loaded(&mut self, Extent { phys, len }: Extent) -> Result<Window> {
        let mut object = Object::physical(phys, len, MapFlags::empty())?;
        object.read_only = true;
        let object = self.memory.objects.insert(object, 0)?;
        Ok(Window { object, offset: 0, bytes: len })
    }

    /// A new description of a user's, with one reference.
    pub(crate) fn describe(
        &mut self,
        target: Target,
        flags: u64,
        uid: u32,
    ) -> Result<DescriptionId> {
        let offset = if target.has_position() { 0 } else { u64::MAX };
        let (attached, cookie, next_closing) = (None, 0, None);
        let made = Description { target, flags, offset, attached, cookie, next_closing };
        self.descriptions.insert(made, uid)
    }
}
