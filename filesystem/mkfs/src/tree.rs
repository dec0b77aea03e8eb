//! Copying a directory of the running system into a new volume.

use std::fs::{self, DirEntry};
use std::path::Path;

use anode_fs::device::BlockDevice;

use crate::fill::Filler;
use crate::sentence::Failed;

/// Puts all that is below `folder` into the volume: directories, files, symbolic links and their
/// permissions. `told` hears of the progress after each file.
///
/// # Errors
///
/// What could not be read or written, or is none of these.
pub fn populate<D: BlockDevice>(
    filler: &mut Filler<D>,
    folder: &Path,
    told: &mut impl FnMut(&Filler<D>),
) -> Result<(), Failed> {
    let mut todo = vec![(folder.to_owned(), String::new())];
    while let Some((folder, path)) = todo.pop() {
        let here = |error: std::io::Error| Failed::system(folder.display().to_string(), &error);
        let entries: Result<Vec<DirEntry>, _> = fs::read_dir(&folder).map_err(here)?.collect();
        let mut entries = entries.map_err(here)?;
        // The same directory gives the same volume.
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let path = inside(&path, &entry)?;
            if copy(filler, &entry, &path)? {
                todo.push((entry.path(), path));
            }
            told(filler);
        }
    }
    Ok(())
}

/// The path in the volume of what lies in the directory `path` there.
fn inside(path: &str, entry: &DirEntry) -> Result<String, Failed> {
    let name = entry.file_name();
    let name = name.to_str().ok_or_else(|| Failed {
        at: entry.path().display().to_string(),
        why: "its name is no UTF-8".to_owned(),
    })?;
    Ok(if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") })
}

/// Copies one entry; whether it is a directory, whose content is to follow.
fn copy<D: BlockDevice>(
    filler: &mut Filler<D>,
    entry: &DirEntry,
    path: &str,
) -> Result<bool, Failed> {
    let from = entry.path();
    let here = |error: std::io::Error| Failed::system(from.display().to_string(), &error);
    let data = fs::symlink_metadata(&from).map_err(here)?;
    if data.is_symlink() {
        let target = fs::read_link(&from).map_err(here)?;
        let target = target.to_str().ok_or_else(|| Failed {
            at: from.display().to_string(),
            why: "its target is no UTF-8".to_owned(),
        })?;
        filler.symlink(path, target)?;
    } else if data.is_dir() {
        filler.directory(path, permissions(&data))?;
    } else if data.is_file() {
        filler.file(path, permissions(&data), &fs::read(&from).map_err(here)?)?;
    } else {
        let why = "it is neither file, directory nor symbolic link".to_owned();
        return Err(Failed { at: from.display().to_string(), why });
    }
    Ok(data.is_dir())
}

fn permissions(data: &fs::Metadata) -> u16 {
    use std::os::unix::fs::PermissionsExt;
    u16::try_from(data.permissions().mode() & 0o7777).unwrap_or(0o644)
}
