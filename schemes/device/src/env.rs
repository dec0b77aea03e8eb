//! The words by which handles are passed: environment variables and canonical paths.

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

/// Physical address and length that `…memory:dma/ADDRESS/LEN` (hexadecimal) names.
pub(crate) fn dma_path(path: &str) -> Option<(u64, usize)> {
    let rest = after_scheme(path, "memory")?.strip_prefix("dma/")?;
    let (address, len) = rest.split_once('/')?;
    Some((hex(address)?, usize::try_from(hex(len)?).ok()?))
}

/// Address and data that `…irq:msi/ADDRESS/DATA` (hexadecimal) names.
pub(crate) fn message_path(path: &str) -> Option<(u64, u32)> {
    let rest = after_scheme(path, "irq")?.strip_prefix("msi/")?;
    let (address, data) = rest.split_once('/')?;
    Some((hex(address)?, u32::try_from(hex(data)?).ok()?))
}

/// What follows the scheme in either form of a path.
fn after_scheme<'a>(path: &'a str, scheme: &str) -> Option<&'a str> {
    let canonical = path.strip_prefix("/scheme/").and_then(|rest| rest.strip_prefix(scheme));
    match canonical {
        Some(rest) => rest.strip_prefix('/'),
        None => path.strip_prefix(scheme)?.strip_prefix(':'),
    }
}

/// A hexadecimal number, with or without `0x`.
pub(crate) fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x").unwrap_or(word), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::{dma_path, handles, message_path};

    #[test]
    fn a_list_of_devices_is_taken_whole_or_not_at_all() {
        assert_eq!(handles("5 6  7"), Some(vec![5, 6, 7]));
        assert_eq!(handles(""), Some(vec![]));
        assert_eq!(handles("5 x"), None);
    }

    #[test]
    fn both_forms_of_a_dma_path_are_understood() {
        let expected = Some((0x12_3000, 0x4000));
        assert_eq!(dma_path("memory:dma/123000/4000"), expected);
        assert_eq!(dma_path("/scheme/memory/dma/0x123000/0x4000"), expected);
        assert_eq!(dma_path("memory:phys/123000/4000"), None);
        assert_eq!(dma_path("memory:dma/123000"), None);
        assert_eq!(dma_path("/scheme/memoryx/dma/1/2"), None);
    }

    #[test]
    fn the_message_of_an_interrupt_is_read_from_its_path() {
        assert_eq!(message_path("irq:msi/fee00000/41"), Some((0xFEE0_0000, 0x41)));
        assert_eq!(message_path("/scheme/irq/msi/fee00000/41"), Some((0xFEE0_0000, 0x41)));
        assert_eq!(message_path("irq:msi/fee00000/1ffffffff"), None);
    }
}
