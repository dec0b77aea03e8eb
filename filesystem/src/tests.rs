//! The daemon through its ring, over a volume in a file.

#[path = "../../schemes/ramfs/src/suite.rs"]
mod suite;

use anode_fs::executor::block_on;
use anode_fs::fsck::{Depth, check};
use anode_fs::{Format, Mode};
use anode_scheme::{op, testing::Fake};
use redox::flag::{O_CREAT, O_RDONLY, O_RDWR, O_WRONLY};

use crate::cache::Cache;
use crate::serve::Filed;
use crate::testing::{Image, pool};

const HOW: Format = Format { uuid: [1; 16], secret: [2; 16], mode: 0o755, time: 7 };

/// A daemon over the volume on a disk.
fn mounted(image: &Image) -> Fake<Filed<Image>> {
    let volume = block_on(anode_fs::mount(image.clone(), Mode::Write), || {}).unwrap();
    let schemes = vec!["disk".to_owned(), "rand".to_owned()];
    Fake::new(Filed::new(volume, Cache::new(pool()), schemes))
}

fn image() -> Image {
    let image = Image::new(64 << 20);
    let mut filler = mkfs::make(image.clone(), &HOW).unwrap();
    filler.file("bin/sh", 0o755, &[7; 5000]).unwrap();
    filler.directory("tmp", 0o1777).unwrap();
    filler.finish().unwrap();
    image
}

#[test]
fn they_are_as_files_are() {
    suite::all(|| mounted(&image()));
}

#[test]
fn what_was_synced_is_there_after_the_daemon_was_killed_and_the_volume_is_whole() {
    let image = image();
    let mut files = mounted(&image);
    let file = files.open("tmp/kept", O_CREAT | O_WRONLY | 0o644).unwrap();
    files.write(file, b"kept", 0).unwrap();
    files.request(op::SYNC, file, [0; 4], &[]).unwrap();
    files.open("tmp/lost", O_CREAT | O_WRONLY | 0o644).unwrap();
    drop(files);

    let mut files = mounted(&image);
    let file = files.open("tmp/kept", O_RDONLY).unwrap();
    assert_eq!(files.read(file, 10, 0).unwrap(), b"kept");
    assert_eq!(files.open("tmp/lost", O_RDONLY).unwrap_err().errno, 2);
    drop(files);
    let report = block_on(check(&image, Depth::Content), || {}).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn what_was_committed_is_there_without_a_sync() {
    let image = image();
    let mut files = mounted(&image);
    files.open("tmp/a", O_CREAT | O_WRONLY | 0o644).unwrap();
    files.scheme().commit();
    drop(files);
    assert!(mounted(&image).open("tmp/a", O_RDONLY).is_ok());
}

#[test]
fn a_long_file_is_read_as_it_was_written_in_pieces_of_any_size() {
    let mut files = mounted(&image());
    let file = files.open("tmp/long", O_CREAT | O_RDWR | 0o644).unwrap();
    let bytes: Vec<u8> = (0..400_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let mut at = 0;
    while at < bytes.len() {
        let end = bytes.len().min(at + 150_000);
        let offset = u64::try_from(at).unwrap();
        at += usize::try_from(files.write(file, &bytes[at..end], offset).unwrap()).unwrap();
    }
    for step in [1_000, 4_096, 10_007, 65_536, 200_000] {
        let mut read = Vec::new();
        while read.len() < bytes.len() {
            let part = files.read(file, step, u64::try_from(read.len()).unwrap()).unwrap();
            assert!(
                !part.is_empty()
                    && (part.len() == step
                        || step > 65_536
                        || read.len() + part.len() == bytes.len())
            );
            read.extend_from_slice(&part);
        }
        assert!(read == bytes, "in steps of {step}");
    }
}

#[test]
fn a_full_volume_says_so_and_works_again_when_something_is_removed() {
    let mut files = mounted(&image());
    let file = files.open("tmp/big", O_CREAT | O_WRONLY | 0o644).unwrap();
    let mut offset = 0;
    let full = loop {
        match files.write(file, &[3; 100_000], offset) {
            Ok(count) => offset += count,
            Err(error) => break error.errno,
        }
    };
    assert_eq!(full, 28);
    files.close(file);
    files.request(op::UNLINK_AT, 0, [0; 4], b"tmp/big").unwrap();
    let file = files.open("tmp/again", O_CREAT | O_WRONLY | 0o644).unwrap();
    assert_eq!(files.write(file, &[4; 100_000], 0), Ok(100_000));
}
