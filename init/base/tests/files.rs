//! The small programs over files and the system, as their users meet them.
#![forbid(unsafe_code)]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use support::Folder;

#[test]
fn a_program_is_chosen_by_the_name_of_the_call() {
    let folder = Folder::new("name");
    symlink(env!("CARGO_BIN_EXE_base"), folder.0.join("echo")).unwrap();
    let output = Command::new(folder.0.join("echo")).args(["-n", "a", "b"]).output().unwrap();
    assert_eq!(output.stdout, b"a b");
    assert!(folder.fails("nonsense", 2).contains("is none of my programs"));
    let alone = Command::new(env!("CARGO_BIN_EXE_base")).output().unwrap();
    assert_eq!(alone.status.code(), Some(2));
}

#[test]
fn chmod_sets_what_octal_and_symbolic_modes_say() {
    let folder = Folder::new("chmod");
    folder.file("a", "");
    fs::create_dir_all(folder.0.join("d/e")).unwrap();
    folder.file("d/e/f", "");
    let mode = |name: &str| fs::metadata(folder.0.join(name)).unwrap().mode() & 0o7777;
    assert_eq!(folder.out("chmod 640 a d/e/f"), "");
    assert_eq!((mode("a"), mode("d/e/f")), (0o640, 0o640));
    folder.out("chmod u+x,o=r a");
    assert_eq!(mode("a"), 0o744);
    folder.out("chmod -x a");
    assert_eq!(mode("a"), 0o644);
    folder.out("chmod -R a=rX d");
    assert_eq!((mode("d"), mode("d/e"), mode("d/e/f")), (0o555, 0o555, 0o444));
    folder.out("chmod -R u+w d");
    let (_, err, status) = folder.run("chmod 600 none a");
    assert_eq!((err.as_str(), status), ("chmod: none: No such file or directory\n", 1));
    assert_eq!(mode("a"), 0o600, "the others are changed all the same");
    assert!(folder.fails("chmod u+q a", 2).contains("u+q: not a mode"));
    assert!(folder.fails("chmod 600", 2).contains("usage: chmod"));
}

#[test]
fn df_tells_how_much_room_there_is() {
    let folder = Folder::new("df");
    let out = folder.out("df .");
    let row: Vec<&str> = out.lines().nth(1).unwrap().split_whitespace().collect();
    let number = |at: usize| row[at].parse::<u64>().unwrap();
    assert!(number(1) > 0 && number(1) >= number(2), "{out}");
    assert!(row[4].ends_with('%') && row[5] == ".", "{out}");
    assert_eq!(folder.fails("df none", 1), "df: none: No such file or directory\n");
}

#[test]
fn find_and_du_walk_folders() {
    let folder = Folder::new("walk");
    fs::create_dir_all(folder.0.join("d/e")).unwrap();
    folder.file("d/a.rs", vec![b'x'; 10_000]);
    folder.file("d/e/b.rs", "");
    symlink("a.rs", folder.0.join("d/l")).unwrap();
    assert_eq!(folder.out("find d"), "d\nd/a.rs\nd/e\nd/e/b.rs\nd/l\n");
    assert_eq!(folder.out("find d -name *.rs"), "d/a.rs\nd/e/b.rs\n");
    assert_eq!(folder.out("find . -type l"), "./d/l\n");
    assert_eq!(folder.out("find d -type d -name e"), "d/e\n");
    assert_eq!(
        folder.run("find none d/e"),
        ("d/e\nd/e/b.rs\n".to_owned(), "find: none: No such file or directory\n".to_owned(), 1)
    );
    assert!(folder.fails("find d -exec", 2).contains("not known"));

    let sizes = folder.out("du -a d");
    let size = |name: &str| -> u64 {
        let line = sizes.lines().find(|line| line.ends_with(&format!("\t{name}"))).unwrap();
        line.split('\t').next().unwrap().parse().unwrap()
    };
    assert!(size("d/a.rs") >= 10, "{sizes}");
    assert!(size("d") >= size("d/a.rs") + size("d/e"), "{sizes}");
    assert_eq!(folder.out("du -s d"), format!("{}\td\n", size("d")));
    assert_eq!(folder.fails("du none", 1), "du: none: No such file or directory\n");
}

#[test]
fn cmp_says_where_files_differ() {
    let folder = Folder::new("cmp");
    folder.file("a", "one\ntwo\n");
    folder.file("b", "one\ntoo\n");
    folder.file("c", "one\n");
    assert_eq!(folder.out("cmp a a"), "");
    assert_eq!(folder.run("cmp a b").0, "a b differ: byte 6, line 2\n");
    assert_eq!(folder.run("cmp a c"), ("a c differ: c ends after 4 bytes\n".into(), "".into(), 1));
    assert_eq!(folder.run("cmp -s a b"), (String::new(), String::new(), 1));
    assert_eq!(folder.feed("cmp - c", b"one\n").2, 0);
    assert_eq!(folder.fails("cmp a none", 2), "cmp: none: No such file or directory\n");
    assert!(folder.fails("cmp a", 2).contains("two files"));
}

#[test]
fn errors_name_program_path_and_reason() {
    let folder = Folder::new("errors");
    let missing = "No such file or directory\n";
    for line in [
        "cat none",
        "head none",
        "wc none",
        "hexdump none",
        "ls none",
        "rm none",
        "sort none",
        "rmdir none",
        "tail none",
        "cp none x",
        "mv none x",
        "touch none/x",
        "mkdir none/x",
    ] {
        let program = line.split(' ').next().unwrap();
        let err = folder.fails(line, 1);
        assert!(err.starts_with(&format!("{program}: none")) && err.ends_with(missing), "{err}");
    }
    for line in [
        "ls -q",
        "head -n",
        "head -n x",
        "cp a",
        "mkdir",
        "rm",
        "seq",
        "seq 1 0 2",
        "sleep x",
        "date x",
        "kill",
        "grep",
        "uname -q",
        "ps -q",
        "top -n x",
        "basename",
        "hexdump -n zz",
        "ln",
        "id -q",
        "which",
        "sync -x",
        "cat --nonsense",
        "grep [a",
    ] {
        let program = line.split(' ').next().unwrap();
        let err = folder.fails(line, 2);
        assert!(err.contains(&format!("\nusage: {program}")), "{line}: {err}");
    }
}

#[test]
fn ls_lists_names_in_order() {
    let folder = Folder::new("ls");
    folder.file("b", "12345");
    folder.file(".hidden", "");
    fs::create_dir(folder.0.join("d")).unwrap();
    folder.file("d/c", "");
    symlink("b", folder.0.join("a")).unwrap();
    assert_eq!(folder.out("ls"), "a\nb\nd\n");
    assert_eq!(folder.out("ls -a"), ".\n..\n.hidden\na\nb\nd\n");
    assert_eq!(folder.out("ls -1 b d"), "b\n\nd:\nc\n");
    assert_eq!(folder.out("ls -d d"), "d\n");
    let long = folder.out("ls -l");
    let rows: Vec<&str> = long.lines().collect();
    assert!(rows[0].starts_with("lrwxrwxrwx") && rows[0].ends_with(" a -> b"), "{long}");
    assert!(rows[1].starts_with("-rw-") && rows[1].contains(" 5 2"), "{long}");
    assert!(rows[2].starts_with("drwx"), "{long}");
    let (out, err, status) = folder.run("ls none b");
    assert_eq!((out.as_str(), status), ("b\n", 1));
    assert_eq!(err, "ls: none: No such file or directory\n");
}

#[test]
fn files_are_copied_with_their_mode() {
    let folder = Folder::new("cp");
    folder.file("a", "text");
    fs::set_permissions(folder.0.join("a"), fs::Permissions::from_mode(0o750)).unwrap();
    folder.out("cp a b");
    assert_eq!(folder.read("b"), "text");
    assert_eq!(fs::metadata(folder.0.join("b")).unwrap().mode() & 0o777, 0o750);
    fs::create_dir(folder.0.join("d")).unwrap();
    folder.out("cp a b d");
    assert_eq!(folder.read("d/b"), "text");
    assert!(folder.fails("cp a a", 1).contains("are the same file"));
    assert!(folder.fails("cp d e", 1).contains("is a folder"));
    assert!(folder.fails("cp a b none", 1).contains("none: Not a directory"));
    symlink("a", folder.0.join("d/link")).unwrap();
    folder.out("cp -r d e");
    assert_eq!(folder.read("e/a"), "text");
    assert_eq!(fs::read_link(folder.0.join("e/link")).unwrap(), Path::new("a"));
    assert!(folder.fails("cp -r d d/x", 1).contains("cannot go into itself"));
    folder.out("cp /dev/null a");
    assert_eq!(folder.read("a"), "");
}

#[test]
fn files_are_moved_and_removed() {
    let folder = Folder::new("mv");
    folder.file("a", "text");
    fs::create_dir_all(folder.0.join("d/deep")).unwrap();
    folder.out("mv a b");
    folder.out("mv b d");
    assert_eq!(folder.read("d/b"), "text");
    assert!(folder.fails("rm d", 1).contains("is a folder"));
    assert!(folder.fails("rmdir d", 1).contains("Directory not empty"));
    for path in [".", "..", "/", "d/.."] {
        assert!(folder.fails(&format!("rm -rf {path}"), 1).contains("is not removed"), "{path}");
    }
    folder.out("rm d/b");
    folder.out("rmdir d/deep");
    folder.out("rm -r d");
    folder.out("rm -f d");
    assert_eq!(folder.out("ls -a"), ".\n..\n");
}

#[test]
fn moving_to_another_filesystem_copies_and_removes() {
    let folder = Folder::new("across");
    let other = Path::new("/dev/shm");
    let here = fs::metadata(&folder.0).unwrap().dev();
    if fs::metadata(other).map_or(here, |found| found.dev()) == here {
        println!("only one filesystem here: nothing to test");
        return;
    }
    fs::create_dir(folder.0.join("d")).unwrap();
    folder.file("d/f", "text");
    let target = other.join(format!("base-run-{}", std::process::id()));

    folder.out(&format!("mv d {}", target.display()));

    assert_eq!(fs::read_to_string(target.join("f")).unwrap(), "text");
    assert!(!folder.0.join("d").exists());
    fs::remove_dir_all(target).unwrap();
}

#[test]
fn names_are_made() {
    let folder = Folder::new("make");
    folder.out("mkdir a");
    assert!(folder.fails("mkdir a", 1).contains("File exists"));
    folder.out("mkdir -p a/b/c a");
    folder.out("touch a/f");
    assert_eq!(folder.read("a/f"), "");
    folder.out("touch -c none");
    assert!(!folder.0.join("none").exists());
    let old = std::time::SystemTime::UNIX_EPOCH;
    let file = fs::OpenOptions::new().write(true).open(folder.0.join("a/f")).unwrap();
    file.set_modified(old).unwrap();
    folder.out("touch a/f");
    assert!(fs::metadata(folder.0.join("a/f")).unwrap().modified().unwrap() > old);
    folder.out("ln -s a/f link");
    assert_eq!(fs::read_link(folder.0.join("link")).unwrap(), Path::new("a/f"));
    assert!(folder.fails("ln -s a/f link", 1).contains("File exists"));
    folder.out("ln -sf a/g link");
    folder.out("ln a/f hard");
    assert_eq!(fs::metadata(folder.0.join("hard")).unwrap().nlink(), 2);
}

#[test]
fn programs_of_the_system_say_what_is_missing_on_another_one() {
    if Path::new("/scheme").exists() {
        println!("this is the system itself");
        return;
    }
    let folder = Folder::new("system");
    for line in ["ps", "top -n 1", "free", "mount", "df", "dmesg", "poweroff", "reboot"] {
        let err = folder.fails(line, 1);
        let program = line.split(' ').next().unwrap();
        assert!(err.starts_with(&format!("{program}: /scheme")), "{err}");
        assert!(err.ends_with("No such file or directory\n"), "{err}");
    }
    assert!(folder.fails("kill -9 1", 1).contains("1: no such process"));
}
