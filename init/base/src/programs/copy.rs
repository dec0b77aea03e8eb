//! `cp` and `mv`.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::Outcome;
use super::call::{BLOCK, Call, Options, fill};
use crate::failure::Failure;

/// Whether folders are copied too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Folders {
    Copy,
    Refuse,
}

pub(super) fn cp(call: &mut Call<'_>) -> Outcome {
    let options = call.options("rRf")?;
    let folders =
        if options.has('r') || options.has('R') { Folders::Copy } else { Folders::Refuse };
    each(call, &options, |from, to| copy(from, to, folders))
}

pub(super) fn mv(call: &mut Call<'_>) -> Outcome {
    let options = call.options("f")?;
    each(call, &options, rename)
}

/// Calls `act` for each pair of paths that the operands mean.
fn each(
    call: &mut Call<'_>,
    options: &Options,
    act: impl Fn(&Path, &Path) -> Result<(), Failure>,
) -> Outcome {
    let Some((to, from)) = options.operands.split_last().filter(|(_, from)| !from.is_empty())
    else {
        return Err(Failure::Usage("two paths at least are needed".to_owned()));
    };
    let into = fs::metadata(to).is_ok_and(|found| found.is_dir());
    if from.len() > 1 && !into {
        return Err(Failure::Message(format!("{}: Not a directory", to.display())));
    }
    for path in from {
        let done = if into {
            inside(to, path).and_then(|to| act(Path::new(path), &to))
        } else {
            act(Path::new(path), Path::new(to))
        };
        match done {
            Err(Failure::Message(message)) => call.complain(message),
            other => other?,
        }
    }
    Ok(0)
}

/// Where a path goes in a folder: under its own name there.
fn inside(folder: &OsString, path: &OsString) -> Result<PathBuf, Failure> {
    let name = match Path::new(path).file_name() {
        Some(name) => name.to_owned(),
        // `..` and the like have a name only when they are resolved.
        None => fs::canonicalize(path)
            .map_err(|error| Failure::path(path, &error))?
            .file_name()
            .map(ToOwned::to_owned)
            .unwrap_or_default(),
    };
    Ok(Path::new(folder).join(name))
}

fn copy(from: &Path, to: &Path, folders: Folders) -> Result<(), Failure> {
    let found = match folders {
        Folders::Copy => fs::symlink_metadata(from),
        Folders::Refuse => fs::metadata(from),
    };
    let found = found.map_err(|error| Failure::path(from, &error))?;
    if let Ok(target) = fs::metadata(to) {
        refuse_same(from, to, &found, &target)?;
    }
    if found.is_dir() {
        if folders == Folders::Refuse {
            return Err(Failure::Message(format!("{}: is a folder (use -r)", from.display())));
        }
        refuse_inside(from, to)?;
        return tree(from, to);
    }
    leaf(from, to, &found)
}

/// Copies anything but a folder.
fn leaf(from: &Path, to: &Path, found: &Metadata) -> Result<(), Failure> {
    if found.is_symlink() {
        let target = fs::read_link(from).map_err(|error| Failure::path(from, &error))?;
        return symlink(target, to).map_err(|error| Failure::path(to, &error));
    }
    let mut input = File::open(from).map_err(|error| Failure::path(from, &error))?;
    let mut output = File::create(to).map_err(|error| Failure::path(to, &error))?;
    let mut block = vec![0; BLOCK];
    loop {
        let read = fill(&mut input, &mut block, &from.to_string_lossy())?;
        if read == 0 {
            break;
        }
        let bytes = block.get(..read).unwrap_or_default();
        output.write_all(bytes).map_err(|error| Failure::path(to, &error))?;
    }
    let is_file = output.metadata().is_ok_and(|made| made.is_file());
    if found.is_file() && is_file {
        let set = fs::set_permissions(to, found.permissions());
        set.map_err(|error| Failure::path(to, &error))?;
    }
    Ok(())
}

/// Copies a folder and all below it; no recursion, so depth costs no stack.
fn tree(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut pending = vec![(from.to_path_buf(), to.to_path_buf())];
    while let Some((from, to)) = pending.pop() {
        match fs::create_dir(&to) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Failure::path(&to, &error));
            }
            Ok(()) | Err(_) => {}
        }
        for entry in fs::read_dir(&from).map_err(|error| Failure::path(&from, &error))? {
            let entry = entry.map_err(|error| Failure::path(&from, &error))?;
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            let found =
                fs::symlink_metadata(&path).map_err(|error| Failure::path(&path, &error))?;
            if found.is_dir() {
                pending.push((path, target));
            } else {
                leaf(&path, &target, &found)?;
            }
        }
    }
    Ok(())
}

fn refuse_same(from: &Path, to: &Path, one: &Metadata, other: &Metadata) -> Result<(), Failure> {
    // Schemes may leave both numbers 0: then nothing is known to be the same.
    let known = one.ino() != 0;
    if known && (one.dev(), one.ino()) == (other.dev(), other.ino()) {
        let message = format!("{} and {} are the same file", from.display(), to.display());
        return Err(Failure::Message(message));
    }
    Ok(())
}

/// A folder cannot go into itself.
fn refuse_inside(from: &Path, to: &Path) -> Result<(), Failure> {
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if let (Ok(from_path), Ok(parent)) = (fs::canonicalize(from), fs::canonicalize(parent))
        && parent.starts_with(&from_path)
    {
        let message = format!("{}: cannot go into itself, {}", from.display(), to.display());
        return Err(Failure::Message(message));
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    let found = fs::symlink_metadata(from).map_err(|error| Failure::path(from, &error))?;
    if let Ok(target) = fs::symlink_metadata(to) {
        refuse_same(from, to, &found, &target)?;
    }
    match fs::rename(from, to) {
        Ok(()) => Ok(()),
        // Between two filesystems a move is a copy whose original is then removed.
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            copy(from, to, Folders::Copy)?;
            remove(from, &found).map_err(|error| Failure::path(from, &error))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::path(to, &error)),
        Err(error) => Err(Failure::path(from, &error)),
    }
}

fn remove(path: &Path, found: &Metadata) -> io::Result<()> {
    if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
