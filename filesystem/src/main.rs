//! `file:`: the volume in a partition of `disk:`, or what is in initfs where there is none.
//!
//! ```text
//!  clients ─▶ serve (the scheme) ─▶ files, open, names, walk, rights ─▶ anode-fs
//!                 └─ cache: content, from which the kernel copies            │
//!                                              disk: ◀─ partition ◀─ device (threads)
//! ```
//!
//! What was changed is committed some seconds later, and made to last at once by `fsync`. After a
//! kill the volume is as it was at some moment behind the last `fsync`.
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "a program's stack has megabytes")]

mod cache;
mod content;
mod device;
mod files;
mod names;
mod open;
mod partition;
mod rights;
mod root;
mod serve;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod walk;

use std::fs::File;
use std::process::ExitCode;

use anode_fs::Mode;
use anode_fs::error::Error;
use anode_fs::executor::block_on;
use anode_scheme::sys;

use crate::cache::{BYTES, Cache};
use crate::device::{Device as _, Threads};
use crate::partition::Partition;
use crate::serve::Filed;

/// What is served.
enum Root {
    /// The volume.
    Disk(Box<Filed<Threads>>),
    /// Nothing on any disk; why, if there should have been something.
    Memory(Option<String>),
}

fn main() -> ExitCode {
    match mount() {
        Ok(Root::Disk(files)) => anode_scheme::serve("file", *files),
        Ok(Root::Memory(why)) => {
            let why = why.unwrap_or_else(|| "no disk has a volume of Anode".to_owned());
            eprintln!("filed: {why}: / is initfs, and what is written is lost at power-off");
            ramfs::serve()
        }
        Err(sentence) => {
            eprintln!("filed: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Mounts the volume. One that is damaged, foreign or newer is left alone: the system starts
/// without it, so that it can be looked at.
fn mount() -> Result<Root, String> {
    let Some(name) = root::find()? else { return Ok(Root::Memory(None)) };
    let at = |error: &dyn std::fmt::Display| format!("disk:{name}: {error}");
    let partition = Partition::open(&name).map_err(|error| at(&error))?;
    let facts = partition.facts();
    let device = Threads::new(partition, facts).map_err(|error| at(&error))?;
    let waiting = device.clone();
    let volume = match block_on(anode_fs::mount(device, Mode::Write), || waiting.wait()) {
        Ok(volume) => volume,
        Err(error @ Error::Device(_)) => return Err(at(&mkfs::sentence(error))),
        Err(error) => return Ok(Root::Memory(Some(at(&mkfs::sentence(error))))),
    };
    for fault in volume.passed_over() {
        let (what, block) = (mkfs::flaw(fault.flaw), fault.at);
        eprintln!("filed: disk:{name}: the newest state is lost: at block {block}, {what}");
    }
    let figures = volume.statistics();
    eprintln!("filed: / is disk:{name}, {} of {} blocks free", figures.free, figures.blocks);
    let pool = sys::memory(BYTES).map_err(|error| format!("no memory for a cache: {error}"))?;
    let names = std::env::var("ANODE_SCHEME_NAMES").unwrap_or_default();
    let schemes = names.split_ascii_whitespace().map(str::to_owned).collect();
    Ok(Root::Disk(Box::new(Filed::new(volume, Cache::new(File::from(pool)), schemes))))
}
