//! The kernel, as this daemon asks it; tests put another one in its place.

use anode_abi::info::id;
use anode_scheme::sys::{self, ProcessInfo};
use redox::error::{ESRCH, Error, Result};

/// Who knows the facts. What each method means and answers is said at the functions of
/// [`anode_scheme::sys`] of the same name.
pub(crate) trait Kernel {
    fn info_words(&self, kind: usize) -> Result<Vec<u64>>;
    fn info_bytes(&self, kind: usize) -> Result<Vec<u8>>;
    fn processes(&self) -> Result<Vec<u64>>;
    fn process(&self, pid: u64) -> Result<ProcessInfo>;
    fn process_name(&self, pid: u64) -> Result<String>;
    fn kill(&self, pid: u64, signal: usize) -> Result<()>;
    fn reboot(&self) -> Result<()>;
    fn cpus(&self) -> Result<usize>;
    fn monotonic(&self) -> u64;
    fn wall_time(&self) -> u64;
}

/// The real one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Real;

impl Kernel for Real {
    fn info_words(&self, kind: usize) -> Result<Vec<u64>> {
        sys::info_words(kind, 0)
    }

    fn info_bytes(&self, kind: usize) -> Result<Vec<u8>> {
        sys::info_bytes(kind)
    }

    fn processes(&self) -> Result<Vec<u64>> {
        sys::processes()
    }

    fn process(&self, pid: u64) -> Result<ProcessInfo> {
        sys::process(pid)
    }

    fn process_name(&self, pid: u64) -> Result<String> {
        sys::process_name(pid)
    }

    fn kill(&self, pid: u64, signal: usize) -> Result<()> {
        let pid = isize::try_from(pid).map_err(|_wide| Error::new(ESRCH))?;
        sys::kill(pid, signal)
    }

    fn reboot(&self) -> Result<()> {
        sys::reboot()
    }

    fn cpus(&self) -> Result<usize> {
        sys::get_id(id::CPUS, 0)
    }

    fn monotonic(&self) -> u64 {
        sys::monotonic()
    }

    fn wall_time(&self) -> u64 {
        sys::wall_time()
    }
}
