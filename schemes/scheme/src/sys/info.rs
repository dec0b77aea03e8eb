//! What the kernel tells root about the system.

use anode_abi::info::fact;
use anode_abi::number::{SYS_INFO, SYS_REBOOT};
use redox::error::{EIO, Error, Result};

use super::{output, raw, word};

/// Bytes that the kernel gives at once.
const PIECE: usize = 4096;

/// A process, as the kernel tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its number.
    pub pid: u64,
    /// Its parent's.
    pub parent: u64,
    /// Its process group.
    pub group: u64,
    /// Its user.
    pub uid: u64,
    /// Its group of users.
    pub gid: u64,
    /// `R`: it runs, `S`: it sleeps, `Z`: it ended.
    pub state: char,
    /// Threads.
    pub threads: u64,
    /// Pages in memory.
    pub pages: u64,
    /// CPU time in ns.
    pub cpu_ns: u64,
    /// 0 to 7.
    pub priority: u64,
    /// Open handles.
    pub handles: u64,
}

/// Fills a buffer with facts of a kind of `anode_abi::info::fact`; gives how many bytes.
///
/// # Errors
///
/// `EPERM`: this is not root; `ESRCH`: there is no such process.
pub fn info(kind: usize, argument: u64, into: &mut [u8]) -> Result<usize> {
    let (address, len) = output(into);
    // SAFETY: point 1: the kernel writes within the slice.
    unsafe { raw(SYS_INFO, [kind, word(argument)?, address, len, 0]) }
}

/// Facts that are words.
///
/// # Errors
///
/// As for [`info`].
pub fn info_words(kind: usize, argument: u64) -> Result<Vec<u64>> {
    let mut bytes = vec![0; PIECE];
    let len = info(kind, argument, &mut bytes)?;
    let words = bytes.get(..len).unwrap_or_default().as_chunks().0;
    Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
}

/// Facts that are bytes, all of them.
///
/// # Errors
///
/// As for [`info`].
pub fn info_bytes(kind: usize) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let at = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let mut piece = vec![0; PIECE];
        let len = info(kind, at, &mut piece)?;
        all.extend_from_slice(piece.get(..len).unwrap_or_default());
        if len == 0 {
            return Ok(all);
        }
    }
}

/// The numbers of all living processes.
///
/// # Errors
///
/// As for [`info`].
pub fn processes() -> Result<Vec<u64>> {
    let mut all = Vec::new();
    loop {
        let more = info_words(fact::PROCESSES, u64::try_from(all.len()).unwrap_or(u64::MAX))?;
        if more.is_empty() {
            return Ok(all);
        }
        all.extend(more);
    }
}

/// A process by its number.
///
/// # Errors
///
/// As for [`info`].
pub fn process(pid: u64) -> Result<ProcessInfo> {
    let words = info_words(fact::PROCESS, pid)?;
    let [pid, parent, group, uid, gid, state, threads, pages, cpu_ns, priority, handles, ..] =
        words[..]
    else {
        return Err(Error::new(EIO));
    };
    let state = u32::try_from(state).ok().and_then(char::from_u32).unwrap_or('?');
    Ok(ProcessInfo {
        pid,
        parent,
        group,
        uid,
        gid,
        state,
        threads,
        pages,
        cpu_ns,
        priority,
        handles,
    })
}

/// The name of a process: the path of its program.
///
/// # Errors
///
/// As for [`info`].
pub fn process_name(pid: u64) -> Result<String> {
    let mut name = [0; 256];
    let len = info(fact::NAME, pid, &mut name)?;
    Ok(String::from_utf8_lossy(name.get(..len).unwrap_or_default()).into_owned())
}

/// Starts the machine again.
///
/// # Errors
///
/// `EPERM`: this is not root; `EIO`: the machine cannot do it.
pub fn reboot() -> Result<()> {
    // SAFETY: no address is passed.
    unsafe { raw(SYS_REBOOT, [0; 5]) }.map(drop)
}
