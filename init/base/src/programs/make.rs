//! `mkdir`, `ln`, `touch`: new names in folders.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Outcome;
use super::call::Call;
use crate::failure::Failure;

pub(super) fn mkdir(call: &mut Call<'_>) -> Outcome {
    let options = call.options_and_operands("p")?;
    for path in &options.operands {
        let made = if options.has('p') { fs::create_dir_all(path) } else { fs::create_dir(path) };
        if let Err(error) = made {
            call.complain_of(path, &error);
        }
    }
    Ok(0)
}

pub(super) fn ln(call: &mut Call<'_>) -> Outcome {
    let options = call.options_and_operands("sf")?;
    let (target, link) = match options.operands.as_slice() {
        [target] => (target, OsString::from(".")),
        [target, link] => (target, link.clone()),
        _ => return Err(Failure::Usage("one target and one link can be named".to_owned())),
    };
    let mut link = PathBuf::from(link);
    if fs::metadata(&link).is_ok_and(|found| found.is_dir()) {
        link.push(Path::new(target).file_name().unwrap_or_default());
    }
    if options.has('f') {
        match fs::remove_file(&link) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Failure::path(&link, &error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    let made = if options.has('s') { symlink(target, &link) } else { fs::hard_link(target, &link) };
    made.map_err(|error| Failure::path(&link, &error))?;
    Ok(0)
}

pub(super) fn touch(call: &mut Call<'_>) -> Outcome {
    let options = call.options_and_operands("c")?;
    for path in &options.operands {
        let create = !options.has('c');
        let touched = OpenOptions::new().create(create).append(true).open(path).and_then(renew);
        match touched {
            Err(error) if !create && error.kind() == ErrorKind::NotFound => {}
            Err(error) => call.complain_of(path, &error),
            Ok(()) => {}
        }
    }
    Ok(0)
}

/// Makes a file as new as now.
fn renew(file: fs::File) -> io::Result<()> {
    match file.set_modified(SystemTime::now()) {
        // std cannot set times on every system; a change of the length to what it is does it.
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            let length = file.metadata()?.len();
            file.set_len(length)
        }
        other => other,
    }
}
