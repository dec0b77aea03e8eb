//! Files and directories, in a directory of our own below the temporary one.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process,
};

use super::{Outcome, Test, check};

pub(super) const TESTS: &[Test] = &[
    ("a_file_gives_back_what_was_written", a_file_gives_back_what_was_written),
    ("a_file_is_read_and_written_anywhere", a_file_is_read_and_written_anywhere),
    ("opening_respects_its_options", opening_respects_its_options),
    ("lines_are_read_one_by_one", lines_are_read_one_by_one),
    ("directories_are_made_listed_and_removed", directories_are_made_listed_and_removed),
    ("names_are_moved_and_linked", names_are_moved_and_linked),
    ("the_current_directory_is_where_names_start", the_current_directory_is_where_names_start),
    ("devices_are_there", devices_are_there),
    ("a_colon_may_be_in_a_file_name", a_colon_may_be_in_a_file_name),
];

/// A fresh directory, removed at the end.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> io::Result<Self> {
        let path = env::temp_dir().join(format!("stdtest-{}-{name}", process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            println!("{}: {error}", self.0.display());
        }
    }
}

fn a_file_gives_back_what_was_written() -> Outcome {
    let scratch = Scratch::new("write")?;
    let path = scratch.join("file");
    let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(&path, &text)?;
    check(fs::read(&path)? == text, "a file changed")?;
    let facts = fs::metadata(&path)?;
    check(facts.len() == 400_000 && facts.is_file(), "a file's size or kind is wrong")?;
    check(facts.modified()?.elapsed().is_ok(), "a file is from the future")?;
    fs::copy(&path, scratch.join("copy"))?;
    check(fs::read(scratch.join("copy"))? == text, "a copy differs")
}

fn a_file_is_read_and_written_anywhere() -> Outcome {
    let scratch = Scratch::new("seek")?;
    let path = scratch.join("file");
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
    file.write_all(b"0123456789")?;
    file.seek(SeekFrom::Start(3))?;
    let mut three = [0; 3];
    file.read_exact(&mut three)?;
    check(&three == b"345" && file.stream_position()? == 6, "a read after a seek")?;
    file.write_at(b"xy", 1)?;
    file.read_exact_at(&mut three, 0)?;
    check(&three == b"0xy" && file.stream_position()? == 6, "positioned calls moved the offset")?;
    file.set_len(4)?;
    file.sync_all()?;
    check(fs::read(&path)? == b"0xy3", "a truncated file")?;
    let mut twin = file.try_clone()?;
    twin.seek(SeekFrom::End(-1))?;
    check(file.stream_position()? == 3, "a duplicate has an offset of its own")
}

fn opening_respects_its_options() -> Outcome {
    let scratch = Scratch::new("open")?;
    let path = scratch.join("file");
    File::create_new(&path)?.write_all(b"one")?;
    let again = File::create_new(&path).map(drop).map_err(|error| error.kind());
    check(again == Err(io::ErrorKind::AlreadyExists), "an existing file was created anew")?;
    OpenOptions::new().append(true).open(&path)?.write_all(b" two")?;
    check(fs::read_to_string(&path)? == "one two", "an append did not append")?;
    let mut reader = File::open(&path)?;
    check(reader.write_all(b"x").is_err(), "a file opened to read was written")?;
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    check(text == "one two", "a file opened to read has changed")?;
    File::create(&path)?;
    check(fs::metadata(&path)?.len() == 0, "creating did not empty the file")
}

fn lines_are_read_one_by_one() -> Outcome {
    let scratch = Scratch::new("lines")?;
    let path = scratch.join("file");
    let mut file = io::BufWriter::new(File::create(&path)?);
    for number in 0..5000 {
        writeln!(file, "line {number}")?;
    }
    file.flush()?;
    let lines: io::Result<Vec<String>> = BufReader::new(File::open(&path)?).lines().collect();
    let lines = lines?;
    let last = lines.last().map(String::as_str);
    check(lines.len() == 5000 && last == Some("line 4999"), "a line was lost")
}

fn directories_are_made_listed_and_removed() -> Outcome {
    let scratch = Scratch::new("dirs")?;
    fs::create_dir_all(scratch.join("a/b/c"))?;
    for number in 0..300 {
        File::create(scratch.join(&format!("a/file{number:03}")))?;
    }
    let mut names = Vec::new();
    let mut directories = Vec::new();
    for entry in fs::read_dir(scratch.join("a"))? {
        let entry = entry?;
        directories.extend(entry.file_type()?.is_dir().then(|| entry.file_name()));
        names.push(entry.file_name().into_string().map_err(|_| "a name is not UTF-8")?);
    }
    names.sort();
    check(names.len() == 301 && directories == ["b"], "a directory lists too few or too many")?;
    check(names.last().is_some_and(|name| name == "file299"), "a name is wrong")?;
    check(fs::remove_dir(scratch.join("a")).is_err(), "a full directory was removed")?;
    fs::remove_dir_all(scratch.join("a"))?;
    check(!scratch.join("a").exists(), "a removed directory is still there")?;
    check(fs::read_dir(scratch.join("a")).is_err(), "a removed directory was listed")
}

fn names_are_moved_and_linked() -> Outcome {
    let scratch = Scratch::new("names")?;
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    fs::write(&one, b"1")?;
    fs::write(&two, b"2")?;
    fs::rename(&one, &two)?;
    check(fs::read(&two)? == b"1" && !one.exists(), "a rename did not replace")?;
    symlink("two", &one)?;
    check(fs::read_link(&one)? == Path::new("two"), "a link's target is wrong")?;
    check(fs::read(&one)? == b"1", "a link was not followed")?;
    check(fs::symlink_metadata(&one)?.is_symlink(), "a link is not a link")?;
    check(fs::canonicalize(&one)? == fs::canonicalize(&two)?, "canonical paths differ")?;
    fs::remove_file(&one)?;
    check(two.exists(), "removing a link removed its target")?;
    fs::set_permissions(&two, fs::Permissions::from_mode(0o640))?;
    check(fs::metadata(&two)?.mode() & 0o777 == 0o640, "the mode was not set")
}

fn the_current_directory_is_where_names_start() -> Outcome {
    let scratch = Scratch::new("cwd")?;
    let before = env::current_dir()?;
    fs::write(scratch.join("here"), b"here")?;
    env::set_current_dir(&scratch.0)?;
    let found = fs::read("here");
    let now = env::current_dir()?;
    let same = fs::canonicalize(".")?;
    env::set_current_dir(&before)?;
    check(found? == b"here", "a relative name was not found")?;
    check(now == fs::canonicalize(&scratch.0)? && now == same, "the directory's name is wrong")?;
    check(env::current_dir()? == before, "there is no way back")
}

fn devices_are_there() -> Outcome {
    let mut some = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut some)?;
    let mut more = [0; 32];
    File::open("/scheme/rand")?.read_exact(&mut more)?;
    check(some != more && some != [0; 32], "random bytes repeat")?;
    let mut null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    null.write_all(b"nothing")?;
    check(null.read(&mut some)? == 0, "null gave something")?;
    File::open("/dev/zero")?.read_exact(&mut some)?;
    check(some == [0; 32], "zero gave something else")
}

fn a_colon_may_be_in_a_file_name() -> Outcome {
    let scratch = Scratch::new("colon")?;
    let before = env::current_dir()?;
    env::set_current_dir(&scratch.0)?;
    let written = fs::write("12:30.log", b"noon");
    let read = fs::read(scratch.join("12:30.log"));
    env::set_current_dir(&before)?;
    written?;
    check(read? == b"noon", "a name with a colon went elsewhere")
}
