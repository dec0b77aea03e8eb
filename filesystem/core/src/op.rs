//! The operations that change a volume: what is done, logged, and done again after a crash.

use alloc::vec::Vec;

use zerocopy::IntoBytes as _;

use crate::error::Flaw;
use crate::format::{Bytes, Class, Kind, Ptr};
use crate::num::{narrow, wide};

/// What a new file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct New {
    /// What it is; a symbolic link has its own way.
    pub kind: Kind,
    /// Permission bits of POSIX.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What is to be changed of a file's attributes; none: as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits.
    pub mode: Option<u16>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Time of last access.
    pub accessed: Option<i64>,
    /// Time of last change of the content.
    pub modified: Option<i64>,
}

/// Where a name is: the directory, and the name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) directory: u64,
    pub(crate) name: Vec<u8>,
}

/// An operation. `keep`: the file that loses its last name is open, and goes when it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Create {
        at: Place,
        new: New,
        target: Vec<u8>,
    },
    Link {
        at: Place,
        ino: u64,
    },
    Unlink {
        at: Place,
        keep: bool,
    },
    RemoveDirectory {
        at: Place,
        keep: bool,
    },
    Rename {
        from: Place,
        to: Place,
        keep: bool,
    },
    Attributes {
        ino: u64,
        new: Attributes,
    },
    Truncate {
        ino: u64,
        size: u64,
    },
    Write {
        ino: u64,
        offset: u64,
        data: Vec<u8>,
    },
    /// Records that were written to their places before.
    Records {
        ino: u64,
        first: u64,
        end: u64,
        ptrs: Vec<Ptr>,
    },
}

/// An operation and when it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) time: i64,
    pub(crate) op: Op,
}

/// The bytes of a record.
#[derive(Debug, Default)]
struct Sink(Vec<u8>);

impl Sink {
    fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    fn word(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn long(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn run(&mut self, bytes: &[u8]) {
        self.word(narrow(bytes.len()));
        self.0.extend_from_slice(bytes);
    }

    fn place(&mut self, place: &Place) {
        self.long(place.directory);
        self.run(&place.name);
    }

    /// Whether there is a number, and the number.
    fn maybe(&mut self, value: Option<u64>) {
        self.byte(value.is_some().into());
        self.long(value.unwrap_or_default());
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Create { at, new, target } => {
                self.byte(1);
                self.place(at);
                self.byte(new.kind.number());
                self.word(new.mode.into());
                self.word(new.uid);
                self.word(new.gid);
                self.run(target);
            }
            Op::Link { at, ino } => {
                self.byte(2);
                self.place(at);
                self.long(*ino);
            }
            Op::Unlink { at, keep } => {
                self.byte(3);
                self.place(at);
                self.byte((*keep).into());
            }
            Op::RemoveDirectory { at, keep } => {
                self.byte(4);
                self.place(at);
                self.byte((*keep).into());
            }
            Op::Rename { from, to, keep } => {
                self.byte(5);
                self.place(from);
                self.place(to);
                self.byte((*keep).into());
            }
            Op::Attributes { .. } | Op::Truncate { .. } | Op::Write { .. } | Op::Records { .. } => {
                self.file_op(op);
            }
        }
    }

    fn file_op(&mut self, op: &Op) {
        match op {
            Op::Attributes { ino, new } => {
                self.byte(6);
                self.long(*ino);
                self.maybe(new.mode.map(u64::from));
                self.maybe(new.uid.map(u64::from));
                self.maybe(new.gid.map(u64::from));
                self.maybe(new.accessed.map(i64::cast_unsigned));
                self.maybe(new.modified.map(i64::cast_unsigned));
            }
            Op::Truncate { ino, size } => {
                self.byte(7);
                self.long(*ino);
                self.long(*size);
            }
            Op::Write { ino, offset, data } => {
                self.byte(8);
                self.long(*ino);
                self.long(*offset);
                self.run(data);
            }
            Op::Records { ino, first, end, ptrs } => {
                self.byte(9);
                self.long(*ino);
                self.long(*first);
                self.long(*end);
                self.word(narrow(ptrs.len()));
                ptrs.iter().for_each(|ptr| self.0.extend_from_slice(ptr.raw().as_bytes()));
            }
            Op::Create { .. }
            | Op::Link { .. }
            | Op::Unlink { .. }
            | Op::RemoveDirectory { .. }
            | Op::Rename { .. } => {}
        }
    }
}

impl Record {
    /// What is in the log for it: its length, then itself.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut sink = Sink::default();
        sink.long(self.time.cast_unsigned());
        sink.op(&self.op);
        let mut bytes = narrow(sink.0.len()).to_le_bytes().to_vec();
        bytes.append(&mut sink.0);
        bytes
    }

    /// Takes one from the front; none if the rest is only the beginning of one.
    pub(crate) fn take(rest: &mut Bytes<'_>) -> Result<Option<Self>, Flaw> {
        let mut probe = *rest;
        let Ok(body) = probe.run() else { return Ok(None) };
        *rest = probe;
        let mut body = Bytes(body);
        let time = body.long()?.cast_signed();
        let op = op(&mut body)?;
        body.end()?;
        Ok(Some(Self { time, op }))
    }
}

fn op(body: &mut Bytes<'_>) -> Result<Op, Flaw> {
    Ok(match body.byte()? {
        1 => {
            let at = place(body)?;
            let kind = Kind::of(body.byte()?)?;
            let mode = u16::try_from(body.word()?).map_err(|_| Flaw::Value)?;
            let new = New { kind, mode, uid: body.word()?, gid: body.word()? };
            Op::Create { at, new, target: body.run()?.into() }
        }
        2 => Op::Link { at: place(body)?, ino: body.long()? },
        3 => Op::Unlink { at: place(body)?, keep: flag(body)? },
        4 => Op::RemoveDirectory { at: place(body)?, keep: flag(body)? },
        5 => Op::Rename { from: place(body)?, to: place(body)?, keep: flag(body)? },
        6 => {
            let ino = body.long()?;
            let mode = narrowed(maybe(body)?)?;
            let (uid, gid) = (narrowed(maybe(body)?)?, narrowed(maybe(body)?)?);
            let accessed = maybe(body)?.map(u64::cast_signed);
            let modified = maybe(body)?.map(u64::cast_signed);
            Op::Attributes { ino, new: Attributes { mode, uid, gid, accessed, modified } }
        }
        7 => Op::Truncate { ino: body.long()?, size: body.long()? },
        8 => Op::Write { ino: body.long()?, offset: body.long()?, data: body.run()?.into() },
        9 => records(body)?,
        _ => return Err(Flaw::Value),
    })
}

fn records(body: &mut Bytes<'_>) -> Result<Op, Flaw> {
    let (ino, first, end) = (body.long()?, body.long()?, body.long()?);
    let count = u64::from(body.word()?);
    if count.checked_mul(wide(Ptr::SIZE)) != Some(wide(body.0.len())) {
        return Err(Flaw::Length);
    }
    let mut ptrs = Vec::new();
    for _ in 0..count {
        ptrs.push(Ptr::parse(body.take(Ptr::SIZE)?, Class::Data).map_err(|_| Flaw::Address)?);
    }
    Ok(Op::Records { ino, first, end, ptrs })
}

fn place(body: &mut Bytes<'_>) -> Result<Place, Flaw> {
    Ok(Place { directory: body.long()?, name: body.run()?.into() })
}

fn flag(body: &mut Bytes<'_>) -> Result<bool, Flaw> {
    match body.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Flaw::Value),
    }
}

fn maybe(body: &mut Bytes<'_>) -> Result<Option<u64>, Flaw> {
    let there = flag(body)?;
    let value = body.long()?;
    Ok(there.then_some(value))
}

fn narrowed<T: TryFrom<u64>>(value: Option<u64>) -> Result<Option<T>, Flaw> {
    value.map(|value| T::try_from(value).map_err(|_| Flaw::Value)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Places;

    fn samples() -> Vec<Op> {
        let place = |name: &str| Place { directory: 1, name: name.into() };
        let new = New { kind: Kind::File, mode: 0o644, uid: 1, gid: 2 };
        let attributes =
            Attributes { mode: Some(0o600), modified: Some(-3), ..Attributes::default() };
        let at = Places { block: 99, second: 0 };
        let ptr = Ptr::to(1, Class::Data, 7, at, &[0; 4 * crate::BLOCK]);
        alloc::vec![
            Op::Create { at: place("a"), new, target: b"b/c".to_vec() },
            Op::Link { at: place("a"), ino: 3 },
            Op::Unlink { at: place("a"), keep: true },
            Op::RemoveDirectory { at: place("a"), keep: false },
            Op::Rename { from: place("a"), to: place("b"), keep: false },
            Op::Attributes { ino: 2, new: attributes },
            Op::Truncate { ino: 2, size: 1 << 40 },
            Op::Write { ino: 2, offset: 9, data: b"content".to_vec() },
            Op::Records { ino: 2, first: 1, end: 40_000, ptrs: alloc::vec![ptr; 3] },
        ]
    }

    #[test]
    fn what_is_logged_is_read_again_and_a_beginning_is_none() {
        for op in samples() {
            let record = Record { time: -5, op };
            let bytes = record.encode();
            let mut rest = Bytes(&bytes);
            assert_eq!(Record::take(&mut rest), Ok(Some(record)));
            assert!(rest.0.is_empty());
            for end in 0..bytes.len() {
                assert_eq!(Record::take(&mut Bytes(&bytes[..end])), Ok(None));
            }
        }
    }

    #[test]
    fn no_changed_byte_of_a_record_is_more_than_an_error() {
        for op in samples() {
            let whole = Record { time: 1, op }.encode();
            for at in 0..whole.len() * 8 {
                let mut bytes = whole.clone();
                bytes[at / 8] ^= 1 << (at % 8);
                let read = Record::take(&mut Bytes(&bytes)).ok().flatten();
                let again = read.clone().map(|read| Record::take(&mut Bytes(&read.encode())));
                assert_eq!(again, read.map(|read| Ok(Some(read))));
            }
        }
    }
}
