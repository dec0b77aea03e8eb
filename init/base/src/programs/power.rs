//! `poweroff`, `reboot`, `sync`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::Outcome;
use super::call::Call;
use crate::failure::{Failure, reason};
use crate::system;

pub(super) fn poweroff(call: &mut Call<'_>) -> Outcome {
    end(call, "poweroff")
}

pub(super) fn reboot(call: &mut Call<'_>) -> Outcome {
    end(call, "reboot")
}

fn end(call: &mut Call<'_>, word: &str) -> Outcome {
    call.options_only("f")?;
    flush(call);
    // `acpi:` can do both; the kernel itself, without it, at least one.
    let places = [system::scheme("acpi/power"), system::scheme("sys/power")];
    let mut reasons = Vec::new();
    for place in &places {
        match write(place, word) {
            Ok(()) => return Ok(0),
            Err(error) => reasons.push(format!("{}: {}", place.display(), reason(&error))),
        }
    }
    Err(Failure::Message(reasons.join("; ")))
}

fn write(place: &Path, word: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(place)?.write_all(word.as_bytes())
}

pub(super) fn sync(call: &mut Call<'_>) -> Outcome {
    let options = call.options("")?;
    for path in &options.operands {
        if let Err(error) = File::open(path).and_then(|file| file.sync_all()) {
            call.complain_of(path, &error);
        }
    }
    if options.operands.is_empty() {
        flush(call);
    }
    Ok(0)
}

/// Makes the filesystem and then all disks keep what they were given.
fn flush(call: &mut Call<'_>) {
    let disks = system::scheme("disk");
    let names = fs::read_dir(&disks).into_iter().flatten();
    let disks = names.filter_map(|entry| Some(entry.ok()?.path()));
    for path in [PathBuf::from("/")].into_iter().chain(disks) {
        match File::open(&path).and_then(|file| file.sync_all()) {
            // What cannot be flushed keeps nothing back.
            Err(error)
                if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {}
            Err(error) => call.complain_of(&path, &error),
            Ok(()) => {}
        }
    }
}
