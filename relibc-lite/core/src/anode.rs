//! The native back-end's dictionary: the kernel's structs and bits, and C's.

use crate::abi::{Stat, Statvfs, Timespec};
use crate::consts::{POLLERR, POLLHUP, POLLIN, POLLOUT, S_IFBLK, S_IFCHR, S_IFMT, S_IFREG};
use anode_abi::info::ready;
use redox::data::{Stat as KernelStat, StatVfs as KernelStatvfs};

fn time(seconds: u64, nanos: u32) -> Timespec {
    Timespec { tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX), tv_nsec: i64::from(nanos) }
}

/// Facts of a file in C's struct.
#[must_use]
pub fn stat(kernel: &KernelStat) -> Stat {
    let mode = i32::from(kernel.st_mode);
    let is_device = matches!(mode & S_IFMT, S_IFCHR | S_IFBLK);
    Stat {
        st_dev: kernel.st_dev,
        st_ino: kernel.st_ino,
        st_nlink: u64::from(kernel.st_nlink),
        st_mode: mode,
        st_uid: kernel.st_uid.cast_signed(),
        st_gid: kernel.st_gid.cast_signed(),
        // A device's number is its place in its scheme; schemes have no major numbers.
        st_rdev: if is_device { kernel.st_ino } else { 0 },
        st_size: i64::try_from(kernel.st_size).unwrap_or(i64::MAX),
        st_blksize: i64::from(kernel.st_blksize),
        st_blocks: i64::try_from(kernel.st_blocks).unwrap_or(i64::MAX),
        st_atime: time(kernel.st_atime, kernel.st_atime_nsec),
        st_mtime: time(kernel.st_mtime, kernel.st_mtime_nsec),
        st_ctime: time(kernel.st_ctime, kernel.st_ctime_nsec),
        pad: [0; 24],
    }
}

/// Facts of a file system in C's struct.
#[must_use]
pub fn statvfs(kernel: &KernelStatvfs) -> Statvfs {
    Statvfs {
        f_bsize: u64::from(kernel.f_bsize),
        f_frsize: u64::from(kernel.f_bsize),
        f_blocks: kernel.f_blocks,
        f_bfree: kernel.f_bfree,
        f_bavail: kernel.f_bavail,
        f_namemax: 255,
        ..Statvfs::default()
    }
}

/// What to subscribe to for these `poll` bits: kernel's READ and WRITE.
#[must_use]
pub fn wanted(events: i16) -> u64 {
    let bit = |poll: i16, kernel: u64| if events & poll == 0 { 0 } else { kernel };
    bit(POLLIN, ready::READ) | bit(POLLOUT, ready::WRITE)
}

/// What `poll` reports of this readiness to one who asked for `events`.
#[must_use]
pub fn polled(readiness: u64, events: i16) -> i16 {
    let bit = |kernel: u64, poll: i16| if readiness & kernel == 0 { 0 } else { poll };
    let asked = (bit(ready::READ, POLLIN) | bit(ready::WRITE, POLLOUT)) & events;
    asked | bit(ready::ERROR, POLLERR) | bit(ready::HANGUP, POLLHUP)
}

/// Whether someone may `mode` (R 4, W 2, X 1) a file, by its owner, group and mode bits.
#[must_use]
pub fn may(stat: &Stat, uid: i32, gid: i32, mode: i32) -> bool {
    let bits = stat.st_mode & 0o777;
    if uid == 0 {
        // The superuser may do all, but run only what someone may run.
        let is_plain = stat.st_mode & S_IFMT == S_IFREG;
        return mode & 1 == 0 || !is_plain || bits & 0o111 != 0;
    }
    let granted = if uid == stat.st_uid {
        bits >> 6
    } else if gid == stat.st_gid {
        bits >> 3
    } else {
        bits
    };
    granted & mode == mode
}

#[cfg(test)]
mod tests {
    use super::{may, polled, stat, wanted};
    use crate::abi::Stat;
    use crate::consts::{POLLERR, POLLHUP, POLLIN, POLLOUT};
    use redox::data::Stat as KernelStat;

    #[test]
    fn facts_are_carried_over() {
        let kernel = KernelStat {
            st_mode: 0o10_0644,
            st_size: 5,
            st_mtime: 7,
            st_mtime_nsec: 8,
            st_uid: u32::MAX,
            ..KernelStat::default()
        };
        let ours = stat(&kernel);
        assert_eq!((ours.st_mode, ours.st_size, ours.st_uid), (0o10_0644, 5, -1));
        assert_eq!((ours.st_mtime.tv_sec, ours.st_mtime.tv_nsec), (7, 8));
    }

    #[test]
    fn a_hang_up_is_reported_unasked() {
        assert_eq!(wanted(POLLIN | POLLOUT), 3);
        assert_eq!(polled(3, POLLIN), POLLIN);
        assert_eq!(polled(16, POLLOUT), POLLHUP);
        assert_eq!(polled(9, 0), POLLERR);
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let file = Stat { st_mode: 0o10_0470, st_uid: 5, st_gid: 6, ..Stat::default() };
        assert!(may(&file, 5, 6, 4) && !may(&file, 5, 6, 2));
        assert!(may(&file, 7, 6, 7) && !may(&file, 7, 8, 4));
        assert!(may(&file, 0, 0, 7));
        let data = Stat { st_mode: 0o10_0644, ..file };
        assert!(!may(&data, 0, 0, 1) && may(&data, 0, 0, 6));
    }
}
