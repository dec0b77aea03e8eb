//! Configuration space in memory, where the firmware's table MCFG says.

use core::fmt;
use core::ops::RangeInclusive;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use anode_device::Registers;

use crate::access::{Access, Address};

/// Bytes of configuration space of a bus: 4096 for each of 256 functions.
pub(crate) const BUS_BYTES: usize = 1 << 20;
/// Header of the table, and what is reserved behind it.
const FIRST_ENTRY: usize = 44;
const ENTRY_BYTES: usize = 16;

/// Where the configuration space of some buses is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Physical address of the first bus.
    first: u64,
    buses: RangeInclusive<u8>,
}

impl Place {
    /// The place of bus 0 of the first segment, in an MCFG whose sum was checked; `None` if it is
    /// not there or makes no sense.
    pub(crate) fn find(mcfg: &[u8]) -> Option<Self> {
        let (entries, _rest) = mcfg.get(FIRST_ENTRY..)?.as_chunks::<ENTRY_BYTES>();
        entries.iter().find_map(|entry| {
            let [address @ .., a, b, start, end, _, _, _, _] = *entry;
            let first = u64::from_le_bytes(address);
            let bytes = u64::from(end).saturating_add(1).saturating_mul(1 << 20);
            let sound = first != 0 && first % (1 << 20) == 0 && first.checked_add(bytes).is_some();
            (sound && (a, b, start) == (0, 0, 0)).then_some(Self { first, buses: 0..=end })
        })
    }

    fn of(&self, bus: u8) -> Option<u64> {
        let at = u64::from(bus).saturating_mul(1 << 20);
        self.buses.contains(&bus).then(|| self.first.saturating_add(at))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}, buses 00 to {:02x}", self.first, self.buses.end())
    }
}

/// Maps the [`BUS_BYTES`] at a physical address.
type Map<R> = Box<dyn FnMut(u64) -> Option<R>>;

/// Configuration space by memory; each bus is mapped when it is looked at first.
pub(crate) struct Ecam<R> {
    place: Place,
    map: Map<R>,
    mapped: BTreeMap<u8, Option<R>>,
}

impl<R> Ecam<R> {
    /// The space at this place.
    pub(crate) fn new(place: Place, map: Map<R>) -> Self {
        Self { place, map, mapped: BTreeMap::new() }
    }

    fn bus(&mut self, bus: u8) -> Option<&mut R> {
        let mapped = match self.mapped.entry(bus) {
            Entry::Occupied(mapped) => mapped.into_mut(),
            Entry::Vacant(none) => none.insert(self.place.of(bus).and_then(&mut self.map)),
        };
        mapped.as_mut()
    }
}

impl<R: Registers> Access for Ecam<R> {
    fn read(&mut self, function: Address, at: u8) -> u32 {
        self.bus(function.bus).map_or(u32::MAX, |bus| bus.read32(offset(function, at)))
    }

    fn write(&mut self, function: Address, at: u8, value: u32) {
        if let Some(bus) = self.bus(function.bus) {
            bus.write32(offset(function, at), value);
        }
    }
}

fn offset(Address { device, function, .. }: Address, at: u8) -> usize {
    usize::from(device & 31) << 15 | usize::from(function & 7) << 12 | usize::from(at & !3)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::{BUS_BYTES, Ecam, FIRST_ENTRY, Place};
    use crate::access::{Access, Address};
    use crate::fake::Table;

    fn mcfg(entries: &[[u64; 2]]) -> Vec<u8> {
        let words = entries.as_flattened().iter().flat_map(|word| word.to_le_bytes());
        [0; FIRST_ENTRY].into_iter().chain(words).collect()
    }

    /// Segment 0, buses 0 to 3.
    const FOUR_BUSES: [u64; 2] = [0xB000_0000, 0x0300_0000];

    #[test]
    fn the_space_of_bus_0_is_found_and_no_table_breaks_the_parser() {
        let other = [0xC000_0000, 0xFF00_0001];
        let place = Place::find(&mcfg(&[other, FOUR_BUSES])).unwrap();
        assert_eq!(place.to_string(), "0xb0000000, buses 00 to 03");
        assert_eq!((place.of(3), place.of(4)), (Some(0xB030_0000), None));
        for bad in [other, [0, 0], [0xB000_1000, 0], [0xFFFF_FFFF_FFF0_0000, 0xFF00_0000]] {
            assert_eq!(Place::find(&mcfg(&[bad])), None, "{bad:x?}");
        }
        let whole = mcfg(&[FOUR_BUSES]);
        for len in 0..whole.len() {
            assert_eq!(Place::find(&whole[..len]), None);
        }
    }

    #[test]
    fn each_bus_is_mapped_once_and_what_is_not_there_reads_as_ones() {
        let asked = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&asked);
        let map = move |address| {
            log.borrow_mut().push(address);
            (address != 0xB010_0000).then(|| Table(vec![0; BUS_BYTES / 4]))
        };
        let mut ecam = Ecam::new(Place::find(&mcfg(&[FOUR_BUSES])).unwrap(), Box::new(map));
        let at = |bus, device, function| Address { bus, device, function };
        ecam.write(at(2, 31, 7), 0xFC, 7);
        assert_eq!(ecam.read(at(2, 31, 7), 0xFC), 7);
        assert_eq!(ecam.read(at(2, 31, 6), 0xFC), 0);
        assert_eq!(ecam.read(at(1, 0, 0), 0), u32::MAX, "a bus that cannot be mapped");
        ecam.write(at(1, 0, 0), 0, 1);
        assert_eq!(ecam.read(at(4, 0, 0), 0), u32::MAX, "a bus that is not in the table");
        assert_eq!(*asked.borrow(), [0xB020_0000, 0xB010_0000]);
    }
}
