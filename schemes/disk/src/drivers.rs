//! What is asked of the drivers, and of init about them.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anode_scheme::sys;
use redox::error::{EIO, Error, Result};

use crate::FAMILIES;

/// The drivers. A family is its place in [`FAMILIES`].
pub(crate) trait Drivers {
    /// The names that a driver serves: `0`, `0p1`, … None if this machine has no device for
    /// it, or it does not run.
    ///
    /// # Errors
    ///
    /// What listing answers.
    fn list(&mut self, family: usize) -> Result<Vec<String>>;

    /// Opens one of its names.
    ///
    /// # Errors
    ///
    /// What the driver answers.
    fn open(&mut self, family: usize, name: &str, flags: usize) -> Result<OwnedFd>;
}

/// States of a service in which nobody serves its scheme, and none will by itself.
const ABSENT: [&str; 4] = ["no-device", "stopped", "ended", "failed"];
/// States in which it is not known yet whether somebody will: one that fails again and again
/// must not be waited for in the kernel, where nobody would ever answer.
const STARTING: [&str; 2] = ["starting", "waiting"];
/// How often such a service is asked about, and how many times.
const PAUSE: Duration = Duration::from_millis(5);
const TRIES: u32 = 2000;

/// The real ones.
#[derive(Debug)]
pub(crate) struct Real;

impl Drivers for Real {
    fn list(&mut self, family: usize) -> Result<Vec<String>> {
        let name = name(family)?;
        if !serves(name) {
            return Ok(Vec::new());
        }
        let failed = |error: std::io::Error| Error::new(error.raw_os_error().unwrap_or(EIO));
        let entries = std::fs::read_dir(format!("/scheme/{name}")).map_err(failed)?;
        entries
            .map(|entry| {
                entry.map_err(failed)?.file_name().into_string().map_err(|_| Error::new(EIO))
            })
            .collect()
    }

    fn open(&mut self, family: usize, disk: &str, flags: usize) -> Result<OwnedFd> {
        sys::open(&format!("{}:{disk}", name(family)?), flags)
    }
}

fn name(family: usize) -> Result<&'static str> {
    FAMILIES.get(family).copied().ok_or(Error::new(EIO))
}

/// Whether a driver serves, or will.
fn serves(name: &str) -> bool {
    for _ in 0..TRIES {
        // Without a word from init, the driver is asked itself.
        let row = std::fs::read_to_string(format!("/scheme/svc/{name}")).unwrap_or_default();
        match row.split_whitespace().nth(1) {
            Some(state) if STARTING.contains(&state) => std::thread::sleep(PAUSE),
            Some(state) => return !ABSENT.contains(&state),
            None => return true,
        }
    }
    false
}
