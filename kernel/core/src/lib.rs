//! The kernel core: every decision the kernel takes, as safe code over plain state.
//!
//! ```text
//!  trap (kernel/src)              this crate                            machine (kernel/src)
//!  ─────────────────────┐  ┌───────────────────────────────────┐  ┌─────────────────────────
//!   registers saved,    │  │ kernel.handle(cpu, trap)          │  │ trait Machine: frames as
//!   why we came      ───┼─▶│   syscall ─▶ scheme ─▶ object     │─▶│ words, timer, kicks, irq
//!   whom to run    ◀────┼──│     └── sched ◀── Next ◀──┘       │  │ lines, ports, registers
//!  ─────────────────────┘  └───────────────────────────────────┘  └─────────────────────────
//! ```
//!
//! Read `trap` and `kernel` first, then `syscall` (what can be asked), `scheme` (who answers),
//! `object` (what there is) and `mem` (where it lies).
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::expect_used)]
#![expect(clippy::large_stack_frames, reason = "it counts what never lives at once")]
#![expect(clippy::wildcard_enum_match_arm, reason = "what a target cannot do is refused")]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod counters;
pub mod error;
mod exec;
pub mod kernel;
pub mod machine;
pub mod madt;
pub mod mem;
pub mod num;
pub mod object;
pub mod random;
pub mod sched;
pub mod scheme;
pub mod symbol;
mod syscall;
pub mod table;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod testing;
#[cfg(test)]
mod tests;
pub mod trap;

// The core's vocabulary: what most files speak of is named from the root.
pub(crate) use counters::{Counters, count};
pub(crate) use error::{
    E2BIG, EACCES, EAGAIN, EBADF, EBUSY, ECHILD, EDEADLK, EEXIST, EFAULT, EINTR, EINVAL, EIO,
    EISDIR, EMFILE, ENAMETOOLONG, ENODEV, ENOENT, ENOEXEC, ENOMEM, ENOSPC, ENOSYS, ENOTDIR, ENOTTY,
    EOVERFLOW, EPERM, EPIPE, ESPIPE, ESRCH, ETIMEDOUT, EXDEV, Errno, Outcome, Result, encode,
};
pub(crate) use kernel::{CpuState, Kernel, SCRATCH};
pub(crate) use machine::{
    Cache, Context, Cpu, Frame, IrqOp, Machine, PAGE, PAGE_SIZE, Power, Regs, USER_END, USER_START,
};
pub(crate) use mem::Memory;
pub(crate) use mem::frames::Frames;
pub(crate) use mem::object::{Object, ObjectId, Window};
pub(crate) use mem::region::{Backing, Region};
pub(crate) use mem::space::Space;
pub(crate) use mem::table::Protection;
pub(crate) use mem::user::{Pins, UserSlice};
pub(crate) use num::{index, low, narrow, size, wide};
pub(crate) use object::event::{Irq, IrqId, Queue, QueueId, Sink, Source, Subscription};
pub(crate) use object::handle::{
    Description, DescriptionId, Handle, Handles, ProcFile, Rights, SysFile, Target,
};
pub(crate) use object::namespace::{
    Binding, Builtin, Name, Namespace, NamespaceId, Scheme, SchemeId,
};
pub(crate) use object::pipe::{End, Pipe, PipeId};
pub(crate) use object::process::{Life, Process, ProgramName};
pub(crate) use object::ring::{Finish, MAX_BYTES, Ring, SlotState};
pub(crate) use object::thread::{Blocked, Channel, Expiry, Link, Sleep, State, Thread, Work};
pub(crate) use random::Random;
pub(crate) use sched::timers::{Due, Timers};
pub(crate) use sched::{Next, ORDINARY, Place, SLICE, Schedule, Threads};
pub(crate) use scheme::submit::{Input, Request};
pub(crate) use syscall::io::Transfer;
pub(crate) use syscall::open::{O_CLOEXEC, O_RDWR, STATUS_FLAGS};
pub(crate) use syscall::thread::{FLAGS, SLICE_PAGES};
pub(crate) use table::{Id, ProcessId, RingId, Slab, ThreadId, reserved};
pub(crate) use trap::{Access, Call};
