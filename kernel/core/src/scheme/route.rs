//! Paths: which scheme a path means, and what is left of it for that scheme.

use crate::prelude::*;

/// Where a path leads; what is left of it lies in that part of the scratch buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the names of the namespace.
    Names,
    /// Into a scheme of the kernel.
    Builtin(Builtin, Range<usize>),
    /// To a daemon: beneath that directory of its scheme.
    Daemon(SchemeId, u64, Range<usize>),
    /// Beneath a handle of a scheme of the kernel.
    Beneath(Target, Range<usize>),
}

/// A path's scheme name and the position of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// `/scheme` itself.
    Names,
    /// A scheme's name, and what follows.
    Scheme(&'a str, &'a str),
    /// Neither `/` nor a scheme begins it.
    Relative,
}

/// Splits a path: `/scheme/NAME/rest`, `/rest`, `NAME:rest`.
pub fn parse(path: &str) -> Parsed<'_> {
    let slashed = |path: &'_ str| path.starts_with('/') || path.is_empty();
    if let Some(rest) = path.strip_prefix("/scheme").filter(|rest| slashed(rest)) {
        let rest = rest.trim_start_matches('/');
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        return match name {
            "" => Parsed::Names,
            name => Parsed::Scheme(name, rest.trim_start_matches('/')),
        };
    }
    if path.starts_with('/') {
        return Parsed::Scheme("file", path.trim_start_matches('/'));
    }
    match path.split_once(':') {
        Some((name, rest)) if !name.is_empty() && !name.contains('/') => Parsed::Scheme(name, rest),
        _ => Parsed::Relative,
    }
}

impl<M: Machine> Kernel<M> {
    /// Copies a path into the scratch buffer.
    ///
    /// # Errors
    ///
    /// `ENAMETOOLONG`: over 4095 bytes; `EINVAL`: not UTF-8, or with a NUL; `EFAULT`.
    pub(crate) fn take_path(&mut self, me: ThreadId, at: u64, len: u64) -> Result<usize> {
        let len = size(len);
        if len >= SCRATCH {
            return Err(ENAMETOOLONG);
        }
        self.load_scratch(me, UserSlice::new(at, wide(len))?)?;
        if self.path(0..len)?.contains('\0') { Err(EINVAL) } else { Ok(len) }
    }

    /// A part of the scratch buffer as text.
    pub(crate) fn path(&self, part: Range<usize>) -> Result<&str> {
        let bytes = self.scratch.get(part).ok_or(EINVAL)?;
        core::str::from_utf8(bytes).map_err(|_binary| EINVAL)
    }

    /// Where a path of the caller's leads, from a directory's handle or [`NONE`]. With a
    /// directory, `NAME:` is a file's name.
    ///
    /// # Errors
    ///
    /// `ENOENT`: the name is not bound, or the path is relative to nothing.
    pub(crate) fn resolve(
        &mut self,
        me: ThreadId,
        directory: u64,
        (at, len): (u64, u64),
    ) -> Result<Destination> {
        let len = self.take_path(me, at, len)?;
        let namespace = self.process(me)?.namespace;
        let path = self.path(0..len)?;
        let parsed = match directory == wide(NONE) || path.starts_with('/') {
            true => parse(path),
            false => Parsed::Relative,
        };
        match parsed {
            Parsed::Names => Ok(Destination::Names),
            Parsed::Scheme(name, rest) => {
                let rest = len.saturating_sub(rest.len())..len;
                let names = self.namespaces.get(namespace).ok_or(ENOENT)?;
                match names.find(name.as_bytes()).ok_or(ENOENT)? {
                    Binding::Builtin(builtin) => Ok(Destination::Builtin(builtin, rest)),
                    Binding::Scheme(scheme) => Ok(Destination::Daemon(scheme, 0, rest)),
                    Binding::Directory(directory) => self.beneath(directory, rest),
                }
            }
            Parsed::Relative if directory == wide(NONE) => Err(ENOENT),
            Parsed::Relative => {
                let (handle, _) = self.named_handle(me, directory, Rights::empty())?;
                self.beneath(handle.description, 0..len)
            }
        }
    }

    /// Where what is left of a path leads from what a description stands for.
    fn beneath(&self, directory: DescriptionId, rest: Range<usize>) -> Result<Destination> {
        let target = self.descriptions.get(directory).ok_or(EBADF)?.target;
        let Target::Scheme(scheme, id, _) = target else {
            return Ok(Destination::Beneath(target, rest));
        };
        self.check_epoch(scheme, directory)?;
        Ok(Destination::Daemon(scheme, id, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(path: &str) -> Option<(&str, &str)> {
        match parse(path) {
            Parsed::Scheme(name, rest) => Some((name, rest)),
            Parsed::Names | Parsed::Relative => None,
        }
    }

    #[test]
    fn both_spellings_name_the_same_thing() {
        assert_eq!(split("disk:0/x"), Some(("disk", "0/x")));
        assert_eq!(split("/scheme/disk/0/x"), Some(("disk", "0/x")));
        assert_eq!(split("/scheme/disk"), Some(("disk", "")));
        assert_eq!(split("/scheme//disk//0"), Some(("disk", "0")));
        assert_eq!(split("null:"), Some(("null", "")));
    }

    #[test]
    fn a_plain_path_belongs_to_the_filesystem() {
        assert_eq!(split("/etc/a:b"), Some(("file", "etc/a:b")));
        assert_eq!(split("/schemes/x"), Some(("file", "schemes/x")));
        assert_eq!(split("//x"), Some(("file", "x")));
        assert_eq!(split("/"), Some(("file", "")));
        assert_eq!(parse("/scheme/"), Parsed::Names);
        assert_eq!(parse("/scheme"), Parsed::Names);
    }

    #[test]
    fn what_has_no_scheme_is_relative() {
        for path in ["", "a/b", "./disk:0", ":x", "a/b:c"] {
            assert_eq!(parse(path), Parsed::Relative, "{path}");
        }
    }
}
