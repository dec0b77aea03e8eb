//! A volume that was made is one that can be mounted, with what was put in.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use anode_fs::device::{Access, BlockDevice};
use anode_fs::executor::block_on;
use anode_fs::fsck::{Depth, check};
use anode_fs::{Format, Mode};

use crate::{Disk, Medium, make, populate};

const HOW: Format = Format { uuid: [1; 16], secret: [2; 16], mode: 0o755, time: 7 };
const MIB: usize = 1 << 20;

fn disk(bytes: usize) -> Disk<Cursor<Vec<u8>>> {
    Disk::whole(Cursor::new(vec![0; bytes]), Access::ReadWrite).unwrap()
}

/// The content of a file, by the names on its path.
fn content(disk: &impl BlockDevice, path: &str) -> Vec<u8> {
    let volume = block_on(anode_fs::mount(disk, Mode::Read), || {}).unwrap();
    let view = volume.view();
    let mut ino = 1;
    for name in path.split('/') {
        ino = block_on(view.lookup(ino, name.as_bytes()), || {}).unwrap().ino;
    }
    let size = usize::try_from(block_on(view.inode(ino), || {}).unwrap().size).unwrap();
    let mut bytes = vec![0; size];
    assert_eq!(block_on(view.read(ino, 0, &mut bytes), || {}), Ok(size));
    bytes
}

#[test]
fn what_was_put_in_is_there_and_the_volume_is_whole() {
    let long: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let mut filler = make(disk(32 * MIB), &HOW).unwrap();
    filler.file("bin/long", 0o755, &long).unwrap();
    filler.file("/etc/motd", 0o644, b"hello").unwrap();
    filler.directory("tmp", 0o1777).unwrap();
    filler.symlink("bin/sh", "long").unwrap();
    assert_eq!(
        filler.file("etc/motd", 0o644, b"").unwrap_err().to_string(),
        "etc/motd: it is there already"
    );
    let disk = filler.finish().unwrap();

    assert_eq!(content(&disk, "bin/long"), long);
    assert_eq!(content(&disk, "etc/motd"), b"hello");
    let report = block_on(check(&disk, Depth::Content), || {}).unwrap();
    assert_eq!((report.findings, report.files), (vec![], 7));
}

#[test]
fn the_same_files_are_the_same_bytes() {
    let image = || {
        let mut filler = make(disk(16 * MIB), &HOW).unwrap();
        filler.file("a/b", 0o600, &[7; 100_000]).unwrap();
        filler.finish().unwrap().into_medium().into_inner()
    };
    assert!(image() == image());
}

#[test]
fn a_folder_is_copied_with_its_permissions_and_links() {
    let folder = std::env::temp_dir().join(format!("mkfs-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    std::fs::write(folder.join("sub/file"), "text").unwrap();
    std::os::unix::fs::symlink("sub", folder.join("link")).unwrap();
    let mut filler = make(disk(16 * MIB), &HOW).unwrap();
    let mut told = 0;
    let copied = populate(&mut filler, &folder, &mut |_| told += 1);
    std::fs::remove_dir_all(&folder).unwrap();
    copied.unwrap();
    assert_eq!(told, 3);
    assert_eq!(content(&filler.finish().unwrap(), "sub/file"), b"text");
}

#[test]
fn a_device_that_is_too_small_full_or_gone_is_told_in_a_sentence() {
    let small = make(disk(15 * MIB), &HOW).unwrap_err().to_string();
    assert!(small.contains("16 MiB"), "{small}");

    let mut filler = make(disk(16 * MIB), &HOW).unwrap();
    let full = filler.file("big", 0o644, &vec![1; 32 * MIB]).unwrap_err().to_string();
    assert_eq!(full, "big: no space is left");

    let gone = Disk::new(Gone, 0, 64 << 20, Access::ReadWrite);
    assert_eq!(make(gone, &HOW).unwrap_err().to_string(), "the device: the device is gone");
}

/// A medium that was pulled out.
struct Gone;

fn gone<T>() -> io::Result<T> {
    Err(io::Error::from_raw_os_error(19))
}

impl Read for Gone {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        gone()
    }
}

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        gone()
    }

    fn flush(&mut self) -> io::Result<()> {
        gone()
    }
}

impl Seek for Gone {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        gone()
    }
}

impl Medium for Gone {}
