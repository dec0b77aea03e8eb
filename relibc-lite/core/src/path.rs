//! What a path names, before anything is looked up.
//!
//! `NAME:rest` and `/scheme/NAME/rest` are the same thing; `/dev/null` and its like are
//! mapped here, so they work on a system that has no such files. Whether `NAME:` is a scheme
//! at all only the namespace knows, so that form stays a [`Place::Maybe`].

use core::ffi::CStr;

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// Below the root of a scheme.
    Scheme {
        /// The scheme's name, without a colon.
        name: &'a [u8],
        /// The path beneath its root; empty for the root itself.
        rest: &'a CStr,
    },
    /// `NAME:rest`: a scheme if the namespace has `NAME`, else a file of that whole name.
    Maybe {
        /// What stands before the colon.
        name: &'a [u8],
        /// What stands after it, without a leading slash.
        rest: &'a CStr,
        /// The whole, as a relative file name.
        whole: &'a CStr,
    },
    /// The list of schemes, `/scheme`.
    Schemes,
    /// From the root of the file system, without the leading slashes.
    Root(&'a CStr),
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
/// - `ENAMETOOLONG`: it has [`PATH_MAX`](crate::consts::PATH_MAX) bytes or more.
pub fn place(path: &CStr) -> crate::errno::Result<Place<'_>> {
    let bytes = path.to_bytes();
    if bytes.is_empty() {
        return Err(crate::errno::ENOENT);
    }
    if bytes.len() >= crate::consts::PATH_MAX {
        return Err(crate::errno::ENAMETOOLONG);
    }
    if bytes.starts_with(b"/") {
        return Ok(absolute(path));
    }
    let end = bytes.iter().position(|byte| matches!(byte, b':' | b'/'));
    let colon = end.filter(|end| bytes.get(*end) == Some(&b':'));
    let name = colon.and_then(|colon| bytes.get(..colon)).filter(|name| is_scheme_name(name));
    Ok(match (name, colon) {
        (Some(name), Some(colon)) => {
            let rest = trim(tail(path, colon.saturating_add(1)));
            Place::Maybe { name, rest, whole: path }
        }
        (Some(_) | None, _) => Place::Relative(path),
    })
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

/// `path` without leading slashes.
fn trim(path: &CStr) -> &CStr {
    let bytes = path.to_bytes();
    let start = bytes.iter().position(|byte| *byte != b'/').unwrap_or(bytes.len());
    tail(path, start)
}

/// A path that begins with a slash.
fn absolute(path: &CStr) -> Place<'_> {
    let rest = trim(path);
    let bytes = rest.to_bytes();
    let (first, after) = first_component(rest);
    match first {
        b"scheme" if after.is_empty() => Place::Schemes,
        b"scheme" => {
            let (name, beneath) = first_component(after);
            // `/scheme/..` and the like are ordinary directories' business.
            if is_scheme_name(name) {
                Place::Scheme { name, rest: beneath }
            } else {
                Place::Root(rest)
            }
        }
        b"dev" => device(after.to_bytes()).unwrap_or(Place::Root(rest)),
        _ if bytes.is_empty() => Place::Root(c""),
        _ => Place::Root(rest),
    }
}

/// The first component of a path without leading slash, and what follows it.
fn first_component(path: &CStr) -> (&[u8], &CStr) {
    let bytes = path.to_bytes();
    let end = bytes.iter().position(|byte| *byte == b'/').unwrap_or(bytes.len());
    (bytes.get(..end).unwrap_or_default(), trim(tail(path, end)))
}

/// What stands behind a name in `/dev`.
fn device(name: &[u8]) -> Option<Place<'static>> {
    let scheme = |name| Some(Place::Scheme { name, rest: c"" });
    match name {
        b"null" => scheme(b"null"),
        b"zero" => scheme(b"zero"),
        b"random" | b"urandom" => scheme(b"rand"),
        b"tty" => scheme(b"tty"),
        b"stdin" => Some(Place::Stream(0)),
        b"stdout" => Some(Place::Stream(1)),
        b"stderr" => Some(Place::Stream(2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, place};
    use crate::errno::{ENAMETOOLONG, ENOENT};
    use std::ffi::CString;

    #[test]
    fn both_forms_name_the_same_place_in_a_scheme() {
        let scheme = Place::Scheme { name: b"disk", rest: c"0/p1" };
        assert_eq!(place(c"/scheme/disk/0/p1"), Ok(scheme));
        assert_eq!(place(c"//scheme//disk//0/p1"), Ok(scheme));
        let maybe = Place::Maybe { name: b"disk", rest: c"0/p1", whole: c"disk:0/p1" };
        assert_eq!(place(c"disk:0/p1"), Ok(maybe));
        let rooted = Place::Maybe { name: b"disk", rest: c"0/p1", whole: c"disk:/0/p1" };
        assert_eq!(place(c"disk:/0/p1"), Ok(rooted));
    }

    #[test]
    fn a_colon_after_a_slash_or_a_dot_is_part_of_a_file_name() {
        assert_eq!(place(c"./disk:0"), Ok(Place::Relative(c"./disk:0")));
        assert_eq!(place(c"a b:c"), Ok(Place::Relative(c"a b:c")));
        assert_eq!(place(c":x"), Ok(Place::Relative(c":x")));
        assert_eq!(place(c"/tmp/12:30.log"), Ok(Place::Root(c"tmp/12:30.log")));
    }

    #[test]
    fn devices_are_schemes_or_streams() {
        assert_eq!(place(c"/dev/null"), Ok(Place::Scheme { name: b"null", rest: c"" }));
        assert_eq!(place(c"/dev/urandom"), Ok(Place::Scheme { name: b"rand", rest: c"" }));
        assert_eq!(place(c"/dev/stderr"), Ok(Place::Stream(2)));
        assert_eq!(place(c"/dev/sda"), Ok(Place::Root(c"dev/sda")));
        assert_eq!(place(c"/dev/null/x"), Ok(Place::Root(c"dev/null/x")));
    }

    #[test]
    fn the_root_and_the_list_of_schemes_are_places() {
        assert_eq!(place(c"/"), Ok(Place::Root(c"")));
        assert_eq!(place(c"/scheme"), Ok(Place::Schemes));
        assert_eq!(place(c"/scheme/"), Ok(Place::Schemes));
        assert_eq!(place(c"/scheme/.."), Ok(Place::Root(c"scheme/..")));
        assert_eq!(place(c"/schemes"), Ok(Place::Root(c"schemes")));
    }

    #[test]
    fn empty_and_overlong_paths_are_refused() {
        assert_eq!(place(c""), Err(ENOENT));
        let long = CString::new(std::vec![b'a'; 4096]).unwrap();
        assert_eq!(place(&long), Err(ENAMETOOLONG));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut seed = 7_u32;
        for _ in 0..20_000 {
            let mut bytes = std::vec::Vec::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                bytes.push(b"/:.scheme/dev\xff"[usize::try_from(seed >> 28).unwrap() % 14]);
            }
            assert_ne!(place(&CString::new(bytes).unwrap()), Err(ENAMETOOLONG));
        }
    }
}
