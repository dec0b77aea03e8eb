//! What every scheme of files does, whatever they lie in: run by the tests of each.
//!
//! The daemon begins with `bin/sh`, 5,000 bytes of 7, and `tmp`, for all and sticky; `disk` and
//! `rand` are the names of schemes.

use anode_scheme::{Scheme, op, testing::Fake};
use redox::flag::{
    O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR, O_STAT, O_SYMLINK, O_TRUNC, O_WRONLY,
};

/// Runs all of it, each on a daemon of its own.
pub(crate) fn all<S: Scheme>(make: impl Fn() -> Fake<S>) {
    for run in [
        a_directory_is_listed_in_small_pieces_and_by_its_descriptors,
        descriptions_name_what_is_renamed_removed_and_asked_for,
        nothing_that_is_opened_from_a_root_leads_out_of_it,
        appending_goes_to_the_end_whoever_else_writes,
        a_stranger_gets_what_the_mode_says,
        a_big_write_and_a_truncation_are_seen_by_all,
        links_are_followed_within_the_tree_and_not_out_of_it,
        open_flags_mean_what_posix_says,
        owners_and_the_sticky_bit_are_obeyed,
        an_unlinked_file_lives_as_long_as_it_is_open,
        a_rename_replaces_only_like_by_like,
        two_names_are_one_file,
        what_cannot_be_removed_or_named_is_not,
        a_file_with_a_hole_reads_as_it_was_written,
    ] {
        run(&mut make());
    }
}

const NOFOLLOW: usize = 0x8000_0000;
const CREATE: usize = O_CREAT | O_WRONLY | 0o644;

/// Opens a path and gives the errno of a refusal.
fn opens<S: Scheme>(files: &mut Fake<S>, path: &str, flags: usize) -> Result<u64, i32> {
    files.open(path, flags).map_err(|error| error.errno)
}

/// A file's content, or the errno of a refusal.
fn text<S: Scheme>(files: &mut Fake<S>, path: &str) -> Result<String, i32> {
    let file = opens(files, path, O_RDONLY)?;
    let bytes = files.read(file, 4096, 0).map_err(|error| error.errno);
    files.close(file);
    bytes.map(|bytes| String::from_utf8(bytes).unwrap())
}

fn puts<S: Scheme>(files: &mut Fake<S>, path: &str, text: &str) {
    let file = files.open(path, CREATE | O_TRUNC).unwrap();
    files.write(file, text.as_bytes(), 0).unwrap();
    files.close(file);
}

fn makes_directory<S: Scheme>(files: &mut Fake<S>, path: &str) {
    let made = files.open(path, O_CREAT | O_DIRECTORY | O_EXCL | O_RDONLY | 0o755).unwrap();
    files.close(made);
}

fn links<S: Scheme>(files: &mut Fake<S>, path: &str, target: &str) {
    let link = files.open(path, O_CREAT | O_SYMLINK | O_EXCL | O_WRONLY | 0o777).unwrap();
    files.write(link, target.as_bytes(), 0).unwrap();
    files.close(link);
}

fn moves<S: Scheme>(files: &mut Fake<S>, old: &str, new: &str) -> Result<(), i32> {
    let file = opens(files, old, O_STAT | O_SYMLINK | NOFOLLOW)?;
    let moved = files.request(op::RENAME, file, [0; 4], new.as_bytes());
    files.close(file);
    moved.map(drop).map_err(|error| error.errno)
}

fn removes<S: Scheme>(files: &mut Fake<S>, path: &str, flags: u64) -> Result<(), i32> {
    let removed = files.request(op::UNLINK_AT, 0, [0, 0, flags, 0], path.as_bytes());
    removed.map(drop).map_err(|error| error.errno)
}

fn links_are_followed_within_the_tree_and_not_out_of_it<S: Scheme>(files: &mut Fake<S>) {
    puts(files, "tmp/sh", "the shell");
    links(files, "tmp/bash", "sh");
    links(files, "sbin", "/tmp");
    links(files, "loop", "loop");
    links(files, "away", "/scheme/rand");
    links(files, "gone", "disk:0");
    assert_eq!(text(files, "sbin/bash"), Ok("the shell".into()));
    assert_eq!(text(files, "../../tmp/./../sbin/sh"), Ok("the shell".into()));
    for (path, errno) in [("loop", 40), ("away", 18), ("away/x", 18), ("gone", 18)] {
        assert_eq!(text(files, path), Err(errno), "{path}");
    }
    assert_eq!(opens(files, "tmp/bash", O_RDONLY | NOFOLLOW), Err(40));
    assert_eq!(text(files, "tmp/sh/"), Err(20));
    assert_eq!(text(files, "tmp/sh/x"), Err(20));
    assert_eq!(text(files, &"a".repeat(256)), Err(36));
    let link = files.open("tmp/bash", O_RDONLY | O_SYMLINK).unwrap();
    assert_eq!(files.read(link, 64, 0).unwrap(), b"sh");
    assert_eq!(files.stat(link).unwrap().st_mode & 0o170_000, 0o120_000);
}

fn open_flags_mean_what_posix_says<S: Scheme>(files: &mut Fake<S>) {
    files.caller = (9, 1000, 1000);
    let create = O_CREAT | O_EXCL | O_RDWR | 0o600;
    assert!(opens(files, "tmp/a", create).is_ok());
    for (path, flags, errno) in [
        ("tmp/a", create, 17),
        ("tmp/b/c", create, 2),
        ("tmp/b/", create, 2),
        ("tmp", O_WRONLY, 21),
        ("tmp", O_CREAT | O_EXCL | O_DIRECTORY, 17),
        ("tmp/a", O_RDONLY | O_DIRECTORY, 20),
        ("new", CREATE, 13),
    ] {
        assert_eq!(opens(files, path, flags), Err(errno), "{path} {flags:x}");
    }
    let read_only = files.open("tmp/a", O_RDONLY).unwrap();
    assert_eq!(files.write(read_only, b"x", 0).unwrap_err().errno, 9);
    let stat_only = files.open("tmp/a", O_STAT).unwrap();
    assert_eq!(files.read(stat_only, 1, 0).unwrap_err().errno, 9);
    links(files, "tmp/l", "target");
    assert!(opens(files, "tmp/l", CREATE).is_ok());
    assert_eq!(text(files, "tmp/target"), Ok(String::new()));
    puts(files, "tmp/a", "long");
    puts(files, "tmp/a", "s");
    assert_eq!(text(files, "tmp/a"), Ok("s".into()));
}

fn owners_and_the_sticky_bit_are_obeyed<S: Scheme>(files: &mut Fake<S>) {
    files.caller = (9, 1000, 1000);
    let own = files.open("tmp/a", O_CREAT | O_RDWR | 0o640).unwrap();
    files.caller = (9, 1001, 1001);
    assert_eq!(opens(files, "tmp/a", O_RDONLY), Err(13));
    assert_eq!(removes(files, "tmp/a", 0), Err(1), "tmp is sticky");
    assert_eq!(moves(files, "tmp/a", "tmp/x"), Err(1));
    assert_eq!(files.request(op::CHMOD, own, [0o777, 0, 0, 0], &[]).unwrap_err().errno, 1);
    files.caller = (9, 5, 1000);
    assert!(opens(files, "tmp/a", O_RDONLY).is_ok());
    assert_eq!(opens(files, "tmp/a", O_RDWR), Err(13));
    files.caller = (9, 1000, 1000);
    files.request(op::CHMOD, own, [0o4755, 0, 0, 0], &[]).unwrap();
    let nobody = u64::from(u32::MAX);
    files.request(op::CHOWN, own, [nobody, 1000, 0, 0], &[]).unwrap();
    assert_eq!(files.stat(own).unwrap().st_mode & 0o7777, 0o755, "setuid outlived a chown");
    assert_eq!(removes(files, "tmp/a", 0), Ok(()));
}

fn an_unlinked_file_lives_as_long_as_it_is_open<S: Scheme>(files: &mut Fake<S>) {
    let open = files.open("tmp/a", O_CREAT | O_RDWR | 0o600).unwrap();
    files.write(open, b"still here", 0).unwrap();
    removes(files, "tmp/a", 0).unwrap();
    assert_eq!(files.read(open, 16, 0).unwrap(), b"still here");
    files.write(open, b"S", 0).unwrap();
    assert_eq!(files.read(open, 16, 0).unwrap(), b"Still here");
    assert_eq!(files.stat(open).unwrap().st_nlink, 0);
    assert_eq!(files.request(op::PATH, open, [0, 4096, 0, 0], &[]).unwrap_err().errno, 2);
    assert_eq!(files.request(op::LINK, open, [0; 4], b"tmp/b").unwrap_err().errno, 2);
    makes_directory(files, "tmp/d");
    let directory = files.open("tmp/d", O_RDONLY | O_DIRECTORY).unwrap();
    removes(files, "tmp/d", 0x200).unwrap();
    let inside = files.open_at(directory, "x", CREATE);
    assert_eq!(inside.unwrap_err().errno, 2, "nothing grows in a removed directory");
    files.close(directory);
    files.close(open);
}

fn a_rename_replaces_only_like_by_like<S: Scheme>(files: &mut Fake<S>) {
    puts(files, "tmp/a", "a");
    puts(files, "tmp/b", "b");
    for path in ["tmp/d", "tmp/e", "tmp/d/sub"] {
        makes_directory(files, path);
    }
    assert_eq!(moves(files, "tmp/a", "tmp/b"), Ok(()));
    assert_eq!(text(files, "tmp/b"), Ok("a".into()));
    assert_eq!(text(files, "tmp/a"), Err(2));
    for (old, new, errno) in [
        ("tmp/b", "tmp/d", 21),
        ("tmp/d", "tmp/b", 20),
        ("tmp/e", "tmp/d", 39),
        ("tmp/d", "tmp/d/sub/x", 22),
        ("tmp/b", "tmp/c/", 20),
        ("tmp/b", "rand:", 22),
    ] {
        assert_eq!(moves(files, old, new), Err(errno), "{old} {new}");
    }
    assert_eq!(moves(files, "tmp/b", "tmp/b"), Ok(()));
    assert_eq!(moves(files, "tmp/d", "tmp/e"), Ok(()));
    assert_eq!(text(files, "tmp/e/sub/../../b"), Ok("a".into()));
    let sub = files.open("tmp/e/sub", O_RDONLY | O_DIRECTORY).unwrap();
    let path = files.request(op::PATH, sub, [0, 4096, 0, 0], &[]).unwrap().bytes;
    assert_eq!(path, b"tmp/e/sub");
}

fn two_names_are_one_file<S: Scheme>(files: &mut Fake<S>) {
    puts(files, "tmp/a", "one");
    let file = files.open("tmp/a", O_STAT).unwrap();
    files.request(op::LINK, file, [0; 4], b"tmp/b").unwrap();
    assert_eq!(files.request(op::LINK, file, [0; 4], b"tmp/b").unwrap_err().errno, 17);
    removes(files, "tmp/a", 0).unwrap();
    assert_eq!(text(files, "tmp/b"), Ok("one".into()));
    let directory = files.open("tmp", O_STAT).unwrap();
    assert_eq!(files.request(op::LINK, directory, [0; 4], b"t").unwrap_err().errno, 1);
}

fn what_cannot_be_removed_or_named_is_not<S: Scheme>(files: &mut Fake<S>) {
    assert_eq!(removes(files, "bin", 0x200), Err(39));
    assert_eq!(removes(files, "bin", 0), Err(21));
    assert_eq!(removes(files, "bin/sh", 0x200), Err(20));
    assert_eq!(removes(files, "/", 0x200), Err(16));
    assert_eq!(removes(files, "tmp/.", 0x200), Err(22));
    assert_eq!(removes(files, "none", 0), Err(2));
    assert_eq!(opens(files, "tmp/disk:0", CREATE), Err(22));
    assert!(opens(files, "tmp/12:30.log", CREATE).is_ok());
}

fn a_file_with_a_hole_reads_as_it_was_written<S: Scheme>(files: &mut Fake<S>) {
    let file = files.open("tmp/hole", O_CREAT | O_RDWR | 0o644).unwrap();
    files.write(file, &[1; 100], 65_500).unwrap();
    files.write(file, &[2; 10], 100_000).unwrap();
    // Over the place where lines of a cache meet, and to the end.
    let bytes = files.read(file, 200, 65_450).unwrap();
    assert_eq!(
        (&bytes[..50], &bytes[50..150], &bytes[150..]),
        (&[0; 50][..], &[1; 100][..], &[0; 50][..])
    );
    assert_eq!(
        files.read(file, 100, 99_995).unwrap(),
        [0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    );
    assert_eq!(files.read(file, 100, 100_010).unwrap(), []);
    files.request(op::TRUNCATE, file, [65_550, 0, 0, 0], &[]).unwrap();
    files.request(op::TRUNCATE, file, [65_560, 0, 0, 0], &[]).unwrap();
    let bytes = files.read(file, 100, 65_540).unwrap();
    assert_eq!(bytes, [[1; 10], [0; 10]].concat());
}

fn a_directory_is_listed_in_small_pieces_and_by_its_descriptors<S: Scheme>(files: &mut Fake<S>) {
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

fn descriptions_name_what_is_renamed_removed_and_asked_for<S: Scheme>(files: &mut Fake<S>) {
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

fn nothing_that_is_opened_from_a_root_leads_out_of_it<S: Scheme>(files: &mut Fake<S>) {
    let write = |files: &mut Fake<S>, path: &str, text: &[u8]| {
        let file = files.open(path, O_CREAT | O_WRONLY | 0o644).unwrap();
        files.write(file, text, 0).unwrap();
    };
    files.open("tmp/r", O_CREAT | O_EXCL | O_RDONLY | O_DIRECTORY | 0o755).unwrap();
    files.open("tmp/r/d", O_CREAT | O_EXCL | O_RDONLY | O_DIRECTORY | 0o755).unwrap();
    write(files, "tmp/f", b"outer");
    write(files, "tmp/r/f", b"inner");
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

fn appending_goes_to_the_end_whoever_else_writes<S: Scheme>(files: &mut Fake<S>) {
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

fn a_stranger_gets_what_the_mode_says<S: Scheme>(files: &mut Fake<S>) {
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

fn a_big_write_and_a_truncation_are_seen_by_all<S: Scheme>(files: &mut Fake<S>) {
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
