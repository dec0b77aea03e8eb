//! The search of `execvp`: which files a command name may stand for.

/// Where commands are looked for when `PATH` is not set.
pub const DEFAULT_PATH: &[u8] = b"/bin";

/// The candidates for a command, in order: one for each directory of `path`.
///
/// A name with a slash (or a scheme's colon, which no directory can hold) is not searched for;
/// ask [`is_searched`] first.
pub fn candidates<'a>(path: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = Candidate<'a>> {
    path.split(|byte| *byte == b':').map(move |directory| Candidate { directory, name })
}

/// Whether `execvp` looks through `PATH` for this name.
#[must_use]
pub fn is_searched(name: &[u8]) -> bool {
    !name.is_empty() && !name.contains(&b'/')
}

/// One file that a command may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    directory: &'a [u8],
    name: &'a [u8],
}

impl Candidate<'_> {
    /// Writes the path and a NUL; `None` when it does not fit. An empty directory is `.`.
    #[must_use]
    pub fn write<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b core::ffi::CStr> {
        let directory = if self.directory.is_empty() { b"." } else { self.directory };
        let mut at = 0_usize;
        for part in [directory, b"/", self.name, b"\0"] {
            let end = at.checked_add(part.len())?;
            buffer.get_mut(at..end)?.copy_from_slice(part);
            at = end;
        }
        core::ffi::CStr::from_bytes_with_nul(buffer.get(..at)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{candidates, is_searched};
    use std::borrow::ToOwned as _;
    use std::vec::Vec;

    #[test]
    fn directories_are_tried_in_order_and_an_empty_one_is_here() {
        let mut found = Vec::new();
        for candidate in candidates(b"/bin::/usr/bin", b"ls") {
            let mut buffer = [0; 32];
            found.push(candidate.write(&mut buffer).unwrap().to_owned());
        }
        assert_eq!(found, [c"/bin/ls".to_owned(), c"./ls".to_owned(), c"/usr/bin/ls".to_owned()]);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let candidate = candidates(b"/bin", b"ls").next().unwrap();
        assert_eq!(candidate.write(&mut [0; 7]), None);
        assert_eq!(candidate.write(&mut [0; 8]), Some(c"/bin/ls"));
    }

    #[test]
    fn a_path_is_not_searched_for() {
        assert!(is_searched(b"ls"));
        assert!(!is_searched(b"./ls"));
        assert!(!is_searched(b""));
    }
}
