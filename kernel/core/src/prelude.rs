//! The core's vocabulary: what most of its files speak of.

pub(crate) use crate::error::{
    E2BIG, EACCES, EAGAIN, EBADF, EBUSY, ECHILD, EDEADLK, EEXIST, EFAULT, EINTR, EINVAL, EIO,
    EISDIR, EMFILE, ENAMETOOLONG, ENODEV, ENOENT, ENOEXEC, ENOMEM, ENOSPC, ENOSYS, ENOTDIR, ENOTTY,
    EOVERFLOW, EPERM, EPIPE, ESPIPE, ESRCH, ETIMEDOUT, EXDEV, Outcome, Result, encode,
};
pub(crate) use crate::kernel::{CpuState, Kernel, SCRATCH};
pub(crate) use crate::machine::reg;
pub(crate) use crate::machine::{
    Context, Cpu, Frame, IrqOp, Machine, PAGE, PAGE_SIZE, Regs, USER_END, USER_START,
};
pub(crate) use crate::mem::Memory;
pub(crate) use crate::mem::frames::Frames;
pub(crate) use crate::mem::object::{Object, ObjectId, Window};
pub(crate) use crate::mem::region::{MapFlags, Region};
pub(crate) use crate::mem::space::Space;
pub(crate) use crate::mem::space::pages_of;
pub(crate) use crate::mem::user::{Pins, UserSlice};
pub(crate) use crate::num::{index, low, narrow, size, wide};
pub(crate) use crate::object::event::{Irq, IrqId, Queue, QueueId, Subscription};
pub(crate) use crate::object::handle::{
    Description, DescriptionId, Handle, Handles, Open, Rights, Target,
};
pub(crate) use crate::object::namespace::{Namespace, NamespaceId, Scheme, SchemeId};
pub(crate) use crate::object::pipe::{End, Pipe, PipeId};
pub(crate) use crate::object::process::{Life, Process, ProgramName, Who};
pub(crate) use crate::object::ring::{COPY_BYTES, Finish, MAX_BYTES, Ring, Slot};
pub(crate) use crate::object::thread::{Channel, Link, State, Then, Thread};
pub(crate) use crate::random::Random;
pub(crate) use crate::sched::timers::Timers;
pub(crate) use crate::sched::{Next, ORDINARY, Place, SLICE, Schedule, Threads};
pub(crate) use crate::scheme::event::RECORD;
pub(crate) use crate::scheme::submit::op;
pub(crate) use crate::scheme::submit::{Buffer, Request};
pub(crate) use crate::syscall::io::Transfer;
pub(crate) use crate::syscall::open::{O_CLOEXEC, O_RDWR, STATUS_FLAGS};
pub(crate) use crate::syscall::thread::{FLAGS, SLICE_PAGES};
pub(crate) use crate::table::mark;
pub(crate) use crate::table::{Id, ProcessId, RingId, Slab, ThreadId, reserved};
pub(crate) use crate::trap::Call;
pub(crate) use alloc::vec::Vec;
pub(crate) use anode_abi::counters::{Counters, count};
pub(crate) use anode_abi::info::ready;
pub(crate) use anode_abi::number::NONE;
pub(crate) use core::ops::Deref;
pub(crate) use core::ops::Range;
