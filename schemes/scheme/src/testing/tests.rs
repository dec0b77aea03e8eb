//! Whole schemes that answer at once, through the whole loop.

use redox::error::{
    EBADF, EINVAL, ENAMETOOLONG, ENOENT, ENOSYS, ENOTDIR, ENOTTY, EPERM, Error, Result,
};

use super::Fake;
use crate::{BUFFER_BYTES, Context, Opened, Scheme, op};

mod late;
mod wild;

fn error<T>(errno: i32) -> Result<T> {
    Err(Error::new(errno))
}

/// Answers at once; remembers who asked last.
#[derive(Default)]
struct Notes {
    text: Vec<u8>,
    last: Context,
    closed: Vec<String>,
}

impl Scheme for Notes {
    type Open = String;

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<String>> {
        self.last = *context;
        match path {
            "" | "note" => Ok(Opened::file(path.to_owned())),
            "cookie" => Ok(Opened::stream(path.to_owned()).with_cookie(77)),
            _ => error(ENOENT),
        }
    }

    fn open_at(
        &mut self,
        directory: &mut String,
        path: &str,
        context: &Context,
    ) -> Result<Opened<String>> {
        self.last = *context;
        Ok(Opened::file(format!("{directory}/{path}")))
    }

    fn close(&mut self, open: String) {
        self.closed.push(open);
    }

    fn read(
        &mut self,
        _open: &mut String,
        buf: &mut [u8],
        offset: u64,
        context: &Context,
    ) -> Result<usize> {
        self.last = *context;
        let from = usize::try_from(offset).ok().and_then(|at| self.text.get(at..));
        let from = from.unwrap_or_default();
        Ok(buf.iter_mut().zip(from).map(|(to, from)| *to = *from).count())
    }

    fn write(
        &mut self,
        _open: &mut String,
        buf: &[u8],
        _offset: u64,
        context: &Context,
    ) -> Result<usize> {
        self.last = *context;
        self.text.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn path(&mut self, open: &mut String) -> Result<String> {
        Ok(open.clone())
    }

    fn list(
        &mut self,
        _open: &mut String,
        position: u64,
        entries: &mut crate::Entries<'_>,
    ) -> Result<()> {
        let names = ["one", "two", "three", "four"];
        for (number, name) in (1..).zip(names).skip(usize::try_from(position).unwrap_or(4)) {
            if !entries.push(number, number, redox::dirent::DirentKind::Regular, name) {
                break;
            }
        }
        Ok(())
    }

    fn rename(
        &mut self,
        open: &mut String,
        directory: Option<&mut String>,
        path: &str,
        _context: &Context,
    ) -> Result<()> {
        *open = format!("{}>{path}", directory.map_or("root", |directory| directory));
        Ok(())
    }

    fn call(
        &mut self,
        _open: &mut String,
        buf: &mut [u8],
        words: [u64; 2],
        _context: &Context,
    ) -> Result<u64> {
        buf.reverse();
        Ok(words[0].wrapping_add(words[1]))
    }
}

#[test]
fn a_file_is_opened_written_read_and_closed() {
    let mut notes = Fake::new(Notes::default());
    notes.caller = (42, 1000, 100);
    let id = notes.open("note", redox::flag::O_RDWR).unwrap();

    assert_eq!(notes.write(id, b"hello", 0), Ok(5));
    assert_eq!(notes.read(id, 100, 1), Ok(b"ello".to_vec()));
    let last = notes.scheme().last;
    assert_eq!((last.pid, last.uid, last.gid, last.id), (42, 1000, 100, id));
    notes.close(id);

    assert_eq!(notes.scheme().closed, ["note"]);
    assert_eq!(notes.read(id, 1, 0), error(EBADF));
    assert_eq!(notes.open("other", 0), error(ENOENT));
}

#[test]
fn an_open_learns_its_flags_and_the_id_that_it_gets() {
    let mut notes = Fake::new(Notes::default());
    let first = notes.open("note", redox::flag::O_CREAT | 0o640).unwrap();
    let last = notes.scheme().last;
    assert_eq!(
        (last.id, last.flags),
        (first, u64::try_from(redox::flag::O_CREAT | 0o640).unwrap())
    );

    let below = notes.open_at(first, "x/y", 0).unwrap();
    assert!(below.positioned);
    assert_eq!(notes.scheme().last.id, below.value);
    let path = notes.request(op::PATH, below.value, [0, 4096, 0, 0], &[]).unwrap();
    assert_eq!(path.bytes, b"note/x/y");
}

#[test]
fn an_id_is_used_again_only_after_its_close() {
    let mut notes = Fake::new(Notes::default());
    let ids: Vec<u64> = (0..20).map(|_| notes.open("note", 0).unwrap()).collect();
    assert_eq!(ids, (1..=20).collect::<Vec<u64>>());
    notes.close(7);
    notes.close(7);
    assert_eq!(notes.open("note", 0), Ok(7));
    assert_eq!(notes.open("note", 0), Ok(21));
}

#[test]
fn a_cookie_travels_with_the_open() {
    let mut notes = Fake::new(Notes::default());
    let opened = notes.open_at(0, "cookie", 0).unwrap();
    assert_eq!((opened.cookie, opened.positioned, opened.content), (77, false, None));
}

#[test]
fn input_larger_than_a_slot_is_pulled() {
    let mut notes = Fake::new(Notes::default());
    let id = notes.open("note", 0).unwrap();
    let long: Vec<u8> = (0..10_000u32).map(|n| n.to_le_bytes()[0]).collect();
    assert_eq!(notes.write(id, &long, 0), Ok(10_000));
    assert_eq!(notes.scheme().text, long);

    assert_eq!(notes.read(id, 10_000, 0), Ok(long.clone()), "longer than a slot");
    assert_eq!(notes.read(id, 10_000, 9_000), Ok(long[9_000..].to_vec()), "shorter in the end");
    assert_eq!(notes.read(id, 4096, 100), Ok(long[100..4196].to_vec()), "a slot exactly");
}

#[test]
fn one_request_moves_a_buffer_at_most() {
    let mut notes = Fake::new(Notes::default());
    let id = notes.open("note", 0).unwrap();
    let long = vec![7; BUFFER_BYTES + 1];
    assert_eq!(notes.write(id, &long, 0), Ok(u64::try_from(BUFFER_BYTES).unwrap()));
    assert_eq!(notes.read(id, long.len(), 0).unwrap().len(), BUFFER_BYTES);
}

#[test]
fn a_directory_is_listed_in_parts() {
    let mut notes = Fake::new(Notes::default());
    let id = notes.open("", 0).unwrap();
    for len in [4096, 64, 32] {
        assert_eq!(
            notes.list(id, len),
            Ok(["four", "one", "three", "two"].map(String::from).to_vec())
        );
    }
    assert_eq!(notes.list(id, 10), error(EINVAL));
}

#[test]
fn a_rename_sees_its_directory_and_not_itself() {
    let mut notes = Fake::new(Notes::default());
    let (file, directory) = (notes.open("note", 0).unwrap(), notes.open("", 0).unwrap());
    notes.open_at(file, "x", 0).unwrap();
    notes.request(op::RENAME, file, [0, 0, 0, 0], b"new").unwrap();
    let path = notes.request(op::PATH, file, [0, 4096, 0, 0], &[]).unwrap();
    assert_eq!(path.bytes, b"root>new");
    notes.request(op::RENAME, file, [0, 0, directory, 0], b"new").unwrap();
    let itself = notes.request(op::RENAME, file, [0, 0, file, 0], b"new");
    assert_eq!(itself.map(|_| ()), error(EINVAL));
    let nowhere = notes.request(op::RENAME, file, [0, 0, 99, 0], b"new");
    assert_eq!(nowhere.map(|_| ()), error(EINVAL));
}

#[test]
fn a_call_gives_the_whole_buffer_back() {
    let mut notes = Fake::new(Notes::default());
    let id = notes.open("note", 0).unwrap();
    let answer = notes.request(op::CALL, id, [0, 0, 3, 4], b"abc").unwrap();
    assert_eq!((answer.value, answer.bytes), (7, b"cba".to_vec()));
    let long = notes.request(op::CALL, id, [0, 0, 3, 4], &[0; 4097]);
    assert_eq!(long.map(|_| ()), error(EINVAL));
}

#[test]
fn paths_that_are_none_are_refused() {
    let mut notes = Fake::new(Notes::default());
    for (path, errno) in [(&b"a\0b"[..], EINVAL), (b"\xFF", EINVAL), (&[b'a'; 4096], ENAMETOOLONG)]
    {
        let opened = notes.request(op::OPEN_AT, 0, [0; 4], path);
        assert_eq!(opened.map(|_| ()), error(errno));
    }
}

/// Knows only how to open.
struct Bare;

impl Scheme for Bare {
    type Open = ();

    fn open(&mut self, _path: &str, _context: &Context) -> Result<Opened<()>> {
        Ok(Opened::stream(()))
    }
}

#[test]
#[expect(clippy::cognitive_complexity, reason = "a list of single questions")]
fn what_a_scheme_does_not_know_has_the_right_errno() {
    let mut bare = Fake::new(Bare);
    let id = bare.open("", 0).unwrap();
    let mut errno = |opcode, input: &[u8]| {
        let answer = bare.request(opcode, id, [0, 100, 0, 0], input);
        answer.map(|answer| answer.value).map_err(|error| error.errno)
    };
    assert_eq!(errno(op::READ, b""), Err(EINVAL));
    assert_eq!(errno(op::WRITE, b"x"), Err(EINVAL));
    assert_eq!(errno(op::STAT, b""), Ok(100));
    assert_eq!(errno(op::STAT_VFS, b""), Ok(32));
    assert_eq!(errno(op::PATH, b""), Ok(0));
    assert_eq!(errno(op::LIST, b""), Err(ENOTDIR));
    assert_eq!(errno(op::SYNC, b""), Ok(0));
    assert_eq!(errno(op::TRUNCATE, b""), Err(EINVAL));
    assert_eq!(errno(op::CHMOD, b""), Err(EPERM));
    assert_eq!(errno(op::CHOWN, b""), Err(EPERM));
    assert_eq!(errno(op::SET_TIMES, &[0; 32]), Err(EPERM));
    assert_eq!(errno(op::SET_TIMES, &[0; 31]), Err(EINVAL));
    assert_eq!(errno(op::UNLINK_AT, b"x"), Err(EPERM));
    assert_eq!(errno(op::RENAME, b"x"), Err(EPERM));
    assert_eq!(errno(op::LINK, b"x"), Err(EPERM));
    assert_eq!(errno(op::EVENT, b""), Ok(0));
    assert_eq!(errno(op::CALL, b"x"), Err(ENOTTY));
    assert_eq!(errno(op::DUP, b"x"), Err(EINVAL));
    assert_eq!(errno(200, b""), Err(ENOSYS));
    assert_eq!(bare.open_at(id, "x", 0).map(|_| ()), error(ENOTDIR));
    assert_eq!(bare.stat(id).unwrap().st_mode, redox::flag::MODE_CHR | 0o666);
}
