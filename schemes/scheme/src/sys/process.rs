//! Processes, namespaces and schemes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anode_abi::info::{HandleMove, SchemePolicy, SpawnArgs};
use anode_abi::number::{
    NONE, SYS_GETID, SYS_KILL, SYS_NS_BIND, SYS_NS_ENTER, SYS_NS_NEW, SYS_SCHEME_NEW, SYS_SETID,
    SYS_SPAWN, SYS_WAITPID,
};
use redox::error::{EINVAL, Error, Result};

use super::{input, number, number_or_none, owned, raw};

/// A program to be started, and what it gets; see [`SpawnArgs`].
#[derive(Debug)]
pub struct Spawn<'a> {
    /// The program: a memory object, or a file with an attached one.
    pub object: BorrowedFd<'a>,
    /// The args object (`anode_abi::args`).
    pub args: BorrowedFd<'a>,
    /// What `ps` shows, at most 255 bytes.
    pub name: &'a str,
    /// Each handle, and its number in the child, which has no others.
    pub handles: &'a [(BorrowedFd<'a>, u32)],
    /// The child's namespace; `None`: the caller's.
    pub namespace: Option<BorrowedFd<'a>>,
    /// Whether it leads a process group of its own.
    pub new_group: bool,
    /// Priority 0 to 7; `None`: the caller's.
    pub priority: Option<u8>,
    /// User and group; `None`: the caller's.
    pub user: Option<(u32, u32)>,
}

/// Starts a process; gives its pid.
///
/// # Errors
///
/// `ENODEV`: the object's content is not in memory; `ENOEXEC`; `EACCES`; `ENOMEM`; `EAGAIN`.
pub fn spawn(spawn: &Spawn<'_>) -> Result<usize> {
    let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    let none = wide(NONE);
    let handles: Vec<HandleMove> = spawn
        .handles
        .iter()
        .map(|(from, to)| HandleMove { from: wide(number(&from)), to: u64::from(*to) })
        .collect();
    let args = SpawnArgs {
        object: wide(number(&spawn.object)),
        args: wide(number(&spawn.args)),
        name: wide(input(spawn.name.as_bytes()).0),
        name_len: wide(spawn.name.len()),
        handles: wide(handles.as_ptr().expose_provenance()),
        handle_count: wide(handles.len()),
        namespace: wide(number_or_none(spawn.namespace)),
        group: u64::from(spawn.new_group),
        priority: spawn.priority.map_or(none, u64::from),
        uid: spawn.user.map_or(none, |(uid, _)| u64::from(uid)),
        gid: spawn.user.map_or(none, |(_, gid)| u64::from(gid)),
    };
    let address = (&raw const args).expose_provenance();
    // SAFETY: point 1: the kernel reads the struct, the name and the array, all of which live
    // to the end of this function.
    unsafe { raw(SYS_SPAWN, [address, size_of::<SpawnArgs>(), 0, 0, 0]) }
}

/// A child that ended: pid and status as POSIX encodes it; `None`: none did yet.
///
/// `pid`: a child, -1 any, 0 or less than -1 a group; flags: 0 or `WAIT_NO_HANG`.
///
/// # Errors
///
/// `ECHILD`: there is no such child; `EINTR`.
pub fn waitpid(pid: isize, flags: usize) -> Result<Option<(u32, u32)>> {
    // SAFETY: no address is passed.
    let value = unsafe { raw(SYS_WAITPID, [pid.cast_unsigned(), flags, 0, 0, 0]) }?;
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    let child = u32::from_le_bytes([a, b, c, d]);
    Ok((child != 0).then_some((child, u32::from_le_bytes([e, f, g, h]))))
}

/// Sends a signal; 0 only asks whether it could be sent.
///
/// # Errors
///
/// `EPERM`, `ESRCH`.
pub fn kill(pid: isize, signal: usize) -> Result<()> {
    // SAFETY: no address is passed.
    unsafe { raw(SYS_KILL, [pid.cast_unsigned(), signal, 0, 0, 0]) }.map(drop)
}

/// An `anode_abi::info::id` of a process; pid 0 is the caller.
///
/// # Errors
///
/// `ESRCH`, `EINVAL`.
pub fn get_id(which: usize, pid: usize) -> Result<usize> {
    // SAFETY: no address is passed.
    unsafe { raw(SYS_GETID, [which, pid, 0, 0, 0]) }
}

/// Sets an `anode_abi::info::id`.
///
/// # Errors
///
/// `EPERM`, `ESRCH`, `EINVAL`.
pub fn set_id(which: usize, pid: usize, value: usize) -> Result<()> {
    // SAFETY: no address is passed.
    unsafe { raw(SYS_SETID, [which, pid, value, 0, 0]) }.map(drop)
}

/// An empty namespace.
///
/// # Errors
///
/// `EMFILE`, `ENOMEM`.
pub fn ns_new() -> Result<OwnedFd> {
    // SAFETY: no address is passed.
    owned(unsafe { raw(SYS_NS_NEW, [0; 5]) }?)
}

/// Binds `name` in a namespace (`None`: the own): to a scheme's owner handle, a directory, or
/// (no source) to what the caller calls so; `new=old` renames that.
///
/// # Errors
///
/// `EEXIST`, `ENOENT`, `EPERM`, `EINVAL`.
pub fn ns_bind(
    namespace: Option<BorrowedFd<'_>>,
    name: &str,
    source: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let (address, len) = input(name.as_bytes());
    let arguments = [number_or_none(namespace), address, len, number_or_none(source), 0];
    // SAFETY: point 1: the kernel reads the name.
    unsafe { raw(SYS_NS_BIND, arguments) }.map(drop)
}

/// Moves the calling process to a namespace.
///
/// # Errors
///
/// `EBADF`, `EPERM`.
pub fn ns_enter(namespace: impl AsFd) -> Result<()> {
    // SAFETY: no address is passed.
    unsafe { raw(SYS_NS_ENTER, [number(&namespace), 0, 0, 0, 0]) }.map(drop)
}

/// Makes a scheme and binds its name in a namespace (`None`: the own); gives the owner handle.
///
/// # Errors
///
/// `EEXIST`, `EPERM`, `EINVAL`.
pub fn scheme_new(
    namespace: Option<BorrowedFd<'_>>,
    name: &str,
    policy: &SchemePolicy,
) -> Result<OwnedFd> {
    if name.is_empty() {
        return Err(Error::new(EINVAL));
    }
    let (address, len) = input(name.as_bytes());
    let policy = (&raw const *policy).expose_provenance();
    // SAFETY: point 1: the kernel reads the name and the policy, which the caller lends.
    owned(unsafe { raw(SYS_SCHEME_NEW, [number_or_none(namespace), address, len, policy, 0]) }?)
}
