//! Numbers of the C ABI that differ from Linux's, or that the library itself takes apart.
//!
//! The shell asserts at compile time that they equal the `libc` crate's for Redox.
#![expect(missing_docs, reason = "the names are those of POSIX and the man pages")]

pub const O_NOCTTY: i32 = 0x200;
pub const O_RDONLY: i32 = 0x0001_0000;
pub const O_WRONLY: i32 = 0x0002_0000;
pub const O_RDWR: i32 = 0x0003_0000;
pub const O_ACCMODE: i32 = 0x0003_0000;
pub const O_NONBLOCK: i32 = 0x0004_0000;
pub const O_APPEND: i32 = 0x0008_0000;
pub const O_SHLOCK: i32 = 0x0010_0000;
pub const O_EXLOCK: i32 = 0x0020_0000;
pub const O_ASYNC: i32 = 0x0040_0000;
pub const O_FSYNC: i32 = 0x0080_0000;
pub const O_CLOEXEC: i32 = 0x0100_0000;
pub const O_CREAT: i32 = 0x0200_0000;
pub const O_TRUNC: i32 = 0x0400_0000;
pub const O_EXCL: i32 = 0x0800_0000;
pub const O_DIRECTORY: i32 = 0x1000_0000;
pub const O_PATH: i32 = 0x2000_0000;
pub const O_SYMLINK: i32 = 0x4000_0000;
pub const O_NOFOLLOW: i32 = i32::MIN;

pub const AT_FDCWD: i32 = -100;
pub const AT_SYMLINK_NOFOLLOW: i32 = 0x100;
pub const AT_REMOVEDIR: i32 = 0x200;

pub const F_DUPFD: i32 = 0;
pub const F_GETFD: i32 = 1;
pub const F_SETFD: i32 = 2;
pub const F_GETFL: i32 = 3;
pub const F_SETFL: i32 = 4;
pub const F_GETLK: i32 = 5;
pub const F_SETLK: i32 = 6;
pub const F_SETLKW: i32 = 7;
pub const FD_CLOEXEC: i32 = 0x0100_0000;

pub const PROT_EXEC: i32 = 1;
pub const PROT_WRITE: i32 = 2;
pub const PROT_READ: i32 = 4;
pub const MAP_SHARED: i32 = 1;
pub const MAP_PRIVATE: i32 = 2;
pub const MAP_FIXED: i32 = 4;
pub const MAP_ANON: i32 = 0x20;
pub const MS_ASYNC: i32 = 1;
pub const MS_INVALIDATE: i32 = 2;
pub const MS_SYNC: i32 = 4;

pub const CLOCK_REALTIME: i32 = 1;
pub const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;
pub const CLOCK_MONOTONIC: i32 = 4;

pub const SIG_BLOCK: i32 = 0;
pub const SIG_UNBLOCK: i32 = 1;
pub const SIG_SETMASK: i32 = 2;
pub const SIG_DFL: usize = 0;
pub const SIG_IGN: usize = 1;
pub const SIG_ERR: usize = usize::MAX;
pub const SIGABRT: i32 = 6;
pub const SIGKILL: i32 = 9;
pub const SIGPIPE: i32 = 13;
pub const SIGCHLD: i32 = 17;
pub const SIGSTOP: i32 = 19;
pub const NSIG: i32 = 32;

pub const SA_NOCLDWAIT: i32 = 0x2;
pub const SA_RESTORER: i32 = 0x4;
pub const SA_SIGINFO: i32 = 0x0200_0000;
pub const SA_ONSTACK: i32 = 0x0400_0000;
pub const SA_RESTART: i32 = 0x0800_0000;
pub const SA_NODEFER: i32 = 0x1000_0000;
pub const SA_RESETHAND: i32 = 0x2000_0000;
pub const SA_NOCLDSTOP: i32 = 0x4000_0000;

pub const WNOHANG: i32 = 1;
pub const WUNTRACED: i32 = 2;
pub const WCONTINUED: i32 = 8;

pub const S_IFMT: i32 = 0o17_0000;
pub const S_IFIFO: i32 = 0o1_0000;
pub const S_IFCHR: i32 = 0o2_0000;
pub const S_IFDIR: i32 = 0o4_0000;
pub const S_IFBLK: i32 = 0o6_0000;
pub const S_IFREG: i32 = 0o10_0000;
pub const S_IFLNK: i32 = 0o12_0000;

pub const POLLIN: i16 = 1;
pub const POLLPRI: i16 = 2;
pub const POLLOUT: i16 = 4;
pub const POLLERR: i16 = 8;
pub const POLLHUP: i16 = 0x10;
pub const POLLNVAL: i16 = 0x20;

pub const FIONREAD: u64 = 0x541B;
pub const FIONBIO: u64 = 0x5421;
pub const FIOCLEX: u64 = 0x5451;
pub const TCGETS: u64 = 0x5401;
pub const TCSETS: u64 = 0x5402;
pub const TCSETSW: u64 = 0x5403;
pub const TCSETSF: u64 = 0x5404;
pub const TCSBRK: u64 = 0x5409;
pub const TCXONC: u64 = 0x540A;
pub const TCFLSH: u64 = 0x540B;
pub const TIOCSCTTY: u64 = 0x540E;
pub const TIOCGPGRP: u64 = 0x540F;
pub const TIOCSPGRP: u64 = 0x5410;
pub const TIOCGWINSZ: u64 = 0x5413;
pub const TIOCSWINSZ: u64 = 0x5414;

pub const PTHREAD_MUTEX_DEFAULT: i32 = 0;
pub const PTHREAD_MUTEX_ERRORCHECK: i32 = 1;
pub const PTHREAD_MUTEX_NORMAL: i32 = 2;
pub const PTHREAD_MUTEX_RECURSIVE: i32 = 3;

pub const SC_ARG_MAX: i32 = 0;
pub const SC_CHILD_MAX: i32 = 1;
pub const SC_CLK_TCK: i32 = 2;
pub const SC_NGROUPS_MAX: i32 = 3;
pub const SC_OPEN_MAX: i32 = 4;
pub const SC_STREAM_MAX: i32 = 5;
pub const SC_VERSION: i32 = 29;
pub const SC_PAGESIZE: i32 = 30;
pub const SC_NPROCESSORS_CONF: i32 = 57;
pub const SC_NPROCESSORS_ONLN: i32 = 58;
pub const SC_GETGR_R_SIZE_MAX: i32 = 69;
pub const SC_GETPW_R_SIZE_MAX: i32 = 70;
pub const SC_LOGIN_NAME_MAX: i32 = 71;
pub const SC_TTY_NAME_MAX: i32 = 72;
pub const SC_SYMLOOP_MAX: i32 = 173;
pub const SC_HOST_NAME_MAX: i32 = 180;

/// Longest path, with its NUL.
pub const PATH_MAX: usize = 4096;
/// Symbolic links that are followed in one look-up before `ELOOP`.
pub const SYMLOOP_MAX: usize = 40;
/// Bytes of a page.
pub const PAGE: usize = 4096;
