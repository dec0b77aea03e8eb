//! The args object: packed for `exec`, taken apart at the start of a program.

use anode_abi::args::{ABI_VERSION, MAGIC, MAX_BYTES};
use anode_abi::number::NONE;

/// Bytes of the header: 16 words.
const HEADER: usize = 128;

/// What a program is told besides its arguments and environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Canonical path of the working directory.
    pub cwd: &'a [u8],
    /// Handle on it, if there is one.
    pub cwd_handle: Option<i32>,
    /// File mode creation mask.
    pub umask: i32,
    /// Ignored signals.
    pub ignored: u64,
    /// Blocked signals of the first thread.
    pub blocked: u64,
}

/// An args object, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args<'a> {
    /// Number of arguments.
    pub argc: usize,
    /// The arguments, each with its NUL.
    pub argv: &'a [u8],
    /// Number of environment strings.
    pub envc: usize,
    /// The environment, each with its NUL.
    pub env: &'a [u8],
    /// The rest.
    pub facts: Facts<'a>,
}

/// Bytes of the object for these strings (each counted with its NUL).
///
/// `None` when it would be larger than an args object may be.
#[must_use]
pub fn size(argv: usize, env: usize, cwd: &[u8]) -> Option<usize> {
    let parts = [argv, env, cwd.len(), 1];
    let sum = parts.iter().try_fold(HEADER, |sum, part| sum.checked_add(*part))?;
    (sum <= MAX_BYTES).then_some(sum)
}

/// Writes an args object; the strings come with their NULs.
///
/// `None` when the buffer is too small.
pub fn pack<'s>(
    buffer: &mut [u8],
    argv: impl Iterator<Item = &'s [u8]>,
    env: impl Iterator<Item = &'s [u8]>,
    facts: &Facts<'_>,
) -> Option<()> {
    let (header, strings) = buffer.split_at_mut_checked(HEADER)?;
    let mut strings = Strings { bytes: strings, at: HEADER };
    let argv_at = strings.at;
    let argc = strings.put_all(argv)?;
    let env_at = strings.at;
    let envc = strings.put_all(env)?;
    let cwd_at = strings.at;
    strings.put(facts.cwd)?;
    strings.put(b"\0")?;
    let parts = [strings.at, argc, argv_at, envc, env_at, cwd_at];
    put_header(header, parts, facts);
    Some(())
}

/// The place for strings, and how far into the object they reach.
struct Strings<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Strings<'_> {
    fn put(&mut self, text: &[u8]) -> Option<()> {
        let (own, rest) = core::mem::take(&mut self.bytes).split_at_mut_checked(text.len())?;
        own.copy_from_slice(text);
        self.bytes = rest;
        self.at = self.at.checked_add(text.len())?;
        Some(())
    }

    /// Puts all of them; gives how many they are.
    fn put_all<'s>(&mut self, mut texts: impl Iterator<Item = &'s [u8]>) -> Option<usize> {
        texts.try_fold(0_usize, |count, text| {
            self.put(text)?;
            count.checked_add(1)
        })
    }
}

/// Writes the header: whole length, argc, argv, envc, env and cwd, then the facts.
fn put_header(header: &mut [u8], parts: [usize; 6], facts: &Facts<'_>) {
    let wide = |word: usize| u64::try_from(word).unwrap_or(u64::MAX);
    let [bytes, argc, argv, envc, env, cwd] = parts.map(wide);
    let fd = facts.cwd_handle.and_then(|fd| usize::try_from(fd).ok());
    let (fd, umask) = (wide(fd.unwrap_or(NONE)), u64::from(facts.umask.cast_unsigned()));
    let (ignored, blocked) = (facts.ignored, facts.blocked);
    let words = [
        [MAGIC, ABI_VERSION, bytes, argc],
        [argv, envc, env, cwd],
        [fd, umask, ignored, blocked],
        [0; 4],
    ];
    for (place, word) in header.as_chunks_mut().0.iter_mut().zip(words.as_flattened()) {
        *place = word.to_le_bytes();
    }
}

/// Takes an args object apart.
///
/// `None` when it is not one: wrong magic, a part that lies outside or out of order, or fewer
/// strings than it counts.
#[must_use]
pub fn unpack(object: &[u8]) -> Option<Args<'_>> {
    let words = words(object.first_chunk()?);
    let [magic, _version, bytes, argc, argv, envc, env, cwd, handle, umask, ignored, blocked, ..] =
        words;
    let place = |word: u64| usize::try_from(word).unwrap_or(usize::MAX);
    let object = object.get(..place(bytes)).filter(|_| magic == MAGIC)?;
    let cwd_text = object.get(place(cwd)..)?;
    let facts = Facts {
        cwd: cwd_text.split(|byte| *byte == 0).next().unwrap_or_default(),
        cwd_handle: i32::try_from(handle).ok(),
        umask: i32::try_from(umask & 0o777).unwrap_or(0),
        ignored,
        blocked,
    };
    let argv = object.get(place(argv)..place(env))?;
    let env = object.get(place(env)..place(cwd))?;
    let args = Args { argc: place(argc), argv, envc: place(envc), env, facts };
    (has(argv, args.argc) && has(env, args.envc)).then_some(args)
}

/// Whether at least `count` strings lie in `text`.
fn has(text: &[u8], count: usize) -> bool {
    text.iter().filter(|byte| **byte == 0).count() >= count
}

fn words(header: &[u8; HEADER]) -> [u64; 16] {
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(header.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{Args, Facts, pack, size, unpack};
    use std::vec;
    use std::vec::Vec;

    const FACTS: Facts<'static> =
        Facts { cwd: b"/home", cwd_handle: Some(512), umask: 0o22, ignored: 1 << 12, blocked: 2 };

    fn packed() -> Vec<u8> {
        let mut object = vec![0; size(6, 4, b"/home").unwrap()];
        let argv = [&b"ls\0"[..], b"-l\0"];
        pack(&mut object, argv.into_iter(), [&b"A=b\0"[..]].into_iter(), &FACTS).unwrap();
        object
    }

    #[test]
    fn what_is_packed_is_what_is_unpacked() {
        let expected = Args { argc: 2, argv: b"ls\0-l\0", envc: 1, env: b"A=b\0", facts: FACTS };
        assert_eq!(unpack(&packed()), Some(expected));
    }

    #[test]
    fn no_handle_stays_no_handle() {
        let mut object = vec![0; size(0, 0, b"/").unwrap()];
        let facts = Facts { cwd: b"/", cwd_handle: None, ..FACTS };
        pack(&mut object, [].into_iter(), [].into_iter(), &facts).unwrap();
        assert_eq!(unpack(&object).unwrap().facts, facts);
    }

    #[test]
    fn too_much_is_refused() {
        assert_eq!(size(1 << 20, 0, b"/"), None);
        assert_eq!(size(usize::MAX, usize::MAX, b"/"), None);
        let argv = [&b"longer than the buffer\0"[..]];
        assert_eq!(pack(&mut [0; 130], argv.into_iter(), [].into_iter(), &FACTS), None);
    }

    #[test]
    fn mutated_objects_never_panic() {
        let good = packed();
        for end in 0..good.len() {
            assert_eq!(unpack(&good[..end]), None, "cut at {end}");
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                let taken = unpack(&bad);
                assert!(taken.is_none_or(|args| args.argv.len() < bad.len()));
            }
        }
    }
}
