//! System calls: what can be asked. One family a file; each call is a method of the kernel
//! that checks everything, then does it. `mk/book/abi.md` says what each means.

mod compat;
mod dup;
mod futex;
mod id;
pub(crate) mod io;
mod map;
mod namespace;
pub(crate) mod open;
mod process;
mod ring;
pub mod signal;
pub mod spawn;
pub(crate) mod thread;
pub(crate) mod time;

use anode_abi::number::{
    SYS_CALL, SYS_CLOCK_GETTIME, SYS_CLOCK_SETTIME, SYS_CLOSE, SYS_DUP, SYS_EVENT_WAIT, SYS_EXEC,
    SYS_EXIT, SYS_FCHMOD, SYS_FCHOWN, SYS_FCNTL, SYS_FLINK, SYS_FMAP, SYS_FORK, SYS_FPATH,
    SYS_FRENAME, SYS_FSTAT, SYS_FSTATVFS, SYS_FSYNC, SYS_FTRUNCATE, SYS_FUNMAP, SYS_FUTEX,
    SYS_FUTIMENS, SYS_GETDENTS, SYS_GETID, SYS_KILL, SYS_LSEEK, SYS_MPROTECT, SYS_NANOSLEEP,
    SYS_NS_BIND, SYS_NS_ENTER, SYS_NS_NEW, SYS_OPENAT, SYS_READ, SYS_READ2, SYS_RING_COPY,
    SYS_RING_NEW, SYS_RING_REGISTER, SYS_RING_TAKE, SYS_RING_WAIT, SYS_SCHEME_NEW, SYS_SENDFD,
    SYS_SET_TLS, SYS_SETID, SYS_SIGNAL_PAGE, SYS_SIGNAL_RETURN, SYS_SIGNAL_WAIT, SYS_SPAWN,
    SYS_THREAD_CREATE, SYS_THREAD_EXIT, SYS_THREAD_KILL, SYS_UNLINKAT, SYS_WAITPID, SYS_WRITE,
    SYS_WRITE2, SYS_YIELD,
};

use crate::num::size;
use crate::{Call, ENOSYS, Kernel, Machine, Next, Outcome, Place, ThreadId};

impl<M: Machine> Kernel<M> {
    /// Does a system call of the running thread.
    pub(crate) fn call(&mut self, me: ThreadId, call: Call) -> Outcome {
        match size(call.number) {
            SYS_READ | SYS_READ2 => self.read(me, call),
            SYS_WRITE | SYS_WRITE2 => self.write(me, call),
            SYS_RING_WAIT => self.ring_wait(me, call),
            SYS_RING_COPY => self.ring_copy(me, call),
            SYS_FUTEX => self.futex(me, call),
            SYS_CLOCK_GETTIME => self.clock_gettime(me, call),
            SYS_YIELD => self.yield_now(me),
            SYS_OPENAT => self.openat(me, call),
            SYS_CLOSE => self.close(me, call),
            SYS_LSEEK => self.lseek(me, call),
            SYS_DUP | SYS_FCNTL | SYS_SENDFD => self.handle_call(me, call),
            SYS_FSTAT | SYS_FSTATVFS | SYS_FPATH | SYS_GETDENTS | SYS_FUTIMENS | SYS_CALL => {
                self.buffer_call(me, call)
            }
            SYS_FSYNC | SYS_FTRUNCATE | SYS_FCHMOD | SYS_FCHOWN => self.value_call(me, call),
            SYS_UNLINKAT | SYS_FRENAME | SYS_FLINK => self.path_call(me, call),
            SYS_EVENT_WAIT => self.event_wait(me, call),
            SYS_FMAP | SYS_FUNMAP | SYS_MPROTECT => self.memory_call(me, call),
            number => self.process_call(me, number, call),
        }
    }

    fn process_call(&mut self, me: ThreadId, number: usize, call: Call) -> Outcome {
        match number {
            SYS_EXIT => self.exit(me, call),
            SYS_FORK => self.fork(me, call),
            SYS_EXEC => self.exec(me, call),
            SYS_SPAWN => self.spawn(me, call),
            SYS_WAITPID => self.waitpid(me, call),
            SYS_KILL => self.kill(me, call),
            SYS_GETID => self.getid(me, call),
            SYS_SETID => self.setid(me, call),
            SYS_THREAD_CREATE => self.thread_create(me, call),
            SYS_THREAD_EXIT => self.thread_exit(me, call),
            SYS_THREAD_KILL => self.thread_kill(me, call),
            SYS_SET_TLS => self.set_tls(me, call),
            SYS_SIGNAL_PAGE => self.signal_page(me, call),
            SYS_SIGNAL_RETURN => self.signal_return(me, call),
            SYS_SIGNAL_WAIT => self.signal_wait(me),
            SYS_CLOCK_SETTIME => self.clock_settime(me, call),
            SYS_NANOSLEEP => self.nanosleep(me, call),
            SYS_SCHEME_NEW => self.scheme_new(me, call),
            SYS_NS_NEW => self.ns_new(me),
            SYS_NS_BIND => self.ns_bind(me, call),
            SYS_NS_ENTER => self.ns_enter(me, call),
            SYS_RING_NEW => self.ring_new(me, call),
            SYS_RING_REGISTER => self.ring_register(me, call),
            SYS_RING_TAKE => self.ring_take(me, call),
            number => self.compat(me, number, call).unwrap_or(Err(ENOSYS)),
        }
    }

    fn yield_now(&mut self, me: ThreadId) -> Outcome {
        if let Some(thread) = self.threads.get_mut(me) {
            thread.result = Some(0);
        }
        self.enqueue(me, Place::Last);
        Ok(Next::Pick)
    }
}
