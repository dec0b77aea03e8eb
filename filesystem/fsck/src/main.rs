//! `fsck [--content] FILE`: checks the volume in an image, a partition or a disk.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::process::ExitCode;

use anode_fs::fsck::Depth;
use fsck::{Verdict, open, verdict};
use mkfs::Failed;

const USAGE: &str = "fsck [--content] FILE
Checks the volume in FILE: an image, a partition (disk:0p4) or a disk with one. Writes nothing.
  --content  read and check the content of all files too
Status: 0 all is well, 1 something was found, 2 it could not be checked";

/// Bytes between two lines of progress.
const STEP: u64 = 256 << 20;

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let before = words.len();
    words.retain(|word| word != "--content");
    let depth = if words.len() < before { Depth::Content } else { Depth::Structure };
    let [path] = words.as_slice() else {
        eprintln!("fsck: name one file\n{USAGE}");
        return ExitCode::from(2);
    };
    if path.starts_with('-') {
        eprintln!("fsck: there is no option {path}\n{USAGE}");
        return ExitCode::from(2);
    }
    match examine(path, depth) {
        Err(failed) => {
            eprintln!("fsck: {failed}");
            ExitCode::from(2)
        }
        Ok(verdict) => tell(path, &verdict),
    }
}

fn examine(path: &str, depth: Depth) -> Result<Verdict, Failed> {
    let next = Cell::new(STEP);
    let told = |bytes: u64| {
        if bytes >= next.get() {
            eprintln!("fsck: {path}: {} MiB read", bytes >> 20);
            next.set(bytes.saturating_add(STEP));
        }
    };
    verdict(open(path)?, depth, told).map_err(|error| Failed::new(path, error))
}

fn tell(path: &str, verdict: &Verdict) -> ExitCode {
    for sentence in verdict.sentences() {
        println!("{path}: {sentence}");
    }
    let (files, blocks) = (verdict.report.files, verdict.report.blocks);
    if verdict.is_clean() {
        println!("{path}: clean, {files} files, {blocks} blocks in use");
        ExitCode::SUCCESS
    } else {
        let count = verdict.sentences().count();
        println!("{path}: {count} findings, {files} files, {blocks} blocks in use");
        ExitCode::FAILURE
    }
}
