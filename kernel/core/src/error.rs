//! How a call fails: who is to blame decides what happens to whom.

pub use anode_abi::error as errno;

use crate::sched::Next;

/// An error number (POSIX's; constants in [`errno`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

/// A failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The call was understood and declined; the caller gets this errno and goes on.
    Errno(Errno),
    /// The caller broke a protocol: it is killed, not answered.
    Kill(Violation),
}

/// How a daemon can break the ring's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A ring index that no honest daemon can write.
    RingIndex,
}

/// What a call leads to: who runs next, or a refusal.
pub type Outcome = Result<Next, Refusal>;

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

macro_rules! name_errnos {
    ($($name:ident)*) => {$(
        #[doc = concat!("`", stringify!($name), "` of POSIX.")]
        pub const $name: Errno = Errno(errno::$name);
    )*};
}

name_errnos! {
    E2BIG EACCES EAGAIN EBADF EBUSY ECANCELED ECHILD EDEADLK EEXIST EFAULT EINTR EINVAL EIO EISDIR
    EMFILE ENAMETOOLONG ENODEV ENOENT ENOEXEC ENOMEM ENOSPC ENOSYS ENOTDIR ENOTTY ENXIO EOPNOTSUPP
    EOVERFLOW EPERM EPIPE ESPIPE ESRCH ETIMEDOUT EXDEV
}

/// The result register's value for a refused call.
#[must_use]
pub fn encode(errno: Errno) -> u64 {
    i64::from(errno.0).wrapping_neg().cast_unsigned()
}
