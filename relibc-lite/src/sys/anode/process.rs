//! Processes, and how they start.

use super::raw::{call, sleeping};
use crate::c::{int, narrow, wide, word};
use crate::path::cwd;
use crate::sys::{Ended, Id};
use anode_abi::info::{WAIT_NO_HANG, id as ids};
use anode_abi::number::{
    NONE, SYS_EXIT, SYS_FORK, SYS_GETID, SYS_KILL, SYS_OPENAT, SYS_SETID, SYS_WAITPID,
};
use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use relibc_core::abi::Utsname;
use relibc_core::args::{self, Args};
use relibc_core::block::{AT_PAGESZ, AT_PHDR, AT_PHENT, AT_PHNUM, Start};
use relibc_core::consts::{O_CLOEXEC, O_RDONLY, PAGE, WNOHANG};
use relibc_core::errno::Result;

/// The file mode creation mask.
pub(super) static UMASK: AtomicI32 = AtomicI32::new(0o022);

/// The args object, which the kernel mapped for good.
static ARGS: AtomicUsize = AtomicUsize::new(0);
static ARGS_BYTES: AtomicUsize = AtomicUsize::new(0);

/// The first instruction: rdi and rsi are address and length of the args object.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!("xor ebp, ebp", "and rsp, -16", "call {begin}", "ud2", begin = sym begin)
}

/// # Safety
///
/// The two are what the kernel gave.
unsafe extern "C" fn begin(address: *const u8, length: usize) -> ! {
    ARGS.store(address.expose_provenance(), Ordering::Relaxed);
    ARGS_BYTES.store(length, Ordering::Relaxed);
    let Some(block) = args().as_ref().and_then(start_block) else { exit(127) };
    // SAFETY: `start_block` wrote it, and nothing unmaps it.
    unsafe { crate::start::run(block) }
}

/// The args object; `None` if it is none.
fn args() -> Option<Args<'static>> {
    let address = core::ptr::with_exposed_provenance::<u8>(ARGS.load(Ordering::Relaxed));
    let length = ARGS_BYTES.load(Ordering::Relaxed);
    if address.is_null() {
        return None;
    }
    // SAFETY: the kernel mapped that many bytes there, for this program alone.
    args::unpack(unsafe { core::slice::from_raw_parts(address, length) })
}

/// Writes the start block of the System V ABI into memory of its own.
fn start_block(args: &Args<'_>) -> Option<*const usize> {
    let (headers, size, count) = crate::tls::program_headers();
    let aux = [
        (AT_PHDR, wide(headers)),
        (AT_PHENT, wide(size)),
        (AT_PHNUM, wide(count)),
        (AT_PAGESZ, wide(PAGE)),
    ];
    let Args { argc, argv, envc, env, .. } = *args;
    let start = Start { argc, argv, envc, env, aux: &aux };
    let bytes = start.size()?;
    let memory = super::map_anonymous(bytes, crate::sys::Commit::Now).ok()?;
    // SAFETY: the mapping is new and at least that long.
    let block = unsafe { core::slice::from_raw_parts_mut(memory, bytes) };
    start.write(block, wide(memory.expose_provenance()))?;
    Some(memory.cast_const().cast())
}

/// What the program was started with beyond the block.
pub(crate) fn inherit() {
    super::thread::begin();
    let Some(args) = args() else { return };
    cwd::begin(args.facts.cwd, args.facts.cwd_handle);
    UMASK.store(args.facts.umask, Ordering::Relaxed);
    super::signal::begin(args.facts.blocked, args.facts.ignored);
}

pub(crate) fn fork() -> Result<c_int> {
    // The child's page is a copy: of what waits there, this was not meant for it. What comes to
    // it before it runs is.
    let waiting = super::pending();
    // SAFETY: the child is a copy; `fork` holds the library's locks.
    let pid = unsafe { call(SYS_FORK, []) }.map(int)?;
    if pid == 0 {
        super::signal::forget_others(waiting);
        super::thread::begin();
    }
    Ok(pid)
}

pub(crate) fn exit(status: c_int) -> ! {
    loop {
        // SAFETY: ends the process.
        let _ended = unsafe { call(SYS_EXIT, [word(status)]) };
    }
}

pub(crate) fn wait(pid: c_int, options: c_int) -> Result<Ended> {
    let flags = if options & WNOHANG == 0 { 0 } else { WAIT_NO_HANG };
    // SAFETY: no memory is touched.
    let ended = wide(unsafe { sleeping(SYS_WAITPID, [word(pid), flags]) }?);
    let low = int(narrow(ended & 0xffff_ffff));
    Ok(Ended { pid: low, status: int(narrow(ended >> 32)) })
}

pub(crate) fn kill(pid: c_int, signal: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(SYS_KILL, [word(pid), word(signal)]) }.map(drop)
}

fn get(which: usize, pid: c_int) -> Result<c_int> {
    // SAFETY: no memory is touched.
    unsafe { call(SYS_GETID, [which, word(pid)]) }.map(int)
}

fn set(which: usize, pid: c_int, value: c_int) -> Result<c_int> {
    // SAFETY: no memory is touched.
    unsafe { call(SYS_SETID, [which, word(pid), word(value)]) }.map(int)
}

fn number(of: Id) -> usize {
    match of {
        Id::Process => ids::PID,
        Id::Parent => ids::PPID,
        Id::User => ids::UID,
        Id::Group => ids::GID,
    }
}

pub(crate) fn id(which: Id) -> c_int {
    get(number(which), 0).unwrap_or(-1)
}

pub(crate) fn set_id(which: Id, value: c_int) -> Result<()> {
    set(number(which), 0, value).map(drop)
}

pub(crate) fn group_of(pid: c_int) -> Result<c_int> {
    get(ids::PGID, pid)
}

pub(crate) fn set_group(pid: c_int, group: c_int) -> Result<()> {
    // POSIX: group 0 is the process's own id.
    let group = match (group, pid) {
        (0, 0) => id(Id::Process),
        (0, pid) => pid,
        (group, _) => group,
    };
    set(ids::PGID, pid, group).map(drop)
}

pub(crate) fn session_of(pid: c_int) -> Result<c_int> {
    get(ids::SID, pid)
}

pub(crate) fn new_session() -> Result<c_int> {
    set(ids::SID, 0, 0)?;
    get(ids::SID, 0)
}

pub(crate) fn umask(mask: c_int) -> c_int {
    UMASK.swap(mask, Ordering::Relaxed)
}

/// Number of CPUs that run.
pub(crate) fn cpus() -> usize {
    get(ids::CPUS, 0).ok().and_then(|count| usize::try_from(count).ok()).unwrap_or(1).max(1)
}

/// Reads the beginning of a small file.
fn read_start(name: &str, buffer: &mut [u8]) -> Result<usize> {
    let flags = word(O_RDONLY | O_CLOEXEC);
    // SAFETY: the name is valid.
    let fd = int(unsafe { call(SYS_OPENAT, [NONE, name.as_ptr().addr(), name.len(), flags]) }?);
    // SAFETY: the slice is valid.
    let read = unsafe { super::read(fd, buffer.as_mut_ptr(), buffer.len()) };
    super::close(fd).and(read)
}

pub(crate) fn uname(to: &mut Utsname) -> Result<()> {
    let mut host = [0_u8; 64];
    // A system without the file has the default name.
    let length = read_start("/etc/hostname", &mut host).unwrap_or(0);
    let host = host.get(..length).unwrap_or_default().trim_ascii();
    let host = if host.is_empty() { b"anode" } else { host };
    let texts = [
        (&mut to.sysname, &b"Anode"[..]),
        (&mut to.nodename, host),
        (&mut to.release, env!("CARGO_PKG_VERSION").as_bytes()),
        (&mut to.version, b"Anode"),
        (&mut to.machine, b"x86_64"),
    ];
    for (field, text) in texts {
        // All are shorter than a field.
        let _fits = relibc_core::text::put(field, text);
    }
    Ok(())
}

pub(crate) fn random(buffer: &mut [u8]) -> Result<usize> {
    read_start("/scheme/rand", buffer)
}
