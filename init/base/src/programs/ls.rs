//! `ls`: what is in a folder.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, IsTerminal};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Outcome;
use super::call::{Call, Options};
use super::date::Moment;
use crate::failure::Failure;
use crate::system::{self, User};

/// The width that columns on a terminal fill.
const WIDTH: usize = 80;

pub(super) fn ls(call: &mut Call<'_>) -> Outcome {
    let options = call.options("1adl")?;
    let here = [OsString::from(".")];
    let paths = if options.operands.is_empty() { &here } else { options.operands.as_slice() };
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for path in paths {
        // A link that is named leads to what it stands for, unless asked about itself.
        let found = if options.has('l') || options.has('d') {
            fs::symlink_metadata(path)
        } else {
            fs::metadata(path).or_else(|_| fs::symlink_metadata(path))
        };
        match found {
            Ok(found) if found.is_dir() && !options.has('d') => folders.push(PathBuf::from(path)),
            Ok(_) => files.push(path.clone()),
            Err(error) => call.complain_of(path, &error),
        }
    }
    show(call, &options, Path::new(""), &files)?;
    let headings = paths.len() > 1;
    for (index, folder) in folders.iter().enumerate() {
        if headings {
            let gap = if index > 0 || !files.is_empty() { "\n" } else { "" };
            writeln!(call.out, "{gap}{}:", folder.display())?;
        }
        let names = names(call, &options, folder);
        show(call, &options, folder, &names)?;
    }
    Ok(0)
}

fn names(call: &mut Call<'_>, options: &Options, folder: &Path) -> Vec<OsString> {
    let mut names = Vec::new();
    if options.has('a') {
        names.extend([OsString::from("."), OsString::from("..")]);
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            call.complain_of(folder, &error);
            return names;
        }
    };
    for entry in entries {
        match entry {
            Ok(entry) => names.push(entry.file_name()),
            Err(error) => {
                call.complain_of(folder, &error);
                break;
            }
        }
    }
    names.retain(|name| options.has('a') || !name.to_string_lossy().starts_with('.'));
    names.sort();
    names
}

fn show(
    call: &mut Call<'_>,
    options: &Options,
    folder: &Path,
    names: &[OsString],
) -> Result<(), Failure> {
    if options.has('l') {
        return long(call, folder, names);
    }
    let texts: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let widest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let cell = widest.saturating_add(2);
    let columns = if options.has('1') || !io::stdout().is_terminal() {
        1
    } else {
        WIDTH.checked_div(cell).unwrap_or(1).max(1)
    };
    let rows = texts.len().div_ceil(columns);
    for row in 0..rows {
        // Names go down the columns.
        let line: String =
            texts.iter().skip(row).step_by(rows).map(|text| format!("{text:cell$}")).collect();
        writeln!(
            call.out,
            "{}",
            if columns == 1 { texts.get(row).map_or("", |t| t) } else { line.trim_end() }
        )?;
    }
    Ok(())
}

fn long(call: &mut Call<'_>, folder: &Path, names: &[OsString]) -> Result<(), Failure> {
    let users = system::all_users();
    let mut rows = Vec::new();
    for name in names {
        let path = folder.join(name);
        // Some names cannot be asked about, as those of schemes that we may not open.
        let found = fs::symlink_metadata(&path).ok();
        rows.push(row(&path, &name.to_string_lossy(), found.as_ref(), &users));
    }
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|text| text.chars().count())
            .max()
            .unwrap_or(0)
    };
    let (links, owner, group, size) = (width(1), width(2), width(3), width(4));
    for row in &rows {
        let [mode, link, user, of, bytes, time, name] = row;
        writeln!(
            call.out,
            "{mode} {link:>links$} {user:owner$} {of:group$} {bytes:>size$} {time} {name}"
        )?;
    }
    Ok(())
}

/// The columns of a long line.
fn row(path: &Path, name: &str, found: Option<&Metadata>, users: &[User]) -> [String; 7] {
    let Some(found) = found else {
        let unknown = || "?".to_owned();
        let time = "?".repeat(16);
        return ["?".repeat(10), unknown(), unknown(), unknown(), unknown(), time, name.to_owned()];
    };
    let name = match fs::read_link(path) {
        Ok(target) if found.is_symlink() => format!("{name} -> {}", target.display()),
        Ok(_) | Err(_) => name.to_owned(),
    };
    [
        mode(found),
        found.nlink().to_string(),
        system::user_name(users, found.uid()),
        found.gid().to_string(),
        found.len().to_string(),
        Moment::from_seconds(found.mtime()).format("%Y-%m-%d %H:%M"),
        name,
    ]
}

fn mode(found: &Metadata) -> String {
    let kind = found.file_type();
    let first = if kind.is_dir() {
        'd'
    } else if kind.is_symlink() {
        'l'
    } else if kind.is_char_device() {
        'c'
    } else if kind.is_block_device() {
        'b'
    } else if kind.is_fifo() {
        'p'
    } else if kind.is_socket() {
        's'
    } else {
        '-'
    };
    let bits = found.mode();
    let right = |(index, letter): (u32, char)| {
        if bits & (0o400_u32 >> index) == 0 { '-' } else { letter }
    };
    std::iter::once(first).chain((0..9).zip("rwxrwxrwx".chars()).map(right)).collect()
}
