//! The hosted back-end's dictionary: Redox numbers and structs to Linux's, and back.

use crate::abi::{Siginfo, Stat, Timespec};
use crate::consts;

pub mod termios;

/// Pairs of one Redox bit and the Linux bits that mean the same.
type Bits = [(i32, i32)];

const OPEN: &Bits = &[
    (consts::O_NOCTTY, 0o400),
    (consts::O_NONBLOCK, 0o4000),
    (consts::O_APPEND, 0o2000),
    (consts::O_ASYNC, 0o2_0000),
    (consts::O_FSYNC, 0o401_0000),
    (consts::O_CLOEXEC, 0o200_0000),
    (consts::O_CREAT, 0o100),
    (consts::O_TRUNC, 0o1000),
    (consts::O_EXCL, 0o200),
    (consts::O_DIRECTORY, 0o20_0000),
    (consts::O_NOFOLLOW, 0o40_0000),
    (consts::O_PATH, 0o1000_0000),
    // Opening a link itself is opening it as a path without following it.
    (consts::O_SYMLINK, 0o1040_0000),
];

const SIGACTION: &Bits = &[
    (consts::SA_NOCLDSTOP, 1),
    (consts::SA_NOCLDWAIT, 2),
    (consts::SA_SIGINFO, 4),
    (consts::SA_ONSTACK, 0x0800_0000),
    (consts::SA_RESTART, 0x1000_0000),
    (consts::SA_NODEFER, 0x4000_0000),
    (consts::SA_RESETHAND, i32::MIN),
];

const PROT: &Bits = &[(consts::PROT_READ, 1), (consts::PROT_WRITE, 2), (consts::PROT_EXEC, 4)];

const MAP: &Bits = &[
    (consts::MAP_SHARED, 1),
    (consts::MAP_PRIVATE, 2),
    (consts::MAP_FIXED, 0x10),
    (consts::MAP_ANON, 0x20),
];

fn to_linux(bits: i32, table: &Bits) -> i32 {
    let matching = table.iter().filter(|(redox, _)| bits & redox == *redox);
    matching.fold(0, |all, (_, linux)| all | linux)
}

fn to_redox(bits: i32, table: &Bits) -> i32 {
    let matching = table.iter().filter(|(_, linux)| bits & linux == *linux);
    matching.fold(0, |all, (redox, _)| all | redox)
}

/// Flags of `open`; a missing access mode is read-only, as Linux has no mode for neither.
#[must_use]
pub fn open_flags(redox: i32) -> i32 {
    let access = match redox & consts::O_ACCMODE {
        consts::O_WRONLY => 1,
        consts::O_RDWR => 2,
        _ => 0,
    };
    access | to_linux(redox, OPEN)
}

/// The answer of `F_GETFL` in Redox's flags.
#[must_use]
pub fn open_flags_back(linux: i32) -> i32 {
    let access = match linux & 3 {
        1 => consts::O_WRONLY,
        2 => consts::O_RDWR,
        _ => consts::O_RDONLY,
    };
    let flags = access | to_redox(linux, OPEN);
    // A path that merely does not follow links is no open link.
    if flags & consts::O_PATH == 0 { flags & !consts::O_SYMLINK } else { flags }
}

/// Flags of `sigaction`.
#[must_use]
pub fn sigaction_flags(redox: i32) -> i32 {
    to_linux(redox, SIGACTION)
}

/// Protection of `mmap` and `mprotect`.
#[must_use]
pub fn prot(redox: i32) -> i32 {
    to_linux(redox, PROT)
}

/// Flags of `mmap`.
#[must_use]
pub fn map_flags(redox: i32) -> i32 {
    to_linux(redox, MAP)
}

/// The number of a clock; `None` for one that we do not know.
#[must_use]
pub fn clock(redox: i32) -> Option<i32> {
    match redox {
        consts::CLOCK_REALTIME => Some(0),
        consts::CLOCK_MONOTONIC => Some(1),
        consts::CLOCK_PROCESS_CPUTIME_ID => Some(2),
        _ => None,
    }
}

/// Linux's `struct stat` of `x86_64`, as the kernel fills it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the fields are those of the C struct")]
pub struct LinuxStat {
    pub st_dev: u64,
    pub st_ino: u64,
    pub st_nlink: u64,
    pub st_mode: u32,
    pub st_uid: u32,
    pub st_gid: u32,
    pub pad: u32,
    pub st_rdev: u64,
    pub st_size: i64,
    pub st_blksize: i64,
    pub st_blocks: i64,
    pub st_atime: Timespec,
    pub st_mtime: Timespec,
    pub st_ctime: Timespec,
    pub unused: [i64; 3],
}

/// Linux's file facts in our struct.
#[must_use]
pub fn stat(linux: &LinuxStat) -> Stat {
    Stat {
        st_dev: linux.st_dev,
        st_ino: linux.st_ino,
        st_nlink: linux.st_nlink,
        st_mode: linux.st_mode.cast_signed(),
        st_uid: linux.st_uid.cast_signed(),
        st_gid: linux.st_gid.cast_signed(),
        st_rdev: linux.st_rdev,
        st_size: linux.st_size,
        st_blksize: linux.st_blksize,
        st_blocks: linux.st_blocks,
        st_atime: linux.st_atime,
        st_mtime: linux.st_mtime,
        st_ctime: linux.st_ctime,
        pad: [0; 24],
    }
}

/// Linux's `siginfo_t`: the words that all kinds of signal share.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the C struct")]
pub struct LinuxSiginfo {
    pub si_signo: i32,
    pub si_errno: i32,
    pub si_code: i32,
    pub pad: i32,
    /// Pid and uid of the sender, or the address of a fault, by kind.
    pub fields: [u64; 14],
}

/// Signals that a fault raises: their record holds an address.
const FAULTS: [i32; 4] = [4, 7, 8, 11];

/// A signal's record in our struct.
#[must_use]
pub fn siginfo(linux: &LinuxSiginfo) -> Siginfo {
    let [first, second, ..] = linux.fields;
    let [low, high] = halves(first);
    let mut info = Siginfo::of(linux.si_signo);
    info.si_errno = linux.si_errno;
    info.si_code = linux.si_code;
    if FAULTS.contains(&linux.si_signo) && linux.si_code > 0 {
        info.si_addr = usize::try_from(first).unwrap_or(0);
    } else {
        info.si_pid = low;
        info.si_uid = high;
        info.si_status = halves(second)[0];
    }
    info
}

/// The two 32-bit halves of a word, low first.
fn halves(word: u64) -> [i32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [i32::from_le_bytes([a, b, c, d]), i32::from_le_bytes([e, f, g, h])]
}

#[cfg(test)]
mod tests {
    use super::{LinuxSiginfo, LinuxStat, clock, map_flags, open_flags, open_flags_back};
    use super::{prot, sigaction_flags, siginfo};
    use crate::consts;
    use core::mem::offset_of;

    #[test]
    fn open_flags_become_the_hosts() {
        let pairs = [
            (consts::O_RDONLY, libc::O_RDONLY),
            (consts::O_WRONLY, libc::O_WRONLY),
            (consts::O_RDWR, libc::O_RDWR),
            (consts::O_CREAT, libc::O_CREAT),
            (consts::O_EXCL, libc::O_EXCL),
            (consts::O_TRUNC, libc::O_TRUNC),
            (consts::O_APPEND, libc::O_APPEND),
            (consts::O_NONBLOCK, libc::O_NONBLOCK),
            (consts::O_CLOEXEC, libc::O_CLOEXEC),
            (consts::O_DIRECTORY, libc::O_DIRECTORY),
            (consts::O_NOFOLLOW, libc::O_NOFOLLOW),
            (consts::O_PATH, libc::O_PATH),
            (consts::O_NOCTTY, libc::O_NOCTTY),
            (consts::O_FSYNC, libc::O_SYNC),
            (consts::O_SYMLINK, libc::O_PATH | libc::O_NOFOLLOW),
        ];
        for (ours, host) in pairs {
            assert_eq!(open_flags(ours), host, "{ours:#x}");
        }
        for flags in [consts::O_RDWR | consts::O_APPEND, consts::O_WRONLY | consts::O_NONBLOCK] {
            assert_eq!(open_flags_back(open_flags(flags)), flags);
        }
    }

    #[test]
    fn memory_and_signal_flags_become_the_hosts() {
        let all = consts::PROT_READ | consts::PROT_WRITE | consts::PROT_EXEC;
        assert_eq!(prot(all), libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
        assert_eq!(prot(consts::PROT_READ), libc::PROT_READ);
        let fixed = consts::MAP_PRIVATE | consts::MAP_ANON | consts::MAP_FIXED;
        let host = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED;
        assert_eq!(map_flags(fixed), host);
        let ours = consts::SA_RESTART | consts::SA_RESETHAND | consts::SA_SIGINFO;
        let host = libc::SA_RESTART | libc::SA_RESETHAND | libc::SA_SIGINFO;
        assert_eq!(sigaction_flags(ours), host);
        assert_eq!(clock(consts::CLOCK_MONOTONIC), Some(libc::CLOCK_MONOTONIC));
        assert_eq!(clock(consts::CLOCK_REALTIME), Some(libc::CLOCK_REALTIME));
        assert_eq!(clock(0), None);
    }

    #[test]
    fn linux_structs_are_laid_out_as_the_hosts() {
        assert_eq!(size_of::<LinuxStat>(), size_of::<libc::stat>());
        assert_eq!(offset_of!(LinuxStat, st_ctime), offset_of!(libc::stat, st_ctime));
        assert_eq!(size_of::<LinuxSiginfo>(), size_of::<libc::siginfo_t>());
    }

    #[test]
    fn a_fault_has_an_address_and_a_kill_has_a_sender() {
        let mut raw =
            LinuxSiginfo { si_signo: 11, si_errno: 0, si_code: 1, pad: 0, fields: [0; 14] };
        raw.fields[0] = 0x1_0000_0002;
        assert_eq!(siginfo(&raw).si_addr, 0x1_0000_0002);
        raw.si_signo = 15;
        raw.si_code = 0;
        let info = siginfo(&raw);
        assert_eq!((info.si_pid, info.si_uid, info.si_addr), (2, 1, 0));
    }
}
