//! Paths: which scheme a path means, and what is left of it for that scheme.

use core::ops::Range;

use crate::error::ENAMETOOLONG;
use crate::num::size;
use crate::{Binding, EINVAL, ENOENT, Errno, Kernel, Machine, SCRATCH, ThreadId, UserSlice};

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the names of the namespace.
    Names,
    /// To a scheme; the rest lies in that part of the scratch buffer.
    Scheme(Binding, Range<usize>),
    /// It is relative: the whole of it.
    Relative(Range<usize>),
}

/// A path's scheme name and the position of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// `/scheme` itself.
    Names,
    /// A scheme's name, and where what follows begins.
    Scheme(&'a str, usize),
    /// Neither `/` nor a scheme begins it.
    Relative,
}

/// Splits a path: `/scheme/NAME/rest`, `/rest`, `NAME:rest`.
pub fn parse(path: &str) -> Parsed<'_> {
    let after = |name: &str, skipped: usize| {
        let rest = path.get(name.len().saturating_add(skipped)..).unwrap_or("");
        let slashes = rest.len().saturating_sub(rest.trim_start_matches('/').len());
        name.len().saturating_add(skipped).saturating_add(slashes)
    };
    if let Some(rest) = path.strip_prefix("/scheme") {
        if rest.trim_start_matches('/').is_empty() {
            return Parsed::Names;
        }
        if let Some(rest) = rest.strip_prefix('/') {
            let lead = rest.len().saturating_sub(rest.trim_start_matches('/').len());
            let name = rest.trim_start_matches('/').split('/').next().unwrap_or("");
            return Parsed::Scheme(name, after(name, lead.saturating_add("/scheme/".len())));
        }
    }
    if path.starts_with('/') {
        return Parsed::Scheme("file", after("", 0));
    }
    match path.split_once(':') {
        Some((name, _)) if !name.is_empty() && !name.contains('/') => {
            Parsed::Scheme(name, name.len().saturating_add(1))
        }
        _ => Parsed::Relative,
    }
}

impl<M: Machine> Kernel<M> {
    /// Copies a path into the scratch buffer.
    ///
    /// # Errors
    ///
    /// `ENAMETOOLONG`: over 4095 bytes; `EINVAL`: not UTF-8, or with a NUL; `EFAULT`.
    pub(crate) fn take_path(&mut self, me: ThreadId, at: u64, len: u64) -> Result<usize, Errno> {
        if size(len) >= SCRATCH {
            return Err(ENAMETOOLONG);
        }
        let range = UserSlice::new(at, len)?;
        let mut scratch = core::mem::take(&mut self.scratch);
        let copied = match scratch.get_mut(..size(len)) {
            Some(buffer) => self.with_space(me, |s, memory| s.read(memory, range, buffer)),
            None => Err(ENAMETOOLONG),
        };
        self.scratch = scratch;
        copied?;
        let text = self.path(0..size(len))?;
        if text.contains('\0') { Err(EINVAL) } else { Ok(size(len)) }
    }

    /// A part of the scratch buffer as text.
    pub(crate) fn path(&self, part: Range<usize>) -> Result<&str, Errno> {
        let bytes = self.scratch.get(part).ok_or(EINVAL)?;
        core::str::from_utf8(bytes).map_err(|_binary| EINVAL)
    }

    /// Where a path in the scratch buffer leads. With a directory, `NAME:` is a file's name.
    ///
    /// # Errors
    ///
    /// `ENOENT`: the name is not bound.
    pub(crate) fn route(
        &mut self,
        me: ThreadId,
        len: usize,
        has_directory: bool,
    ) -> Result<Route, Errno> {
        let namespace = self.process(me)?.namespace;
        let path = self.path(0..len)?;
        if has_directory && !path.starts_with('/') {
            return Ok(Route::Relative(0..len));
        }
        match parse(path) {
            Parsed::Names => Ok(Route::Names),
            Parsed::Relative => Ok(Route::Relative(0..len)),
            Parsed::Scheme(name, rest) => {
                let names = self.namespaces.get(namespace).ok_or(ENOENT)?;
                let binding = names.find(name.as_bytes()).ok_or(ENOENT)?;
                Ok(Route::Scheme(binding, rest.min(len)..len))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(path: &str) -> Option<(&str, &str)> {
        match parse(path) {
            Parsed::Scheme(name, rest) => Some((name, path.get(rest..).unwrap())),
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
