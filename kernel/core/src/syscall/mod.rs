//! System calls: what can be asked. One family a file; each call is a method of the kernel
//! that checks everything, then does it. `mk/book/abi.md` says what each means.

mod dup;
mod futex;
mod id;
mod info;
pub(crate) mod io;
mod map;
mod namespace;
pub(crate) mod open;
mod process;
mod ring;
pub(crate) mod signal;
pub(crate) mod spawn;
pub(crate) mod thread;
pub(crate) mod time;

use anode_abi::number as n;

use crate::prelude::*;

impl<M: Machine> Kernel<M> {
    /// Does a system call of the running thread.
    pub(crate) fn call(&mut self, me: ThreadId, call: Call) -> Outcome {
        match size(call.number) {
            n::SYS_READ | n::SYS_READ2 | n::SYS_WRITE | n::SYS_WRITE2 => self.transfer(me, &call),
            n::SYS_RING_WAIT => self.ring_wait(me, call),
            n::SYS_RING_COPY => self.ring_copy(me, call),
            n::SYS_FUTEX => self.futex(me, call),
            n::SYS_CLOCK_GETTIME => self.clock_gettime(me, call),
            n::SYS_YIELD => self.yield_now(me),
            n::SYS_OPENAT => self.openat(me, call),
            open::SYS_OPEN => self.open(me, call),
            n::SYS_CLOSE => self.close(me, call),
            n::SYS_LSEEK => self.lseek(me, call),
            n::SYS_DUP => self.dup(me, call),
            n::SYS_FCNTL => self.fcntl(me, call),
            n::SYS_SENDFD => self.sendfd(me, call),
            n::SYS_FSTAT | n::SYS_FSTATVFS | n::SYS_FPATH | n::SYS_GETDENTS => self.ask(me, call),
            n::SYS_FUTIMENS | n::SYS_FCHMOD | n::SYS_FCHOWN => self.ask(me, call),
            n::SYS_FSYNC | n::SYS_FTRUNCATE | n::SYS_CALL => self.ask(me, call),
            n::SYS_UNLINKAT | n::SYS_FRENAME | n::SYS_FLINK => self.path_call(me, call),
            n::SYS_EVENT_WAIT => self.event_wait(me, call),
            n::SYS_FMAP => self.fmap(me, call),
            n::SYS_FUNMAP => self.funmap(me, call),
            n::SYS_MPROTECT => self.mprotect(me, call),
            number => self.process_call(me, number, call),
        }
    }

    fn process_call(&mut self, me: ThreadId, number: usize, call: Call) -> Outcome {
        match number {
            n::SYS_EXIT => self.exit(me, call),
            n::SYS_FORK => self.fork(me),
            n::SYS_EXEC => self.exec(me, call),
            n::SYS_SPAWN => self.spawn(me, call),
            n::SYS_WAITPID => self.waitpid(me, call),
            n::SYS_KILL => self.kill(me, call),
            n::SYS_GETID => self.getid(me, call),
            n::SYS_SETID => self.setid(me, call),
            n::SYS_THREAD_CREATE => self.thread_create(me, call),
            n::SYS_THREAD_EXIT => self.thread_exit(me, call),
            n::SYS_THREAD_KILL => self.thread_kill(me, call),
            n::SYS_SET_TLS => self.set_tls(me, call),
            n::SYS_SIGNAL_PAGE => self.signal_page(me, call),
            n::SYS_SLEEP => self.sleep_until(me, call),
            n::SYS_CLOCK_SETTIME => self.clock_settime(me, call),
            n::SYS_SCHEME_NEW => self.scheme_new(me, call),
            n::SYS_NS_NEW => self.ns_new(me),
            n::SYS_NS_BIND => self.ns_bind(me, call),
            n::SYS_NS_ENTER => self.ns_enter(me, call),
            n::SYS_RING_NEW => self.ring_new(me, call),
            n::SYS_RING_TAKE => self.ring_take(me, call),
            n::SYS_INFO => self.info(me, call),
            n::SYS_REBOOT => self.reboot(me),
            _ => Err(ENOSYS),
        }
    }
}
