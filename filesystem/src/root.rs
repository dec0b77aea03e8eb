//! Finds the volume that is to be `/`: the first partition of its type, by the order of disks.

use std::fs::File;
use std::os::fd::OwnedFd;

use anode_block::Name;
use anode_scheme::sys;
use redox::flag::{O_RDONLY, O_STAT};

use crate::partition;

/// The name of the partition beneath `disk:`; none if no disk has one.
///
/// # Errors
///
/// A sentence: `disk:` does not answer.
pub(crate) fn find() -> Result<Option<String>, String> {
    let failed = |error: std::io::Error| format!("disk: {error}");
    let mut names = Vec::new();
    for entry in std::fs::read_dir("/scheme/disk").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.extend(name.to_str().and_then(Name::parse));
    }
    let disks = names.iter().filter(|name| name.partition.is_none());
    Ok(disks.filter_map(|disk| on_disk(*disk, &names)).next())
}

/// The partition of our type on a disk.
fn on_disk(disk: Name, names: &[Name]) -> Option<String> {
    let mut file = File::from(open(disk, O_RDONLY)?);
    let window = mkfs::partition(&mut file)?;
    let parts = names.iter().filter(|name| name.disk == disk.disk && name.partition.is_some());
    let starts_there = |name: &Name| {
        let file = open(*name, O_STAT).map(File::from);
        let facts = file.and_then(|file| partition::facts(&file).ok());
        facts.is_some_and(|facts| facts.offset == window.start)
    };
    parts.copied().find(starts_there).map(|name| name.to_string())
}

fn open(name: Name, flags: usize) -> Option<OwnedFd> {
    match sys::open(&format!("/scheme/disk/{name}"), flags) {
        Ok(handle) => Some(handle),
        Err(error) => {
            eprintln!("filed: disk:{name}: {error}");
            None
        }
    }
}
