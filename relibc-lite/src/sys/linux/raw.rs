//! The `syscall` instruction, and Linux's numbers.

use relibc_core::errno::{Result, demux};

macro_rules! numbers {
    ($($name:ident $number:literal)*) => { $(pub(super) const $name: usize = $number;)* };
}

numbers! {
    READ 0 WRITE 1 CLOSE 3 FSTAT 5 POLL 7 LSEEK 8 MMAP 9 MPROTECT 10 MUNMAP 11 SIGACTION 13
    SIGPROCMASK 14 IOCTL 16 PREAD 17 PWRITE 18 READV 19 WRITEV 20 YIELD 24 MSYNC 26 MADVISE 28
    DUP 32 GETPID 39 FORK 57 WAIT4 61 KILL 62 UNAME 63 FCNTL 72 FSYNC 74 FTRUNCATE 77
    GETCWD 79 FCHDIR 81 FCHMOD 91 FCHOWN 93 UMASK 95 GETUID 102 GETGID 104 SETUID 105 SETGID 106
    SETPGID 109 GETPPID 110 SETSID 112 GETPGID 121 GETSID 124 SIGPENDING 127 SIGSUSPEND 130
    FSTATFS 138 ARCH_PRCTL 158 CHROOT 161 GETTID 186 FUTEX 202 SCHED_GETAFFINITY 204
    SET_TID_ADDRESS 218 GETDENTS64 217 CLOCK_SETTIME 227 CLOCK_GETTIME 228 CLOCK_GETRES 229
    CLOCK_NANOSLEEP 230 EXIT_GROUP 231 TGKILL 234 OPENAT 257 MKDIRAT 258 MKNODAT 259 FCHOWNAT 260
    NEWFSTATAT 262 UNLINKAT 263 LINKAT 265 SYMLINKAT 266 READLINKAT 267 FCHMODAT 268
    FACCESSAT 269 UTIMENSAT 280 DUP3 292 PIPE2 293 RENAMEAT2 316 GETRANDOM 318
}

/// One system call.
///
/// # Safety
///
/// The arguments are what Linux wants of this call: pointers that it reads or writes are valid
/// for it, and what it changes (mappings, handles, threads) is the caller's to change.
///
/// # Errors
///
/// Linux's own error number; those are Redox's too.
pub(super) unsafe fn call<const N: usize>(number: usize, arguments: [usize; N]) -> Result<usize> {
    let mut words = [0_usize; 6];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = argument;
    }
    let [a, b, c, d, e, f] = words;
    let result;
    // SAFETY: the caller's promise; the instruction itself changes rax, rcx and r11 only.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    demux(result)
}
