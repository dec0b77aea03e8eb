//! Conversions between integer widths that cannot lose anything on a 64-bit machine.

/// A size from a `u64`.
pub(crate) fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A `u64` from a size.
pub(crate) fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// A count that saturates.
pub(crate) fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A length of a small thing that saturates.
pub(crate) fn short(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}
