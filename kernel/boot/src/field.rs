//! Little-endian numbers at an offset, and the two checksums.

use core::fmt;
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

/// Text in memory of a fixed size.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    bytes: &'a mut [u8],
    used: usize,
}

impl<'a> Text<'a> {
    /// No text yet, in `bytes`.
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, used: 0 }
    }

    /// Its length.
    pub(crate) fn len(&self) -> u64 {
        u64::try_from(self.used).unwrap_or(0)
    }

    /// Appends `text`, or nothing where it does not fit.
    pub(crate) fn push(&mut self, text: &str) -> bool {
        let end = self.used.checked_add(text.len());
        let place = end.and_then(|end| self.bytes.get_mut(self.used..end));
        let fits = place.is_some();
        if let Some(place) = place {
            place.copy_from_slice(text.as_bytes());
            self.used = end.unwrap_or(self.used);
        }
        fits
    }

    /// Takes back what comes after the first `len` bytes.
    pub(crate) fn cut(&mut self, len: u64) {
        self.used = self.used.min(usize::try_from(len).unwrap_or(usize::MAX));
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.push(text) { Ok(()) } else { Err(fmt::Error) }
    }
}
