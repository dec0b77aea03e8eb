//! `find` and `du`: all that lies below a folder.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Outcome;
use super::call::Call;
use crate::failure::Failure;
use crate::sh::pattern;

/// `st_blocks` counts these, whatever the scheme's own blocks are.
const BLOCK: u64 = 512;

/// Names in a folder, in order; what cannot be read is complained of.
fn names(call: &mut Call<'_>, folder: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            call.complain_of(folder, &error);
            return Vec::new();
        }
    };
    let mut paths = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => paths.push(entry.path()),
            Err(error) => call.complain_of(folder, &error),
        }
    }
    paths.sort();
    paths
}

fn kind(text: &str) -> Result<char, Failure> {
    match text {
        "f" => Ok('f'),
        "d" => Ok('d'),
        "l" => Ok('l'),
        _ => Err(Failure::Usage(format!("-type {text}: there are f, d and l"))),
    }
}

/// What `find` shows.
#[derive(Default)]
struct Wanted {
    name: Option<Vec<pattern::Unit>>,
    kind: Option<char>,
}

impl Wanted {
    fn parse(words: &[OsString]) -> Result<Self, Failure> {
        let mut wanted = Self::default();
        let mut words = words.iter().map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            let missing = || Failure::Usage(format!("{word}: a value is missing"));
            match &*word {
                "-name" => {
                    let text = words.next().ok_or_else(missing)?;
                    wanted.name = Some(pattern::bare(&text).collect());
                }
                "-type" => {
                    let text = words.next().ok_or_else(missing)?;
                    wanted.kind = Some(kind(&text)?);
                }
                "-print" => {}
                _ => return Err(Failure::Usage(format!("{word}: not known to this find"))),
            }
        }
        Ok(wanted)
    }

    fn covers(&self, path: &Path, found: &Metadata) -> bool {
        let name = path.file_name().map_or(path.as_os_str(), |name| name);
        let named = |units: &Vec<_>| pattern::matches(units, &name.to_string_lossy());
        let kind = |kind: char| match kind {
            'd' => found.is_dir(),
            'l' => found.is_symlink(),
            _ => found.is_file(),
        };
        self.name.as_ref().is_none_or(named) && self.kind.is_none_or(kind)
    }
}

pub(super) fn find(call: &mut Call<'_>) -> Outcome {
    let is_test = |word: &OsString| word.as_bytes().starts_with(b"-");
    let first = call.arguments.iter().position(is_test).unwrap_or(call.arguments.len());
    let (paths, tests) = call.arguments.split_at(first);
    let wanted = Wanted::parse(tests)?;
    let here = [OsString::from(".")];
    let mut rest: Vec<PathBuf> =
        if paths.is_empty() { &here } else { paths }.iter().rev().map(PathBuf::from).collect();
    while let Some(path) = rest.pop() {
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) => {
                call.complain_of(&path, &error);
                continue;
            }
        };
        if wanted.covers(&path, &found) {
            call.out.write_all(path.as_os_str().as_bytes())?;
            call.out.write_all(b"\n")?;
        }
        if found.is_dir() {
            rest.extend(names(call, &path).into_iter().rev());
        }
    }
    Ok(0)
}

pub(super) fn du(call: &mut Call<'_>) -> Outcome {
    let options = call.options("ahks")?;
    let here = [OsString::from(".")];
    let paths = if options.operands.is_empty() { &here } else { options.operands.as_slice() };
    let show = if options.has('h') { super::system::human } else { super::system::kibibytes };
    for path in paths {
        let mut all = below(call, Path::new(path));
        while let Some(Entry { path, above, found, bytes }) = all.pop() {
            if let Some(above) = above.and_then(|above| all.get_mut(above)) {
                above.bytes = above.bytes.saturating_add(bytes);
            }
            if above.is_none() || (!options.has('s') && (found.is_dir() || options.has('a'))) {
                writeln!(call.out, "{}\t{}", show(bytes), path.display())?;
            }
        }
    }
    Ok(0)
}

/// Something below a folder.
struct Entry {
    path: PathBuf,
    /// The index of the folder that it is in.
    above: Option<usize>,
    found: Metadata,
    /// What it takes, at first without what is in it.
    bytes: u64,
}

/// A path and all below it: folders before what is in them, so that sums are made from the end.
fn below(call: &mut Call<'_>, path: &Path) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    let mut rest = vec![(path.to_owned(), None)];
    while let Some((path, above)) = rest.pop() {
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) => {
                call.complain_of(&path, &error);
                continue;
            }
        };
        if found.is_dir() {
            let own = Some(all.len());
            rest.extend(names(call, &path).into_iter().rev().map(|path| (path, own)));
        }
        let bytes = found.blocks().saturating_mul(BLOCK);
        all.push(Entry { path, above, found, bytes });
    }
    all
}
