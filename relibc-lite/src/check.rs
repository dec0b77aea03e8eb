//! Compile-time proof that our numbers and structs are those of the `libc` crate for Redox.

use core::mem::offset_of;
use relibc_core::{abi, consts, errno};

macro_rules! same {
    ($ours:ident: $($name:ident)*) => {
        $(const _: () = assert!($ours::$name as i128 == libc::$name as i128);)*
    };
}

same! { consts:
    O_NOCTTY O_RDONLY O_WRONLY O_RDWR O_ACCMODE O_NONBLOCK O_APPEND O_SHLOCK O_EXLOCK O_ASYNC
    O_FSYNC O_CLOEXEC O_CREAT O_TRUNC O_EXCL O_DIRECTORY O_PATH O_SYMLINK O_NOFOLLOW AT_FDCWD
    F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW FD_CLOEXEC
    PROT_READ PROT_WRITE PROT_EXEC MAP_SHARED MAP_PRIVATE MAP_FIXED MAP_ANON
    MS_ASYNC MS_INVALIDATE MS_SYNC CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID
    SIG_BLOCK SIG_UNBLOCK SIG_SETMASK SIG_DFL SIG_IGN SIG_ERR SIGABRT SIGKILL SIGPIPE SIGCHLD
    SIGSTOP NSIG SA_NOCLDWAIT SA_SIGINFO SA_ONSTACK SA_RESTART SA_NODEFER SA_RESETHAND
    SA_NOCLDSTOP WNOHANG WUNTRACED WCONTINUED S_IFMT S_IFIFO S_IFCHR S_IFDIR S_IFREG S_IFLNK
    POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL FIONREAD FIONBIO FIOCLEX TCGETS TCSETS TCFLSH
    TIOCSCTTY TIOCGPGRP TIOCSPGRP TIOCGWINSZ TIOCSWINSZ
    PTHREAD_MUTEX_DEFAULT PTHREAD_MUTEX_ERRORCHECK PTHREAD_MUTEX_NORMAL PTHREAD_MUTEX_RECURSIVE
    PATH_MAX
}

macro_rules! same_errno {
    ($($name:ident)*) => { $(const _: () = assert!(errno::$name.0 == libc::$name);)* };
}

same_errno! {
    EPERM ENOENT ESRCH EINTR EIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT EBUSY
    EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL EMFILE ENOTTY ESPIPE EROFS EPIPE ERANGE EDEADLK
    ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP EWOULDBLOCK EOVERFLOW ENOTSOCK EOPNOTSUPP
    EAFNOSUPPORT ETIMEDOUT EDEADLOCK ENOTRECOVERABLE
}

macro_rules! same_struct {
    ($($ours:ident $theirs:ident { $($own:ident $name:ident)* })*) => { $(
        const _: () = assert!(size_of::<abi::$ours>() == size_of::<libc::$theirs>());
        const _: () = assert!(align_of::<abi::$ours>() == align_of::<libc::$theirs>());
        $(const _: () = assert!(
            offset_of!(abi::$ours, $own) == offset_of!(libc::$theirs, $name)
        );)*
    )* };
}

same_struct! {
    Timespec timespec { tv_sec tv_sec tv_nsec tv_nsec }
    Timeval timeval { tv_sec tv_sec tv_usec tv_usec }
    Stat stat {
        st_dev st_dev st_ino st_ino st_nlink st_nlink st_mode st_mode st_uid st_uid st_gid st_gid
        st_rdev st_rdev st_size st_size st_blksize st_blksize st_blocks st_blocks
        st_atime st_atime st_mtime st_mtime st_ctime st_ctime
    }
    Statvfs statvfs {
        f_bsize f_bsize f_frsize f_frsize f_blocks f_blocks f_bfree f_bfree f_bavail f_bavail
        f_files f_files f_ffree f_ffree f_favail f_favail f_fsid f_fsid f_flag f_flag
        f_namemax f_namemax
    }
    Dirent dirent { d_ino d_ino d_off d_off d_reclen d_reclen d_type d_type d_name d_name }
    Termios termios {
        c_iflag c_iflag c_oflag c_oflag c_cflag c_cflag c_lflag c_lflag c_line c_line c_cc c_cc
        c_ispeed c_ispeed c_ospeed c_ospeed
    }
    Winsize winsize { ws_row ws_row ws_col ws_col }
    Pollfd pollfd { fd fd events events revents revents }
    Utsname utsname { sysname sysname machine machine }
    Rlimit rlimit { rlim_cur rlim_cur }
    Sigaction sigaction {
        sa_sigaction sa_sigaction sa_flags sa_flags sa_restorer sa_restorer sa_mask sa_mask
    }
}

// The record grew smaller in newer versions of that crate: ours must hold either.
const _: () = assert!(size_of::<abi::Siginfo>() >= size_of::<libc::siginfo_t>());
const _: () = assert!(offset_of!(abi::Siginfo, si_code) == offset_of!(libc::siginfo_t, si_code));
