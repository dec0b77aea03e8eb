//! The small programs over texts and words, as their users meet them.
#![forbid(unsafe_code)]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use support::Folder;

#[test]
fn cat_and_tee_pass_bytes_on() {
    let folder = Folder::new("cat");
    folder.file("a", b"one\xff\0");
    folder.file("b", "two\n");
    let bytes = Command::new(env!("CARGO_BIN_EXE_base"))
        .args(["cat", "a", "b"])
        .current_dir(&folder.0)
        .output()
        .unwrap();
    assert_eq!(bytes.stdout, b"one\xff\0two\n");
    assert_eq!(folder.feed("cat - b", b"in ").0, "in two\n");
    let (out, err, status) = folder.run("cat none b");
    assert_eq!((out.as_str(), status), ("two\n", 1));
    assert_eq!(err, "cat: none: No such file or directory\n");
    assert_eq!(folder.fails("cat .", 1), "cat: .: Is a directory\n");
    assert_eq!(folder.feed("tee c d", b"text").0, "text");
    assert_eq!(folder.feed("tee -a c", b"+").2, 0);
    assert_eq!((folder.read("c"), folder.read("d")), ("text+".to_owned(), "text".to_owned()));
}

#[test]
fn sha256sum_writes_what_it_checks() {
    let folder = Folder::new("sum");
    folder.file("a", "abc");
    folder.file("b", "");
    let sums = folder.out("sha256sum a b");
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert!(sums.starts_with(&format!("{abc}  a\ne3b0c442")), "{sums}");
    assert_eq!(folder.feed("sha256sum", b"abc").0, format!("{abc}  -\n"));
    folder.file("sums", &sums);
    assert_eq!(folder.out("sha256sum -c sums"), "a: OK\nb: OK\n");

    folder.file("a", "abd");
    fs::remove_file(folder.0.join("b")).unwrap();
    let (out, err, status) = folder.run("sha256sum -c sums");
    assert_eq!((out.as_str(), status), ("a: FAILED\nb: FAILED open or read\n", 1));
    assert_eq!(
        err,
        "sha256sum: b: No such file or directory\n\
         sha256sum: WARNING: 1 listed file could not be read\n\
         sha256sum: WARNING: 1 computed checksum did NOT match\n"
    );
    folder.file("sums", "nothing\n");
    assert!(folder.fails("sha256sum -c sums", 1).contains("no properly formatted"));
    assert_eq!(folder.fails("sha256sum none", 1), "sha256sum: none: No such file or directory\n");
}

#[test]
fn cut_tr_and_uniq_change_lines() {
    let folder = Folder::new("lines");
    folder.file("a", "root:x:0\nme:y:1000\nplain\n");
    assert_eq!(folder.out("cut -d : -f 1,3- a"), "root:0\nme:1000\nplain\n");
    assert_eq!(folder.out("cut -s -d: -f2 a"), "x\ny\n");
    assert_eq!(folder.feed("cut -c 2-3", "äöü\nx\n".as_bytes()).0, "öü\n\n");
    assert_eq!(folder.feed("cut -b -2", b"abc").0, "ab\n");
    assert!(folder.fails("cut a", 2).contains("one of -b, -c and -f"));
    assert!(folder.fails("cut -f 0 a", 2).contains("not a list"));
    assert_eq!(folder.fails("cut -f 1 none", 1), "cut: none: No such file or directory\n");

    assert_eq!(folder.feed("tr a-z A-Z", b"abc xyz").0, "ABC XYZ");
    assert_eq!(folder.feed("tr -d 0-9", b"a1b22c").0, "abc");
    assert_eq!(folder.feed("tr -cd 0-9", b"a1b22c").0, "122");
    assert_eq!(folder.feed("tr -s l", b"hello  all").0, "helo  al");
    assert_eq!(folder.feed("tr -s a-z x", b"ab-cc").0, "x-x");
    assert_eq!(folder.feed("tr :\\n ,", b"a:b\nc").0, "a,b,c");
    assert!(folder.fails("tr a", 2).contains("two sets"));

    folder.file("b", "a\na\nb\na\n");
    assert_eq!(folder.out("uniq b"), "a\nb\na\n");
    assert_eq!(folder.out("uniq -c b"), "      2 a\n      1 b\n      1 a\n");
    assert_eq!(folder.out("uniq -d b"), "a\n");
    assert_eq!(folder.out("uniq -u b"), "b\na\n");
    assert_eq!(folder.fails("uniq none", 1), "uniq: none: No such file or directory\n");
}

#[test]
fn head_and_tail_show_the_ends() {
    let folder = Folder::new("ends");
    let lines: String = (1..=30).map(|n| format!("{n}\n")).collect();
    folder.file("n", &lines);
    folder.file("short", "a\nb");
    assert_eq!(folder.out("head -n 2 n"), "1\n2\n");
    assert_eq!(folder.out("head -3 n"), "1\n2\n3\n");
    assert_eq!(folder.out("head n").lines().count(), 10);
    assert_eq!(folder.out("head -n 0 n"), "");
    assert_eq!(folder.out("head -c 3 n"), "1\n2");
    assert_eq!(folder.out("head short"), "a\nb");
    assert_eq!(folder.out("head -n1 n short"), "==> n <==\n1\n==> short <==\na\n");
    assert_eq!(folder.out("tail -n 2 n"), "29\n30\n");
    assert_eq!(folder.out("tail -n 1 short"), "b");
    assert_eq!(folder.out("tail -n 5 short"), "a\nb");
    assert_eq!(folder.out("tail -n 0 n"), "");
    assert_eq!(folder.out("tail -n +29 n"), "29\n30\n");
    assert_eq!(folder.out("tail -c 4 n"), "\n30\n");
    assert_eq!(folder.out("tail -c +3 short"), "b");
    let long = vec![b'x'; 100_000];
    folder.file("long", [&long[..], b"end"].concat());
    assert_eq!(folder.out("tail -c 5 long"), "xxend");
}

#[test]
fn texts_are_counted_sorted_and_searched() {
    let folder = Folder::new("text");
    folder.file("t", "b 10\na  9\nb 10\nC\n");
    assert_eq!(folder.out("wc t"), "      4       7      17 t\n");
    assert_eq!(folder.out("wc -l t t"), "4 t\n4 t\n8 total\n");
    assert_eq!(folder.feed("wc -w", b"a b\tc").0, "3\n");
    assert_eq!(folder.out("sort t"), "C\na  9\nb 10\nb 10\n");
    assert_eq!(folder.out("sort -ru t"), "b 10\na  9\nC\n");
    assert_eq!(folder.feed("sort -n", b"10\n9\n-1\nx").0, "-1\nx\n9\n10\n");
    assert_eq!(folder.out("grep -n ^b t"), "1:b 10\n3:b 10\n");
    assert_eq!(folder.out("grep -v b.*0$ t"), "a  9\nC\n");
    assert_eq!(folder.out("grep -ic c t"), "1\n");
    assert_eq!(folder.out("grep -l a t"), "t\n");
    assert_eq!(folder.run("grep -q zzz t"), (String::new(), String::new(), 1));
    assert_eq!(
        folder.run("grep a none t"),
        ("t:a  9\n".to_owned(), "grep: none: No such file or directory\n".to_owned(), 2)
    );
    assert_eq!(folder.feed("grep -F a.c", b"abc\na.c\n").0, "a.c\n");
}

#[test]
fn hexdump_shows_offsets_numbers_and_text() {
    let folder = Folder::new("hex");
    let mut bytes = vec![0_u8; 512];
    bytes.extend(b"EFI PART\n");
    folder.file("d", &bytes);
    let zeros = "00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n";
    let last =
        "00000200  45 46 49 20 50 41 52 54  0a                       |EFI PART.|\n00000209\n";
    assert_eq!(folder.out("hexdump d"), format!("{zeros}*\n{last}"));
    assert_eq!(folder.out("hexdump -s 512 d"), last);
    assert_eq!(folder.out("hexdump -C -s 0x200 -n 3 d").lines().count(), 2);
    assert_eq!(folder.out("hexdump -v d").lines().count(), 34);
    assert_eq!(folder.out("hexdump -n 0 d"), "00000000\n");
    assert_eq!(
        folder.feed("hexdump -s 2 -n 2", b"abcdef").0.lines().next().unwrap().get(..15),
        Some("00000002  63 64")
    );
}

#[test]
fn an_endless_input_is_read_lazily_and_a_closed_output_ends_quietly() {
    for line in
        ["hexdump -v /dev/zero", "cat /dev/zero", "seq 1 999999999999", "tail -n +1 /dev/zero"]
    {
        let mut child = Command::new(env!("CARGO_BIN_EXE_base"))
            .args(line.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut start = [0; 64];
        std::io::Read::read_exact(&mut out, &mut start).unwrap();
        drop(out);
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.stderr.as_slice(), output.status.code()),
            (&b""[..], Some(141)),
            "{line}"
        );
    }
}

#[test]
fn a_full_device_is_an_error() {
    let folder = Folder::new("full");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_base"))
        .args(["seq", "3"])
        .stdout(full)
        .current_dir(&folder.0)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr, b"seq: write error: No space left on device\n");
}

#[test]
fn words_and_paths_are_computed() {
    let folder = Folder::new("words");
    assert_eq!(folder.out("seq 3"), "1\n2\n3\n");
    assert_eq!(folder.out("seq 5 -2 0"), "5\n3\n1\n");
    assert_eq!(folder.out("seq 9223372036854775806 9223372036854775807").lines().count(), 2);
    assert_eq!(folder.out("basename /a/b.rs .rs"), "b\n");
    assert_eq!(folder.out("basename /"), "/\n");
    assert_eq!(folder.out("basename a/b/"), "b\n");
    assert_eq!(folder.out("dirname /a/b a /a a/b/ /"), "/a\n.\n/\na\n/\n");
}

#[test]
fn programs_over_their_words_alone_answer() {
    let folder = Folder::new("alone");
    assert_eq!(folder.out("echo a  b"), "a  b\n");
    assert_eq!(folder.out("env -i A=1 B=2"), "A=1\nB=2\n");
    assert_eq!(folder.out("env -i A=1 /bin/sh -c echo"), "\n");
    assert_eq!(
        folder.fails("env no-such-program", 127),
        "env: no-such-program: No such file or directory\n"
    );
    assert!(folder.out("pwd").contains("base-run"));
    assert!(folder.out("date +%Y-%%").ends_with("-%\n"));
    assert_eq!(folder.out("sleep 0 0.01"), "");
    assert!(folder.out("which sh").ends_with("/sh\n"));
    assert_eq!(folder.fails("which none", 1), "which: none: not found\n");
    assert_eq!(folder.run("true").2, 0);
    assert_eq!(folder.run("false").2, 1);
    assert!(folder.out("kill -l").starts_with("HUP INT"));
    assert!(folder.out("uname -m").ends_with("64\n"));
    assert_eq!(folder.out("id -u").trim(), fs::metadata("/proc/self").unwrap().uid().to_string());
}
