//! Files through the ring.

use anode_initfs::Builder;
use anode_scheme::{op, testing::Fake};
use redox::flag::{
    O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR, O_STAT, O_SYMLINK, O_WRONLY,
};

use super::Ramfs;
use crate::tree::Tree;

fn files() -> Fake<Ramfs<Vec<u8>>> {
    let mut builder = Builder::new();
    builder.file("bin/sh", 0o755, vec![7; 5000]).unwrap();
    builder.directory("tmp", 0o1777).unwrap();
    let tree = Tree::new(builder.build().unwrap(), 64, (0, 0)).unwrap();
    let image = std::fs::File::open("/dev/null").unwrap();
    Fake::new(Ramfs::new(tree, image.into()))
}

#[test]
fn an_unchanged_file_carries_its_range_of_the_image() {
    let mut files = files();
    let image = files.open_at(0, "bin/sh", O_RDONLY).unwrap();
    let content = image.content.unwrap();
    assert_eq!(content.range.offset % 4096, 0);
    assert_eq!(content.range.len, 5000);
    assert!(image.positioned && image.cookie != 0);
    assert_eq!(files.read(image.value, 9000, 4990).unwrap(), [7; 10]);

    let writer = files.open_at(0, "bin/sh", O_RDWR).unwrap();
    assert_eq!(writer.content, None, "a writer must ask for what it wrote");
    files.write(writer.value, b"#!", 0).unwrap();
    assert_eq!(files.open_at(0, "bin/sh", O_RDONLY).unwrap().content, None);
    assert_eq!(files.stat(writer.value).unwrap().st_size, 5000);
}

#[test]
fn a_directory_is_listed_in_small_pieces_and_by_its_descriptors() {
    let mut files = files();
    let tmp = files.open("tmp", O_RDONLY | O_DIRECTORY).unwrap();
    for name in 0..40 {
        let create = O_CREAT | O_EXCL | O_WRONLY | 0o644;
        files.open_at(tmp, &format!("file-{name:02}"), create).unwrap();
    }
    let names = files.list(tmp, 100).unwrap();
    assert_eq!(names.len(), 42);
    assert_eq!(names[..3], [".", "..", "file-00"]);
    assert_eq!(files.request(op::LIST, tmp, [0, 8, 19, 0], &[]).unwrap_err().errno, 22);
    let file = files.open("tmp/file-00", O_RDONLY).unwrap();
    assert_eq!(files.list(file, 100).unwrap_err().errno, 20);
}

#[test]
fn descriptions_name_what_is_renamed_removed_and_asked_for() {
    let mut files = files();
    let tmp = files.open("tmp", O_RDONLY | O_DIRECTORY).unwrap();
    files.open("tmp/a", O_CREAT | O_WRONLY | 0o644).unwrap();
    let a = files.open("tmp/a", O_STAT).unwrap();
    files.request(op::RENAME, a, [0, 0, tmp, 0], b"b").unwrap();
    files.request(op::RENAME, a, [0, 0, 0, 0], b"tmp/c").unwrap();
    files.request(op::LINK, a, [0, 0, tmp, 0], b"d").unwrap();
    assert_eq!(files.request(op::PATH, a, [0, 4096, 0, 0], &[]).unwrap().bytes, b"tmp/c");
    files.request(op::UNLINK_AT, tmp, [0, 0, 0, 0], b"c").unwrap();
    assert_eq!(files.request(op::UNLINK_AT, 0, [0, 0, 0x200, 0], b"tmp").unwrap_err().errno, 39);
    assert_eq!(files.list(tmp, 4096).unwrap(), [".", "..", "d"]);
}

#[test]
fn nothing_that_is_opened_from_a_root_leads_out_of_it() {
    let mut files = files();
    let write = |files: &mut Fake<Ramfs<Vec<u8>>>, path: &str, text: &[u8]| {
        let file = files.open(path, O_CREAT | O_WRONLY | 0o644).unwrap();
        files.write(file, text, 0).unwrap();
    };
    files.open("tmp/r", O_CREAT | O_EXCL | O_RDONLY | O_DIRECTORY | 0o755).unwrap();
    files.open("tmp/r/d", O_CREAT | O_EXCL | O_RDONLY | O_DIRECTORY | 0o755).unwrap();
    write(&mut files, "tmp/f", b"outer");
    write(&mut files, "tmp/r/f", b"inner");
    for (link, target) in [("tmp/r/away", "/f"), ("tmp/r/d/up", "../../../f")] {
        let link = files.open(link, O_CREAT | O_EXCL | O_WRONLY | O_SYMLINK).unwrap();
        files.write(link, target.as_bytes(), 0).unwrap();
    }
    let directory = files.open("tmp/r", O_STAT).unwrap();
    assert_eq!(files.request(op::DUP, directory, [0; 4], b"other").unwrap_err().errno, 22);

    let root = files.request(op::DUP, directory, [0; 4], b"root").unwrap().value;

    let inside = files.open_at(root, "d", O_RDONLY | O_DIRECTORY).unwrap().value;
    for (from, path) in [
        (root, "f"),
        (root, "../f"),
        (root, "away"),
        (root, "d/up"),
        (inside, "../../f"),
        (inside, "up"),
    ] {
        let file = files.open_at(from, path, O_RDONLY).unwrap().value;
        assert_eq!(files.read(file, 100, 0).unwrap(), b"inner", "{path}");
        assert_eq!(files.request(op::PATH, file, [0, 4096, 0, 0], &[]).unwrap().bytes, b"f");
    }
    let file = files.open_at(root, "f", O_STAT).unwrap().value;
    files.request(op::RENAME, file, [0, 0, inside, 0], b"../../g").unwrap();
    files.open("tmp/r/g", O_RDONLY).unwrap();
    files.request(op::UNLINK_AT, root, [0, 0, 0, 0], b"../../g").unwrap();
    assert_eq!(files.open("tmp/r/g", O_RDONLY).unwrap_err().errno, 2);
    let outside = files.open_at(directory, "../f", O_RDONLY).unwrap().value;
    assert_eq!(files.read(outside, 100, 0).unwrap(), b"outer", "the directory itself is no root");
}

#[test]
fn appending_goes_to_the_end_whoever_else_writes() {
    let mut files = files();
    let create = O_CREAT | O_WRONLY | 0o644;
    let one = files.open("tmp/log", create | O_APPEND).unwrap();
    let two = files.open("tmp/log", create).unwrap();
    files.write(one, b"aa", 0).unwrap();
    files.write(two, b"bbb", 2).unwrap();
    files.write(one, b"cc", 0).unwrap();
    files.request(op::WRITE, two, [0, 0, 0, 2], b"dd").unwrap();
    let reader = files.open("tmp/log", O_RDONLY).unwrap();
    assert_eq!(files.read(reader, 100, 0).unwrap(), b"aabbbccdd");
}

#[test]
fn a_stranger_gets_what_the_mode_says() {
    let mut files = files();
    let private = O_CREAT | O_EXCL | O_RDWR | 0o600;
    files.open("tmp/private", private).unwrap();
    files.caller = (9, 1000, 1000);
    assert_eq!(files.open("tmp/private", O_RDONLY).unwrap_err().errno, 13);
    let own = files.open("tmp/own", private).unwrap();
    let stat = files.stat(own).unwrap();
    assert_eq!((stat.st_uid, stat.st_gid, stat.st_mode), (1000, 1000, 0o100_600));
    assert_eq!(files.request(op::CHOWN, own, [0, 0, 0, 0], &[]).unwrap_err().errno, 1);
    files.request(op::CHMOD, own, [0o644, 0, 0, 0], &[]).unwrap();
    assert_eq!(files.stat(own).unwrap().st_mode, 0o100_644);
}

#[test]
fn a_big_write_and_a_truncation_are_seen_by_all() {
    let mut files = files();
    let writer = files.open("tmp/big", O_CREAT | O_RDWR | 0o644).unwrap();
    let reader = files.open("tmp/big", O_RDONLY).unwrap();
    let bytes: Vec<u8> = (0..20_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    assert_eq!(files.write(writer, &bytes, 0).unwrap(), 20_000);
    assert_eq!(files.read(reader, 30_000, 0).unwrap(), bytes);
    files.request(op::TRUNCATE, writer, [3, 0, 0, 0], &[]).unwrap();
    assert_eq!(files.read(reader, 100, 0).unwrap(), bytes[..3]);
    assert_eq!(files.stat(reader).unwrap().st_size, 3);
    assert_eq!(files.request(op::TRUNCATE, reader, [0; 4], &[]).unwrap_err().errno, 9);
}
