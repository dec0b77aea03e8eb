//! The first line of a script: `#!interpreter [argument]`.

/// What a script's first line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script<'a> {
    /// Path of the interpreter.
    pub interpreter: &'a [u8],
    /// The one argument that may stand after it, inner blanks and all.
    pub argument: Option<&'a [u8]>,
}

/// Bytes of a file that are enough to know whether it is a script.
pub const HEAD: usize = 256;

/// Reads the first line of a file, of which `head` is the beginning.
///
/// `None` when it is no script: no `#!`, no interpreter, a NUL in it, or no end of line within
/// [`HEAD`] bytes.
#[must_use]
pub fn parse(head: &[u8]) -> Option<Script<'_>> {
    let head = head.get(..HEAD.min(head.len()))?.strip_prefix(b"#!")?;
    let end = head.iter().position(|byte| *byte == b'\n');
    // A short file may lack the end of line; a full buffer without one was cut.
    let is_cut = end.is_none() && head.len() >= HEAD.saturating_sub(2);
    let line = head.get(..end.unwrap_or(head.len()))?.trim_ascii();
    let blank = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let interpreter = line.get(..blank)?;
    let argument = line.get(blank..)?.trim_ascii();
    if interpreter.is_empty() || is_cut || line.contains(&0) {
        return None;
    }
    Some(Script { interpreter, argument: (!argument.is_empty()).then_some(argument) })
}

#[cfg(test)]
mod tests {
    use super::{HEAD, Script, parse};

    #[test]
    fn interpreter_and_one_argument_are_found() {
        let plain = Script { interpreter: b"/bin/sh", argument: None };
        assert_eq!(parse(b"#!/bin/sh\necho"), Some(plain));
        assert_eq!(parse(b"#!  /bin/sh \r\n"), Some(plain));
        let env = Script { interpreter: b"/bin/env", argument: Some(b"sh -x") };
        assert_eq!(parse(b"#!/bin/env  sh -x\n"), Some(env));
        assert_eq!(parse(b"#!/bin/sh"), Some(plain));
    }

    #[test]
    fn what_is_no_script_is_none() {
        assert_eq!(parse(b"\x7fELF"), None);
        assert_eq!(parse(b"#!\n"), None);
        assert_eq!(parse(b"#"), None);
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"#!/bin/\0sh\n"), None);
        let mut cut = [b'a'; HEAD];
        cut[..2].copy_from_slice(b"#!");
        assert_eq!(parse(&cut), None);
    }
}
