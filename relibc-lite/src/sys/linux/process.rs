//! Processes, their memory, and how they start.

use super::raw::{self, call};
use crate::c::{int, word};
use crate::sys::{Commit, Ended, Id};
use core::ffi::{c_char, c_int};
use relibc_core::abi::Utsname;
use relibc_core::consts;
use relibc_core::errno::{Errno, Result};
use relibc_core::linux;

/// Linux's `execveat`, and its flag for "the file itself".
const EXECVEAT: usize = 322;
const LINUX_EMPTY_PATH: usize = 0x1000;
/// Anonymous memory that is committed only when touched.
const LINUX_NORESERVE: usize = 0x4000;

/// The first instruction: the kernel leaves the start block at the stack pointer.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        "xor ebp, ebp",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {begin}",
        "ud2",
        begin = sym begin,
    )
}

/// # Safety
///
/// `block` is the start block that Linux built.
unsafe extern "C" fn begin(block: *const usize) -> ! {
    // SAFETY: the caller's promise.
    unsafe { crate::start::run(block) }
}

/// What the program was started with beyond the block: nothing, Linux keeps it itself.
pub(crate) fn inherit() {
    let mut buffer = [0_u8; consts::PATH_MAX];
    // SAFETY: Linux writes at most the buffer's length, NUL included.
    let length = unsafe { call(raw::GETCWD, [buffer.as_mut_ptr().addr(), buffer.len()]) };
    let path = buffer.get(..length.unwrap_or(1).saturating_sub(1)).unwrap_or_default();
    crate::path::cwd::begin(path, None);
}

pub(crate) fn fork() -> Result<c_int> {
    // SAFETY: the child is a copy; `fork` holds the library's locks.
    unsafe { call(raw::FORK, []) }.map(int)
}

/// Replaces the program by the open file `fd`; returns only what went wrong.
///
/// # Safety
///
/// Both lists are arrays of C strings that end with null.
pub(crate) unsafe fn exec(
    fd: c_int,
    argv: *const *const c_char,
    env: *const *const c_char,
) -> Errno {
    let empty = c"".as_ptr().addr();
    let arguments = [word(fd), empty, argv.addr(), env.addr(), LINUX_EMPTY_PATH];
    // SAFETY: the caller's promise.
    unsafe { call(EXECVEAT, arguments) }.err().unwrap_or(Errno(0))
}

pub(crate) fn exit(status: c_int) -> ! {
    loop {
        // SAFETY: ends the process.
        let _ended = unsafe { call(raw::EXIT_GROUP, [word(status)]) };
    }
}

pub(crate) fn wait(pid: c_int, options: c_int) -> Result<Ended> {
    let mut status = 0;
    let arguments = [word(pid), (&raw mut status).addr(), word(options), 0];
    // SAFETY: Linux writes one int.
    let pid = int(unsafe { call(raw::WAIT4, arguments) }?);
    Ok(Ended { pid, status })
}

pub(crate) fn kill(pid: c_int, signal: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::KILL, [word(pid), word(signal)]) }.map(drop)
}

pub(crate) fn id(which: Id) -> c_int {
    let number = match which {
        Id::Process => raw::GETPID,
        Id::Parent => raw::GETPPID,
        Id::User => raw::GETUID,
        Id::Group => raw::GETGID,
    };
    // SAFETY: no memory is touched.
    unsafe { call(number, []) }.map_or(-1, int)
}

pub(crate) fn set_id(which: Id, value: c_int) -> Result<()> {
    let number = match which {
        Id::User => raw::SETUID,
        Id::Group => raw::SETGID,
        Id::Process | Id::Parent => return Err(relibc_core::errno::EINVAL),
    };
    // SAFETY: no memory is touched.
    unsafe { call(number, [word(value)]) }.map(drop)
}

pub(crate) fn group_of(pid: c_int) -> Result<c_int> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::GETPGID, [word(pid)]) }.map(int)
}

pub(crate) fn set_group(pid: c_int, group: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::SETPGID, [word(pid), word(group)]) }.map(drop)
}

pub(crate) fn session_of(pid: c_int) -> Result<c_int> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::GETSID, [word(pid)]) }.map(int)
}

pub(crate) fn new_session() -> Result<c_int> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::SETSID, []) }.map(int)
}

pub(crate) fn umask(mask: c_int) -> c_int {
    // SAFETY: no memory is touched.
    unsafe { call(raw::UMASK, [word(mask)]) }.map_or(0, int)
}

/// Number of CPUs that this process may run on.
pub(crate) fn cpus() -> usize {
    let mut set = [0_u64; 16];
    // SAFETY: Linux writes at most the array.
    let bytes =
        unsafe { call(raw::SCHED_GETAFFINITY, [0, size_of_val(&set), set.as_mut_ptr().addr()]) };
    let count: u32 = set.iter().map(|word| word.count_ones()).sum();
    if bytes.is_ok() { usize::try_from(count).unwrap_or(1).max(1) } else { 1 }
}

pub(crate) fn uname(to: &mut Utsname) -> Result<()> {
    // SAFETY: the struct is the same for both.
    unsafe { call(raw::UNAME, [core::ptr::from_mut(to).addr()]) }.map(drop)
}

pub(crate) fn random(buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: Linux writes at most the buffer's length.
    unsafe { call(raw::GETRANDOM, [buffer.as_mut_ptr().addr(), buffer.len(), 0]) }
}

/// Maps memory or a file.
///
/// # Safety
///
/// With `MAP_FIXED`, what lies in the range may go.
pub(crate) unsafe fn map(
    address: usize,
    length: usize,
    prot: c_int,
    flags: c_int,
    (fd, offset): (c_int, i64),
) -> Result<*mut u8> {
    let (prot, flags) = (word(linux::prot(prot)), word(linux::map_flags(flags)));
    let arguments = [address, length, prot, flags, word(fd), word(offset)];
    // SAFETY: the caller's promise.
    let start = unsafe { call(raw::MMAP, arguments) }?;
    Ok(core::ptr::with_exposed_provenance_mut(start))
}

/// Fresh zeroed memory, readable and writable.
pub(crate) fn map_anonymous(length: usize, commit: Commit) -> Result<*mut u8> {
    let prot = word(linux::prot(consts::PROT_READ | consts::PROT_WRITE));
    let flags = word(linux::map_flags(consts::MAP_PRIVATE | consts::MAP_ANON));
    let flags = if commit == Commit::Lazy { flags | LINUX_NORESERVE } else { flags };
    // SAFETY: a new mapping overlaps nothing.
    let start = unsafe { call(raw::MMAP, [0, length, prot, flags, usize::MAX, 0]) }?;
    Ok(core::ptr::with_exposed_provenance_mut(start))
}

/// # Safety
///
/// Nothing uses the range any more.
pub(crate) unsafe fn unmap(address: usize, length: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { call(raw::MUNMAP, [address, length]) }.map(drop)
}

/// # Safety
///
/// Whoever uses the range can do with the new protection.
pub(crate) unsafe fn protect(address: usize, length: usize, prot: c_int) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { call(raw::MPROTECT, [address, length, word(linux::prot(prot))]) }.map(drop)
}

/// # Safety
///
/// As C's `msync`.
pub(crate) unsafe fn sync(address: usize, length: usize, flags: c_int) -> Result<()> {
    // SAFETY: the caller's promise; the flags are the same for both.
    unsafe { call(raw::MSYNC, [address, length, word(flags)]) }.map(drop)
}

/// # Safety
///
/// As C's `madvise`; `MADV_DONTNEED` drops what the range holds.
pub(crate) unsafe fn advise(address: usize, length: usize, advice: c_int) -> Result<()> {
    // SAFETY: the caller's promise; the numbers are the same for both.
    unsafe { call(raw::MADVISE, [address, length, word(advice)]) }.map(drop)
}
