//! Where a virtio function's registers are, read from its PCI configuration space.

/// A part of a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Number of the BAR, 0 to 5.
    pub bar: u8,
    /// First byte within it.
    pub offset: u32,
    /// Length in bytes, not 0.
    pub len: u32,
}

/// The parts that a driver maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Common configuration.
    pub common: Window,
    /// Doorbells.
    pub notify: Window,
    /// Bytes between the doorbells of two queues.
    pub multiplier: u32,
    /// Interrupt status.
    pub isr: Window,
    /// What only this kind of device has; a device may have none.
    pub device: Option<Window>,
}

/// Capabilities begin behind the standard header and are aligned to 4 bytes.
const FIRST: u8 = 0x40;
/// As many as fit in 256 bytes; more means that the list is a loop.
const MAX_CAPABILITIES: usize = 48;
const VENDOR_SPECIFIC: u8 = 0x09;

const STATUS: usize = 0x06;
const STATUS_HAS_LIST: u8 = 1 << 4;
const LIST: usize = 0x34;

/// Number of bytes of common configuration that virtio 1.0 defines.
pub(crate) const COMMON_SIZE: u32 = 56;

impl Layout {
    /// Finds the parts in the first 256 bytes of configuration space.
    ///
    /// Of several capabilities of one type the first counts, as the device prefers it. `None` if
    /// a needed one is missing or malformed.
    #[must_use]
    pub fn find(config: &[u8]) -> Option<Self> {
        let (mut common, mut notify, mut isr, mut device) = (None, None, None, None);
        for at in capabilities(config) {
            let Some((kind, window)) = window(config, at) else { continue };
            let slot = match kind {
                1 => &mut common,
                2 => &mut notify,
                3 => &mut isr,
                4 => &mut device,
                _ => continue,
            };
            slot.get_or_insert((window, at));
        }
        let (common, _) = common.filter(|(window, _)| window.len >= COMMON_SIZE)?;
        let (notify, notify_at) = notify?;
        let multiplier = word32(config, notify_at.checked_add(16)?)?;
        let device = device.map(|(window, _)| window);
        Some(Self { common, notify, multiplier, isr: isr?.0, device })
    }
}

/// Offsets of the vendor-specific capabilities, in the order of the list.
fn capabilities(config: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    if config.get(STATUS).is_none_or(|status| status & STATUS_HAS_LIST == 0) {
        return found;
    }
    let mut next = config.get(LIST).copied().unwrap_or(0);
    for _ in 0..MAX_CAPABILITIES {
        let at = usize::from(next & !3);
        if next < FIRST {
            break;
        }
        let (Some(id), Some(after)) = (config.get(at), config.get(at.saturating_add(1))) else {
            break;
        };
        if *id == VENDOR_SPECIFIC {
            found.push(at);
        }
        next = *after;
    }
    found
}

/// Type and window of the virtio capability at `at`; `None` for one that is malformed.
fn window(config: &[u8], at: usize) -> Option<(u8, Window)> {
    let field = |offset: usize| config.get(at.checked_add(offset)?).copied();
    let (kind, bar) = (field(3)?, field(4)?);
    let offset = word32(config, at.checked_add(8)?)?;
    let len = word32(config, at.checked_add(12)?)?;
    let sound = bar <= 5 && len > 0 && offset.checked_add(len).is_some();
    sound.then_some((kind, Window { bar, offset, len }))
}

fn word32(config: &[u8], at: usize) -> Option<u32> {
    let bytes = config.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::{Layout, Window};
    use crate::fake::configuration;

    #[test]
    fn the_four_parts_are_found() {
        let layout = Layout::find(&configuration()).unwrap();
        assert_eq!(layout.common, Window { bar: 4, offset: 0, len: 0x1000 });
        assert_eq!(layout.isr, Window { bar: 4, offset: 0x1000, len: 0x1000 });
        assert_eq!(layout.device, Some(Window { bar: 4, offset: 0x2000, len: 0x1000 }));
        assert_eq!(layout.notify, Window { bar: 4, offset: 0x3000, len: 0x1000 });
        assert_eq!(layout.multiplier, 4);
    }

    #[test]
    fn a_list_that_loops_or_lacks_a_part_is_no_layout() {
        let mut looping = configuration();
        looping[0x41] = 0x40;
        assert_eq!(Layout::find(&looping), None);

        let mut without_notify = configuration();
        without_notify[0x53] = 9;
        assert_eq!(Layout::find(&without_notify), None);

        let mut no_list = configuration();
        no_list[6] = 0;
        assert_eq!(Layout::find(&no_list), None);

        let mut short_common = configuration();
        short_common[0x40 + 12..0x40 + 16].copy_from_slice(&8_u32.to_le_bytes());
        assert_eq!(Layout::find(&short_common), None);
    }

    #[test]
    fn no_change_of_one_byte_and_no_truncation_breaks_the_parser() {
        let good = configuration();
        for at in 0..good.len() {
            for value in [0, 1, 0x3F, 0x7F, 0xFC, 0xFF] {
                let mut bad = good;
                bad[at] = value;
                let found = Layout::find(&bad);
                assert!(found.is_none_or(|it| it.common.bar <= 5 && it.common.len >= 56));
            }
            let _maybe = Layout::find(&good[..at]);
        }
    }
}
