//! How a call fails: who is to blame decides what happens to whom.

pub use anode_abi::error as errno;

use crate::sched::Next;

/// An error number (POSIX's; constants in [`errno`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

/// What may fail with an errno.
pub type Result<T, E = Errno> = core::result::Result<T, E>;

/// What a call leads to: who runs next, or the errno that the caller gets.
pub type Outcome = Result<Next>;

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
pub fn encode(errno: Errno) -> u64 {
    i64::from(errno.0).wrapping_neg().cast_unsigned()
}
