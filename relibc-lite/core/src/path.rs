//! What a path names, before anything is looked up.
//!
//! `NAME:rest` and `/scheme/NAME/rest` are the same thing; `/dev/null` and its like are
//! mapped here, so they work on a system that has no such files. Whether `NAME:` is a scheme
//! at all only the namespace knows, so that form stays a [`Place::Maybe`].

use crate::consts::PATH_MAX;
use crate::errno::{ENAMETOOLONG, ENOENT, Result};
use core::ffi::CStr;

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// A whole path that begins with a slash: in a scheme by its name, or in the file system.
    Absolute(&'a CStr),
    /// `NAME:rest`: a scheme if the namespace has `NAME`, else a file of that whole name.
    Maybe {
        /// What stands before the colon.
        name: &'a [u8],
        /// The whole.
        whole: &'a CStr,
    },
    /// From the current directory, or the directory handle that was given.
    Relative(&'a CStr),
    /// One of the standard streams, by number.
    Stream(i32),
}

/// Takes a path apart.
///
/// # Errors
///
/// - `ENOENT`: the path is empty.
/// - `ENAMETOOLONG`: it has [`PATH_MAX`] bytes or more.
pub fn place(path: &CStr) -> Result<Place<'_>> {
    let bytes = path.to_bytes();
    if bytes.is_empty() {
        return Err(ENOENT);
    }
    if bytes.len() >= PATH_MAX {
        return Err(ENAMETOOLONG);
    }
    if let Some(name) = bytes.strip_prefix(b"/dev/") {
        return Ok(device(name).unwrap_or(Place::Absolute(path)));
    }
    if bytes.starts_with(b"/") {
        return Ok(Place::Absolute(path));
    }
    Ok(match scheme_prefix(bytes) {
        Some(name) => Place::Maybe { name, whole: path },
        None => Place::Relative(path),
    })
}

/// The `NAME` of a path `NAME:rest`, if it looks like one.
#[must_use]
pub fn scheme_prefix(path: &[u8]) -> Option<&[u8]> {
    let end = path.iter().position(|byte| matches!(byte, b':' | b'/'))?;
    let name = path.get(..end)?;
    (path.get(end) == Some(&b':') && is_scheme_name(name)).then_some(name)
}

/// The name and the rest of `/scheme/NAME/rest` or `NAME:rest`; the rest has no leading slash.
#[must_use]
pub fn in_scheme(path: &CStr) -> Option<(&[u8], &CStr)> {
    let bytes = path.to_bytes();
    let (start, name) = match bytes.strip_prefix(b"/scheme/") {
        Some(below) => {
            let end = below.iter().position(|byte| *byte == b'/').unwrap_or(below.len());
            (8_usize, below.get(..end)?)
        }
        None => (0, scheme_prefix(bytes)?),
    };
    let after = start.checked_add(name.len())?;
    let rest = bytes.get(after..)?;
    let skipped = rest.iter().position(|byte| !matches!(byte, b'/' | b':')).unwrap_or(rest.len());
    is_scheme_name(name).then_some((name, tail(path, after.checked_add(skipped)?)))
}

/// Whether `name` may be the name of a scheme: letters, digits, `-`, `_`, `.` and `+`.
#[must_use]
pub fn is_scheme_name(name: &[u8]) -> bool {
    let is_ok = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(byte);
    !name.is_empty() && name != b"." && name != b".." && name.iter().all(is_ok)
}

/// The part of `path` from byte `start` on; empty past the end.
#[must_use]
pub fn tail(path: &CStr, start: usize) -> &CStr {
    let rest = path.to_bytes_with_nul().get(start..).unwrap_or(b"\0");
    CStr::from_bytes_with_nul(rest).unwrap_or(c"")
}

/// What stands behind a name in `/dev`.
fn device(name: &[u8]) -> Option<Place<'static>> {
    match name {
        b"null" => Some(Place::Absolute(c"/scheme/null")),
        b"zero" => Some(Place::Absolute(c"/scheme/zero")),
        b"random" | b"urandom" => Some(Place::Absolute(c"/scheme/rand")),
        b"tty" => Some(Place::Absolute(c"/scheme/tty")),
        b"stdin" => Some(Place::Stream(0)),
        b"stdout" => Some(Place::Stream(1)),
        b"stderr" => Some(Place::Stream(2)),
        _ => None,
    }
}

/// Ends of the prefixes of `path` that may be symbolic links, shortest first: each component's.
pub fn prefixes(path: &[u8]) -> impl Iterator<Item = usize> {
    let is_end = |at: usize| path.get(at).is_none_or(|byte| *byte == b'/');
    let is_name = |at: usize| at > 0 && path.get(at.saturating_sub(1)) != Some(&b'/');
    (0..=path.len()).filter(move |at| is_end(*at) && is_name(*at))
}

/// Where a link leads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leads {
    /// Its target is a whole path, or in a scheme.
    Away,
    /// Its target begins in the directory that holds it.
    Near,
}

/// Writes the path that remains when the link at `path[..end]` is replaced by its target, and
/// a NUL; `None` when it does not fit.
#[must_use]
pub fn follow<'b>(
    path: &[u8],
    end: usize,
    leads: Leads,
    target: &[u8],
    buffer: &'b mut [u8],
) -> Option<&'b CStr> {
    let directory = path.get(..end)?.iter().rposition(|byte| *byte == b'/');
    let directory = match (leads, directory) {
        (Leads::Away, _) => b"".as_slice(),
        // So that a target with a colon is not taken for a scheme's.
        (Leads::Near, None) => b"./",
        (Leads::Near, Some(slash)) => path.get(..=slash)?,
    };
    let mut room = buffer.iter_mut();
    for part in [directory, target, path.get(end..)?, b"\0"] {
        for byte in part {
            *room.next()? = *byte;
        }
    }
    CStr::from_bytes_until_nul(buffer).ok()
}

#[cfg(test)]
mod tests {
    use super::{Leads, Place, follow, in_scheme, place, prefixes};
    use crate::errno::{ENAMETOOLONG, ENOENT};
    use std::borrow::ToOwned;
    use std::ffi::{CStr, CString};
    use std::vec::Vec;

    #[test]
    fn both_forms_name_the_same_place_in_a_scheme() {
        let expected = Some((&b"disk"[..], c"0/p1"));
        assert_eq!(in_scheme(c"/scheme/disk/0/p1"), expected);
        assert_eq!(in_scheme(c"disk:0/p1"), expected);
        assert_eq!(in_scheme(c"disk:/0/p1"), expected);
        assert_eq!(in_scheme(c"/scheme/disk"), Some((&b"disk"[..], c"")));
        assert_eq!(in_scheme(c"/scheme/.."), None);
        assert_eq!(in_scheme(c"/tmp/disk:0"), None);
        assert_eq!(in_scheme(c"/scheme"), None);
    }

    #[test]
    fn a_colon_makes_a_scheme_only_at_the_end_of_a_plain_first_name() {
        let maybe = Place::Maybe { name: b"disk", whole: c"disk:0" };
        assert_eq!(place(c"disk:0"), Ok(maybe));
        assert_eq!(place(c"./disk:0"), Ok(Place::Relative(c"./disk:0")));
        assert_eq!(place(c"a b:c"), Ok(Place::Relative(c"a b:c")));
        assert_eq!(place(c":x"), Ok(Place::Relative(c":x")));
        assert_eq!(place(c"/tmp/12:30.log"), Ok(Place::Absolute(c"/tmp/12:30.log")));
    }

    #[test]
    fn devices_are_schemes_or_streams() {
        assert_eq!(place(c"/dev/null"), Ok(Place::Absolute(c"/scheme/null")));
        assert_eq!(place(c"/dev/urandom"), Ok(Place::Absolute(c"/scheme/rand")));
        assert_eq!(place(c"/dev/stderr"), Ok(Place::Stream(2)));
        assert_eq!(place(c"/dev/sda"), Ok(Place::Absolute(c"/dev/sda")));
        assert_eq!(place(c"/dev/null/x"), Ok(Place::Absolute(c"/dev/null/x")));
    }

    #[test]
    fn empty_and_overlong_paths_are_refused() {
        assert_eq!(place(c""), Err(ENOENT));
        let long = CString::new(std::vec![b'a'; 4096]).unwrap();
        assert_eq!(place(&long), Err(ENAMETOOLONG));
    }

    #[test]
    fn prefixes_end_where_components_do() {
        let ends = |path: &[u8]| prefixes(path).collect::<Vec<_>>();
        assert_eq!(ends(b"/a/bc/d"), [2, 5, 7]);
        assert_eq!(ends(b"a//b/"), [1, 4]);
        assert_eq!(ends(b"/"), []);
    }

    #[test]
    fn a_link_is_replaced_by_its_target() {
        let mut buffer = [0; 16];
        let mut becomes = |path: &[u8], end, leads, target: &[u8]| {
            follow(path, end, leads, target, &mut buffer).map(CStr::to_owned)
        };
        assert_eq!(becomes(b"/a/l/d", 4, Leads::Away, b"disk:0"), Some(c"disk:0/d".into()));
        assert_eq!(becomes(b"/a/l/d", 4, Leads::Near, b"../x:y"), Some(c"/a/../x:y/d".into()));
        assert_eq!(becomes(b"l", 1, Leads::Near, b"12:30"), Some(c"./12:30".into()));
        assert_eq!(
            becomes(b"/a/l", 4, Leads::Away, b"0123456789abcde"),
            Some(c"0123456789abcde".into())
        );
        assert_eq!(becomes(b"/a/l", 4, Leads::Away, b"0123456789abcdef"), None);
        assert_eq!(becomes(b"/a", 9, Leads::Near, b"x"), None);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut seed = 7_u32;
        for _ in 0..20_000 {
            let mut bytes = Vec::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                bytes.push(b"/:.scheme/dev\xff"[usize::try_from(seed >> 28).unwrap() % 14]);
            }
            let path = CString::new(bytes).unwrap();
            let inside = in_scheme(&path).is_none_or(|(name, _)| !name.is_empty());
            assert!(place(&path).is_ok() && inside);
        }
    }
}
