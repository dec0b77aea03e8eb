//! `rm` and `rmdir`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path};

use super::Outcome;
use super::call::Call;

pub(super) fn rm(call: &mut Call<'_>) -> Outcome {
    let options = call.options("rRf")?;
    let force = options.has('f');
    if options.operands.is_empty() && !force {
        call.options_and_operands("rRf")?;
    }
    for path in options.operands.iter().map(Path::new) {
        if !matches!(path.components().next_back(), Some(Component::Normal(_))) {
            call.complain(format!("{}: this folder is not removed", path.display()));
            continue;
        }
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(error) if force && error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                call.complain_of(path, &error);
                continue;
            }
        };
        let removed = if !found.is_dir() {
            fs::remove_file(path)
        } else if options.has('r') || options.has('R') {
            fs::remove_dir_all(path)
        } else {
            call.complain(format!("{}: is a folder (use -r)", path.display()));
            continue;
        };
        if let Err(error) = removed {
            call.complain_of(path, &error);
        }
    }
    Ok(0)
}

pub(super) fn rmdir(call: &mut Call<'_>) -> Outcome {
    let options = call.options_and_operands("")?;
    for path in &options.operands {
        if let Err(error) = fs::remove_dir(path) {
            call.complain_of(path, &error);
        }
    }
    Ok(0)
}
