//! File operations that fail with a sentence.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::failure::{Failure, Result};

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Failure::file("read", path, &error))
}

/// Reads a whole file of text.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))
}

/// Makes a directory and those above it.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Failure::file("make the directory", path, &error))
}

/// Writes a whole file by way of a temporary one, so that an interrupted run leaves no half file.
pub(crate) fn write(path: &Path, data: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    let written = fs::write(&temporary, data).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        // The first error is the one to tell; a leftover does no harm.
        drop(fs::remove_file(&temporary));
        Failure::file("write", path, &error)
    })
}

/// Writes a file only if that changes it, so that its time tells when it last changed.
pub(crate) fn update(path: &Path, data: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == data) { Ok(()) } else { write(path, data) }
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::file("remove", path, &error))
        }
        _ => Ok(()),
    }
}

/// What lies in a directory, sorted by name; nothing if there is no such directory.
pub(crate) fn list(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| Failure::file("list", path, &error))?,
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(|error| Failure::file("list", path, &error))?;
    paths.sort();
    Ok(paths)
}

/// When a file last changed; `None` if there is none.
pub(crate) fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// Whether `output` exists and no input is newer.
pub(crate) fn is_fresh<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> bool {
    changed(output).is_some_and(|made| {
        inputs.into_iter().all(|input| changed(input).is_some_and(|input| input <= made))
    })
}

/// The last component of a path, as text.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
