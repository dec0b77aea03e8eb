//! `mkfs [--populate DIR] [--force] FILE`: makes a volume of Anode in an image or a partition.
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "a program's stack has megabytes")]

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anode_fs::device::Access;
use anode_fs::error::Error;
use anode_fs::executor::block_on;
use anode_fs::{Format, Mode};
use mkfs::{Disk, Failed, Filler, make, populate};

const USAGE: &str = "mkfs [--populate DIR] [--force] FILE
Makes a volume of Anode in FILE, an image or a partition (disk:0p4); all that is in it is lost.
  --populate DIR  copy what is in DIR into it
  --force         even if there is something in it";

/// Bytes between two lines of progress.
const STEP: u64 = 64 << 20;

/// What is to be done.
#[derive(Debug, Default)]
struct Order {
    file: String,
    populate: Option<PathBuf>,
    force: bool,
}

fn main() -> ExitCode {
    let order = match read(std::env::args().skip(1)) {
        Ok(order) => order,
        Err(sentence) => {
            eprintln!("mkfs: {sentence}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&order) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("mkfs: {failed}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the command line.
fn read(words: impl Iterator<Item = String>) -> Result<Order, String> {
    let (mut words, mut order) = (words, Order::default());
    while let Some(word) = words.next() {
        match word.as_str() {
            "--force" => order.force = true,
            "--populate" => {
                let folder = words.next().ok_or("--populate needs a directory")?;
                order.populate = Some(folder.into());
            }
            other if other.starts_with('-') => return Err(format!("there is no option {other}")),
            _ if order.file.is_empty() => order.file = word,
            other => return Err(format!("one file is enough; {other} is another")),
        }
    }
    if order.file.is_empty() { Err("name a file".to_owned()) } else { Ok(order) }
}

fn run(order: &Order) -> Result<(), Failed> {
    let system = |error: &io::Error| Failed::system(&order.file, error);
    let mut file =
        File::options().read(true).write(true).open(&order.file).map_err(|e| system(&e))?;
    if !order.force {
        refuse_used(&mut file, &order.file)?;
    }
    let disk = Disk::whole(file, Access::ReadWrite).map_err(|error| system(&error))?;
    let here = |failed: Failed| match failed.at.as_str() {
        "the device" => Failed { at: order.file.clone(), ..failed },
        _ => failed,
    };
    let mut filler = make(disk, &new_volume().map_err(|error| system(&error))?).map_err(here)?;
    if let Some(folder) = &order.populate {
        let mut next = STEP;
        let mut told = |filler: &Filler<Disk<File>>| {
            let (files, bytes) = filler.done();
            if bytes >= next {
                eprintln!("mkfs: {files} files, {} MiB", bytes >> 20);
                next = bytes.saturating_add(STEP);
            }
        };
        populate(&mut filler, folder, &mut told).map_err(here)?;
    }
    let (files, bytes) = filler.done();
    filler.finish().map_err(here)?;
    println!("{}: a new volume, {files} files, {bytes} bytes", order.file);
    Ok(())
}

/// Refuses a file in which there is something already.
fn refuse_used(file: &mut File, name: &str) -> Result<(), Failed> {
    let system = |error: &io::Error| Failed::system(name, error);
    let used = |what: &str| {
        Err(Failed {
            at: name.to_owned(),
            why: format!("there is {what} in it; --force overwrites"),
        })
    };
    let copy = file.try_clone().map_err(|error| system(&error))?;
    let disk = Disk::whole(copy, Access::ReadOnly).map_err(|error| system(&error))?;
    match block_on(anode_fs::mount(disk, Mode::Read), || {}) {
        Ok(_) | Err(Error::Newer | Error::Corrupt(_)) => return used("a volume of Anode"),
        Err(_) => {}
    }
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(|error| system(&error))?;
    file.take(2048).read_to_end(&mut start).map_err(|error| system(&error))?;
    let boot = start.get(510..512) == Some(&[0x55, 0xaa]);
    let table = start.get(512..520) == Some(b"EFI PART");
    let ext = start.get(1080..1082) == Some(&[0x53, 0xef]);
    if boot || table || ext { used("a partition table or another filesystem") } else { Ok(()) }
}

/// A volume like no other, made now.
fn new_volume() -> io::Result<Format> {
    let (mut uuid, mut secret) = ([0; 16], [0; 16]);
    let mut random = File::open("/dev/urandom")?;
    random.read_exact(&mut uuid)?;
    random.read_exact(&mut secret)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    Ok(Format { uuid, secret, mode: 0o755, time })
}

#[cfg(test)]
mod tests {
    use super::read;

    fn order(words: &str) -> Result<super::Order, String> {
        read(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_command_line_names_one_file_and_known_options() {
        let good = order("--populate here disk:0p4 --force").unwrap();
        assert_eq!((good.file.as_str(), good.force), ("disk:0p4", true));
        assert_eq!(good.populate.as_deref(), Some("here".as_ref()));
        for bad in ["", "a b", "--populate", "--colour a"] {
            assert!(order(bad).is_err(), "{bad}");
        }
    }
}
