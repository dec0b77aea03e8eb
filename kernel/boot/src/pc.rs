//! Reads what a PC's BIOS leaves in memory or answers: E820 entries, VBE modes, EDID, the ACPI and
//! SMBIOS anchors.
//!
//! Pure functions over bytes; `loader-bios` fetches the bytes.

use crate::facts::{Channel, Framebuffer};
use crate::field::{array, u32_at, u64_at};
use crate::regions::{Region, RegionKind};

/// One answer of INT 15h, E820 of `len` bytes; `None` if the entry is empty or says that it is to
/// be ignored.
#[must_use]
pub fn e820(bytes: &[u8], len: u32) -> Option<Region> {
    let (base, size, raw) = (u64_at(bytes, 0)?, u64_at(bytes, 8)?, u32_at(bytes, 16)?);
    // The longer form has a bit for "this entry counts".
    let counts = len < 24 || u32_at(bytes, 20)? & 1 != 0;
    let kind = match raw {
        1 => RegionKind::USABLE,
        3 => RegionKind::ACPI,
        4 => RegionKind::NVS,
        5 => RegionKind::BAD,
        _ => RegionKind::RESERVED,
    };
    (counts && size > 0).then_some(Region { base, len: size, kind })
}

/// Width and height of a screen's preferred mode, by its EDID.
#[must_use]
pub fn preferred_size(edid: &[u8]) -> Option<(u32, u32)> {
    let sum = edid.get(..128)?.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    (edid.starts_with(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]) && sum == 0).then_some(())?;
    // The first detailed timing; low bytes, and the high nibbles of both.
    let [clock, clock_high, width, _, width_high, height, _, height_high] = array(edid, 54)?;
    (clock | clock_high != 0).then_some(())?;
    let size = |low: u8, high: u8| u32::from(low) | u32::from(high & 0xf0) << 4;
    Some((size(width, width_high), size(height, height_high)))
}

/// The framebuffer of a VBE mode, by its information block, if it is a linear one of 32 bits a
/// pixel.
#[must_use]
pub fn vbe_mode(info: &[u8], version: u16) -> Option<Framebuffer> {
    let half = |at| array(info, at).map(u16::from_le_bytes);
    let byte = |at: usize| info.get(at).copied();
    // Supported, in colour, graphics, linear; direct colour; 32 bits; and in one plane.
    let good = half(0)? & 0x99 == 0x99 && byte(27)? == 6 && byte(25)? == 32 && byte(24)? == 1;
    good.then_some(())?;
    let newer = version >= 0x300;
    let colours = if newer { 54 } else { 31 };
    let channel = |index: usize| {
        let at = index.checked_mul(2)?.checked_add(colours)?;
        let channel = Channel { size: byte(at)?, position: byte(at.checked_add(1)?)? };
        let end = channel.position.checked_add(channel.size)?;
        (channel.size > 0 && end <= 32).then_some(channel)
    };
    let pitch = u32::from(half(if newer { 50 } else { 16 })?);
    let (width, height) = (u32::from(half(18)?), u32::from(half(20)?));
    let phys = u64::from(u32_at(info, 40)?);
    (phys != 0 && width > 0 && height > 0 && pitch >= width.checked_mul(4)?).then_some(())?;
    Some(Framebuffer {
        phys,
        len: u64::from(pitch).checked_mul(u64::from(height))?,
        width,
        height,
        pitch,
        bits_per_pixel: 32,
        red: channel(0)?,
        green: channel(1)?,
        blue: channel(2)?,
    })
}

/// How well a mode of `size` suits a screen that prefers `wanted`: the higher, the better.
///
/// What the screen prefers comes first, then the largest of up to 1920 by 1200, then the smallest
/// beyond.
#[must_use]
pub fn suits(size: (u32, u32), wanted: Option<(u32, u32)>) -> (u8, i64) {
    let pixels = i64::from(size.0).saturating_mul(i64::from(size.1));
    match size {
        size if Some(size) == wanted => (2, 0),
        (0..=1920, 0..=1200) => (1, pixels),
        _ => (0, pixels.saturating_neg()),
    }
}

/// Offset of ACPI's root pointer in `bytes`, which begin on a multiple of 16.
#[must_use]
pub fn find_rsdp(bytes: &[u8]) -> Option<usize> {
    find(bytes, b"RSD PTR ", |_| Some(20))
}

/// Offset of the SMBIOS entry point in `bytes`, which begin on a multiple of 16; the newer form if
/// there are two.
#[must_use]
pub fn find_smbios(bytes: &[u8]) -> Option<usize> {
    let length = |at: usize| {
        move |entry: &[u8]| entry.get(at).copied().map(usize::from).filter(|&len| len >= 16)
    };
    find(bytes, b"_SM3_", length(6)).or_else(|| find(bytes, b"_SM_", length(5)))
}

/// Offset, a multiple of 16, where `anchor` stands and as many bytes as `length` says sum to zero.
fn find(bytes: &[u8], anchor: &[u8], length: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
    (0..bytes.len()).step_by(16).find(|&at| {
        let entry = bytes.get(at..).filter(|entry| entry.starts_with(anchor));
        let entry = entry.and_then(|entry| entry.get(..length(entry)?));
        entry.is_some_and(|entry| entry.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::{e820, find_rsdp, find_smbios, preferred_size, suits, vbe_mode};
    use crate::facts::Channel;
    use crate::field::put;
    use crate::regions::RegionKind;
    use crate::testing::Random;
    use std::vec;

    fn close_sum(bytes: &mut [u8], at: usize) {
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        bytes[at] = bytes[at].wrapping_sub(sum);
    }

    #[test]
    fn e820_entries_that_do_not_count_are_left_out() {
        let mut entry = [0; 24];
        put(&mut entry, 0, &0x10_0000_u64.to_le_bytes());
        put(&mut entry, 8, &0x1000_u64.to_le_bytes());
        put(&mut entry, 16, &1_u32.to_le_bytes());
        let usable = e820(&entry, 20).unwrap();
        assert_eq!((usable.base, usable.len, usable.kind), (0x10_0000, 0x1000, RegionKind::USABLE));
        assert_eq!(e820(&entry, 24), None);
        entry[20] = 1;
        assert_eq!(e820(&entry, 24), Some(usable));
        entry[16] = 77;
        assert_eq!(e820(&entry, 24).map(|region| region.kind), Some(RegionKind::RESERVED));
        assert_eq!(e820(&[0; 24], 20), None);
    }

    #[test]
    fn edid_names_the_preferred_size() {
        let mut edid = [0; 128];
        put(&mut edid, 0, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
        put(&mut edid, 54, &[1, 1, 0x00, 0, 0x50, 0x20, 0, 0x30]);
        close_sum(&mut edid, 127);
        assert_eq!(preferred_size(&edid), Some((1280, 800)));
        edid[60] ^= 1;
        assert_eq!(preferred_size(&edid), None);
        assert_eq!(preferred_size(&edid[..100]), None);
    }

    fn mode() -> [u8; 256] {
        let mut info = [0; 256];
        put(&mut info, 0, &[0x99, 0]);
        put(&mut info, 16, &5120_u16.to_le_bytes());
        put(&mut info, 18, &1280_u16.to_le_bytes());
        put(&mut info, 20, &800_u16.to_le_bytes());
        put(&mut info, 24, &[1, 32, 0, 6]);
        put(&mut info, 31, &[8, 16, 8, 8, 8, 0]);
        put(&mut info, 40, &0xfd00_0000_u32.to_le_bytes());
        put(&mut info, 50, &6144_u16.to_le_bytes());
        put(&mut info, 54, &[8, 0, 8, 8, 8, 16]);
        info
    }

    #[test]
    fn vbe_3_has_fields_of_its_own_for_linear_modes() {
        let old = vbe_mode(&mode(), 0x200).unwrap();
        let new = vbe_mode(&mode(), 0x300).unwrap();
        assert_eq!((old.pitch, old.red), (5120, Channel { position: 16, size: 8 }));
        assert_eq!((new.pitch, new.red), (6144, Channel { position: 0, size: 8 }));
        assert_eq!((new.width, new.height, new.len), (1280, 800, 6144 * 800));
    }

    #[test]
    fn modes_that_cannot_be_drawn_on_are_refused() {
        for (at, value) in [(0, 0x19), (25, 24), (27, 4), (19, 0x7f), (32, 30)] {
            let mut info = mode();
            info[at] = value;
            assert_eq!(vbe_mode(&info, 0x200), None, "byte {at}");
        }
        for seed in 0..20_000 {
            let mut random = Random::new(seed);
            let mut info = mode();
            for _ in 0..3 {
                info[random.index(64)] = random.byte();
            }
            if let Some(screen) = vbe_mode(&info, 0x300) {
                assert!(screen.len >= u64::from(screen.height) * u64::from(screen.width) * 4);
            }
        }
    }

    #[test]
    fn the_preferred_mode_wins_then_the_largest_that_is_common() {
        let best = |wanted| {
            let sizes = [(640, 480), (1280, 800), (1920, 1080), (2560, 1600)];
            sizes.into_iter().max_by_key(|&size| suits(size, wanted))
        };
        assert_eq!(best(Some((1280, 800))), Some((1280, 800)));
        assert_eq!(best(Some((1234, 567))), Some((1920, 1080)));
        assert_eq!(best(None), Some((1920, 1080)));
    }

    #[test]
    fn anchors_are_found_by_their_checksum_only() {
        let mut bytes = vec![0; 4096];
        put(&mut bytes, 0x100, b"RSD PTR ");
        bytes[0x110] = 1;
        assert_eq!(find_rsdp(&bytes), None);
        put(&mut bytes, 0x240, b"RSD PTR ");
        close_sum(&mut bytes[0x240..0x254], 8);
        assert_eq!(find_rsdp(&bytes), Some(0x240));
        put(&mut bytes, 0x300, b"_SM_\0\x1f");
        close_sum(&mut bytes[0x300..0x31f], 4);
        assert_eq!(find_smbios(&bytes), Some(0x300));
        put(&mut bytes, 0xff0, b"_SM3_\0\xff");
        assert_eq!(find_smbios(&bytes), Some(0x300));
    }
}
