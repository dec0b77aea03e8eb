//! Paths: which scheme a path means, and what is left of it for that scheme.

use crate::prelude::*;

/// Splits `/scheme/NAME/rest`, `/rest` and `NAME:rest` into a scheme's name and the rest; the
/// name is empty for `/scheme` itself. `None`: neither `/` nor a scheme begins the path.
pub fn parse(path: &str) -> Option<(&str, &str)> {
    let slashed = |path: &'_ str| path.starts_with('/') || path.is_empty();
    if let Some(rest) = path.strip_prefix("/scheme").filter(|rest| slashed(rest)) {
        return Some(parse_name(rest));
    }
    if path.starts_with('/') {
        return Some(("file", path.trim_start_matches('/')));
    }
    path.split_once(':').filter(|(name, _)| !name.is_empty() && !name.contains('/'))
}

/// Splits what lies beneath `/scheme` into a name, which is empty for `/scheme` itself, and the
/// rest.
fn parse_name(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    (if name == "." { "" } else { name }, rest.trim_start_matches('/'))
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

    /// Where a path of the caller's leads, from a directory's handle or [`NONE`], and the part
    /// of the scratch buffer that holds the rest of it. With a directory, `NAME:` is a file's.
    ///
    /// # Errors
    ///
    /// `ENOENT`: the name is not bound, or the path is relative to nothing.
    pub(crate) fn resolve(
        &mut self,
        me: ThreadId,
        directory: u64,
        (at, len): (u64, u64),
    ) -> Result<(Target, Range<usize>)> {
        let len = self.take_path(me, at, len)?;
        let own = self.process(me)?.who.namespace;
        let rooted = directory == wide(NONE) || self.path(0..len)?.starts_with('/');
        let (namespace, (name, rest)) = if rooted {
            (own, parse(self.path(0..len)?).ok_or(ENOENT)?)
        } else {
            match self.named_handle(me, directory, Rights::empty())?.1 {
                Target::Names(names) => (names, parse_name(self.path(0..len)?)),
                target => return Ok((target, 0..len)),
            }
        };
        let rest = len.saturating_sub(rest.len())..len;
        let names = self.namespaces.get(namespace).ok_or(ENOENT)?;
        let target = match names.find(name) {
            None if name.is_empty() => Target::Names(namespace),
            bound => self.descriptions.get(bound.ok_or(ENOENT)?).ok_or(ENOENT)?.target,
        };
        match target {
            Target::Owner(scheme) => Ok((Target::Scheme(Open { scheme, epoch: 0, id: 0 }), rest)),
            target => Ok((target, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_thing() {
        assert_eq!(parse("disk:0/x"), Some(("disk", "0/x")));
        assert_eq!(parse("/scheme/disk/0/x"), Some(("disk", "0/x")));
        assert_eq!(parse("/scheme/disk"), Some(("disk", "")));
        assert_eq!(parse("/scheme//disk//0"), Some(("disk", "0")));
        assert_eq!(parse("null:"), Some(("null", "")));
    }

    #[test]
    fn a_plain_path_belongs_to_the_filesystem() {
        assert_eq!(parse("/etc/a:b"), Some(("file", "etc/a:b")));
        assert_eq!(parse("/schemes/x"), Some(("file", "schemes/x")));
        assert_eq!(parse("//x"), Some(("file", "x")));
        assert_eq!(parse("/"), Some(("file", "")));
        assert_eq!(parse("/scheme/"), Some(("", "")));
        assert_eq!(parse("/scheme"), Some(("", "")));
    }

    #[test]
    fn what_has_no_scheme_is_relative() {
        for path in ["", "a/b", "./disk:0", ":x", "a/b:c"] {
            assert_eq!(parse(path), None, "{path}");
        }
    }
}
