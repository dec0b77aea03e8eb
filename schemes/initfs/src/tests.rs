//! What an image must keep, and what bad bytes must never do.

use alloc::{vec, vec::Vec};

use crate::{Builder, Error, Image, Kind, PAGE_SIZE, builder::seal};

fn sample() -> Vec<u8> {
    let mut builder = Builder::new();
    builder.file("/bin/sh", 0o755, vec![7; 5000]).unwrap();
    builder.file("bin/empty", 0o644, vec![]).unwrap();
    builder.file("bin-old", 0o600, *b"old").unwrap();
    builder.file("etc/init/10-log.toml", 0o644, *b"name = 'log'").unwrap();
    builder.symlink("bin/bash", "sh").unwrap();
    builder.symlink("sbin", "/bin").unwrap();
    builder.symlink("etc/loop", "loop").unwrap();
    builder.symlink("etc/up", "../../../bin/./sh").unwrap();
    builder.directory("tmp", 0o1777).unwrap();
    builder.build().unwrap()
}

#[test]
fn every_file_comes_back_as_it_was_added() {
    let bytes = sample();

    let image = Image::parse(&bytes).unwrap();

    let shell = image.lookup("/bin/sh").unwrap();
    assert_eq!(shell.mode(), 0o100_755);
    assert_eq!(shell.name(), "sh");
    assert_eq!(shell.size(), 5000);
    let Kind::File { offset, data } = shell.kind else { panic!("not a file") };
    assert_eq!(data, vec![7; 5000]);
    assert_eq!(usize::try_from(offset).unwrap() % PAGE_SIZE, 0);
    assert_eq!(image.lookup("bin/bash").unwrap().kind, Kind::Symlink("sh"));
    assert_eq!(image.lookup("tmp").unwrap().mode(), 0o041_777);
    assert_eq!(image.lookup("bin/none"), None);
    assert_eq!(image.lookup("").unwrap().index, 0);
}

#[test]
fn a_directory_lists_its_own_children_only() {
    let bytes = sample();
    let image = Image::parse(&bytes).unwrap();
    let names = |path| {
        let dir = image.lookup(path).unwrap();
        image.list(&dir).map(|entry| entry.name()).collect::<Vec<_>>()
    };

    assert_eq!(names("/"), ["bin", "bin-old", "etc", "sbin", "tmp"]);
    assert_eq!(names("bin"), ["bash", "empty", "sh"]);
    assert_eq!(names("etc"), ["init", "loop", "up"]);
    assert!(names("tmp").is_empty());
    assert!(names("bin/sh").is_empty());
}

#[test]
fn links_and_dots_are_followed_within_the_image() {
    let bytes = sample();
    let image = Image::parse(&bytes).unwrap();
    let path = |path| image.resolve(path).map(|entry| entry.path);

    assert_eq!(path("sbin/bash"), Ok("bin/sh"));
    assert_eq!(path("/etc/../bin/./sh/"), Ok("bin/sh"));
    assert_eq!(path("etc/up"), Ok("bin/sh"));
    assert_eq!(path("../.."), Ok(""));
    assert_eq!(path("etc/loop"), Err(Error::TooBig));
    assert_eq!(path("bin/sh/x"), Err(Error::Parent));
    assert_eq!(path("bin/none"), Err(Error::Path));
}

#[test]
fn the_order_of_adding_does_not_matter() {
    let mut forwards = Builder::new();
    forwards.file("a/b", 0o644, *b"1").unwrap().file("c", 0o644, *b"2").unwrap();
    let mut backwards = Builder::new();
    backwards.file("c", 0o644, *b"2").unwrap().file("a/b", 0o644, *b"1").unwrap();

    assert_eq!(forwards.build(), backwards.build());
}

#[test]
fn a_builder_refuses_what_no_tree_can_hold() {
    let mut builder = Builder::new();
    builder.file("a", 0o644, *b"").unwrap();

    assert_eq!(builder.file("a", 0o644, *b"").err(), Some(Error::Duplicate));
    assert_eq!(builder.file("a/b", 0o644, *b"").err(), Some(Error::Parent));
    assert_eq!(builder.file("", 0o644, *b"").err(), Some(Error::Path));
    assert_eq!(builder.file("b/../c", 0o644, *b"").err(), Some(Error::Path));
    assert_eq!(builder.file("b//c", 0o644, *b"").err(), Some(Error::Path));
    assert_eq!(builder.symlink("s", "").err(), Some(Error::Path));
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let bytes = sample();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(Image::parse(&bad).is_err(), "byte {at}");
    }
}

#[test]
fn a_truncated_image_is_refused() {
    let bytes = sample();
    for len in 0..bytes.len() {
        assert!(Image::parse(&bytes[..len]).is_err(), "{len} bytes");
    }
}

/// Walks everything that a checked image offers; no call may panic.
fn walk(image: &Image<'_>) {
    for entry in image.entries() {
        assert_eq!(image.lookup(entry.path).map(|found| found.index), Some(entry.index));
        assert!(image.list(&entry).all(|child| child.index > entry.index));
        match image.resolve(entry.path) {
            Ok(found) => assert!(!matches!(found.kind, Kind::Symlink(_))),
            Err(error) => assert!(matches!(error, Error::Path | Error::Parent | Error::TooBig)),
        }
    }
}

#[test]
fn a_forged_image_with_a_good_checksum_never_panics() {
    let bytes = sample();
    let head = 1024.min(bytes.len());
    let (mut seed, mut accepted, mut refused) = (0x5eed_u64, 0, 0);
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for _round in 0..20_000 {
        let mut forged = bytes.clone();
        for _change in 0..=random(3) {
            let at = random(head);
            forged[at] = match random(4) {
                0 => 0xff,
                1 => 0,
                2 => forged[at].wrapping_add(1),
                _ => u8::try_from(random(256)).unwrap(),
            };
        }
        seal(&mut forged);
        match Image::parse(&forged) {
            Ok(image) => {
                walk(&image);
                accepted += 1;
            }
            Err(_error) => refused += 1,
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
}
