//! Little-endian numbers at an offset, and the two checksums.

use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, Crc, Digest, Table};

/// What GPT uses.
static CRC32: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);
/// What the slots use; sixteen lanes, as it runs over megabytes.
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// A running CRC-32 as in GPT.
pub(crate) fn crc32() -> Digest<'static, u32, Table<1>> {
    CRC32.digest()
}

/// A running CRC-32C.
pub(crate) fn crc32c() -> Digest<'static, u32, Table<16>> {
    CRC32C.digest()
}

/// The `N` bytes at `at`.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// The `u32` at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// The `u64` at `at`.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// Writes `value` at `at`; bytes that lie outside are left out.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(value) {
        *to = *from;
    }
}
