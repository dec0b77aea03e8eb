//! Structs of the C ABI, laid out as the `libc` crate lays them out for Redox on `x86_64`.
#![expect(missing_docs, reason = "the fields are those of POSIX and the man pages")]

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timespec {
    pub tv_sec: i64,
    pub tv_nsec: i64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeval {
    pub tv_sec: i64,
    pub tv_usec: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    pub st_dev: u64,
    pub st_ino: u64,
    pub st_nlink: u64,
    pub st_mode: i32,
    pub st_uid: i32,
    pub st_gid: i32,
    pub st_rdev: u64,
    pub st_size: i64,
    pub st_blksize: i64,
    pub st_blocks: i64,
    pub st_atime: Timespec,
    pub st_mtime: Timespec,
    pub st_ctime: Timespec,
    pub pad: [u8; 24],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statvfs {
    pub f_bsize: u64,
    pub f_frsize: u64,
    pub f_blocks: u64,
    pub f_bfree: u64,
    pub f_bavail: u64,
    pub f_files: u64,
    pub f_ffree: u64,
    pub f_favail: u64,
    pub f_fsid: u64,
    pub f_flag: u64,
    pub f_namemax: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Dirent {
    pub d_ino: u64,
    pub d_off: i64,
    pub d_reclen: u16,
    pub d_type: u8,
    pub d_name: [u8; 256],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Termios {
    pub c_iflag: u32,
    pub c_oflag: u32,
    pub c_cflag: u32,
    pub c_lflag: u32,
    pub c_line: u8,
    pub c_cc: [u8; 32],
    pub c_ispeed: u32,
    pub c_ospeed: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Winsize {
    pub ws_row: u16,
    pub ws_col: u16,
    pub ws_xpixel: u16,
    pub ws_ypixel: u16,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pollfd {
    pub fd: i32,
    pub events: i16,
    pub revents: i16,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Utsname {
    pub sysname: [u8; 65],
    pub nodename: [u8; 65],
    pub release: [u8; 65],
    pub version: [u8; 65],
    pub machine: [u8; 65],
    pub domainname: [u8; 65],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rlimit {
    pub rlim_cur: u64,
    pub rlim_max: u64,
}

/// A signal's action. The handler is an address, `SIG_DFL` or `SIG_IGN`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sigaction {
    pub sa_sigaction: usize,
    pub sa_flags: i32,
    pub sa_restorer: usize,
    pub sa_mask: u64,
}

/// What a `SA_SIGINFO` handler is given; 128 bytes, as the older `libc` crate knows it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Siginfo {
    pub si_signo: i32,
    pub si_errno: i32,
    pub si_code: i32,
    pub si_pid: i32,
    pub si_uid: i32,
    pub si_addr: usize,
    pub si_status: i32,
    pub si_value: usize,
    pub pad: [u64; 10],
}

impl Siginfo {
    /// A record that tells no more than the signal's number.
    #[must_use]
    pub const fn of(signal: i32) -> Self {
        Self {
            si_signo: signal,
            si_errno: 0,
            si_code: 0,
            si_pid: 0,
            si_uid: 0,
            si_addr: 0,
            si_status: 0,
            si_value: 0,
            pad: [0; 10],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Dirent, Pollfd, Sigaction, Siginfo, Stat, Statvfs, Termios, Timespec, Timeval, Utsname,
        Winsize,
    };
    use core::mem::offset_of;

    #[test]
    fn sizes_and_offsets_are_redox() {
        assert_eq!(size_of::<Timespec>(), 16);
        assert_eq!(size_of::<Timeval>(), 16);
        assert_eq!((size_of::<Stat>(), offset_of!(Stat, st_ctime)), (144, 104));
        assert_eq!(size_of::<Statvfs>(), 88);
        assert_eq!((size_of::<Dirent>(), offset_of!(Dirent, d_name)), (280, 19));
        assert_eq!((size_of::<Termios>(), offset_of!(Termios, c_ispeed)), (60, 52));
        assert_eq!(size_of::<Winsize>(), 8);
        assert_eq!(size_of::<Pollfd>(), 8);
        assert_eq!(size_of::<Utsname>(), 390);
        assert_eq!((size_of::<Sigaction>(), offset_of!(Sigaction, sa_mask)), (32, 24));
        assert_eq!((size_of::<Siginfo>(), offset_of!(Siginfo, si_value)), (128, 40));
    }
}
