//! The words by which handles are passed: environment variables.

use std::os::fd::{OwnedFd, RawFd};

use redox::error::Result;

/// A handle of our own on what this process was started with.
///
/// # Errors
///
/// `EBADF` if it was not.
pub(crate) fn adopt(number: RawFd) -> Result<OwnedFd> {
    anode_scheme::sys::dup_number(number)
}

/// All handles of a list such as `5 6 7`; `None` if one is not a number.
pub(crate) fn handles(list: &str) -> Option<Vec<RawFd>> {
    list.split_whitespace().map(handle).collect()
}

/// A handle number; a negative one is none.
fn handle(word: &str) -> Option<RawFd> {
    word.parse().ok().filter(|handle| *handle >= 0)
}

/// A hexadecimal number, with or without `0x`.
pub(crate) fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x").unwrap_or(word), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::handles;

    #[test]
    fn a_list_of_devices_is_taken_whole_or_not_at_all() {
        assert_eq!(handles("5 6  7"), Some(vec![5, 6, 7]));
        assert_eq!(handles(""), Some(vec![]));
        assert_eq!(handles("5 x"), None);
    }
}
