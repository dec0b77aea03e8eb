//! Which disk has which number.

use anode_block::Name;
use redox::error::{ENOENT, Error, Result};

use crate::FAMILIES;
use crate::drivers::Drivers;

/// A disk: the driver that has it, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) family: usize,
    pub(crate) index: u32,
}

/// The numbers that were given so far. A number is given once, in the order of families as far
/// as that was known, and never to another disk: a driver that comes late, or comes back with
/// more disks, has its numbers behind all others.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Vec<Disk>);

impl Numbers {
    /// The disk with this number.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none; what a driver answers that might have it.
    pub(crate) fn find(&mut self, number: u32, drivers: &mut impl Drivers) -> Result<Disk> {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let mut asked = 0..FAMILIES.len();
        let mut none = Error::new(ENOENT);
        loop {
            if let Some(disk) = self.0.get(place) {
                return Ok(*disk);
            }
            // Nobody waits for a driver whose disks do not matter, nor goes without for one that
            // does not answer.
            let family = asked.next().ok_or(none)?;
            if let Err(error) = self.learn(family, drivers) {
                none = error;
            }
        }
    }

    /// All names: `0`, `0p1`, … A driver that does not answer is left out.
    pub(crate) fn names(&mut self, drivers: &mut impl Drivers) -> Vec<Name> {
        let mut names = Vec::new();
        for family in 0..FAMILIES.len() {
            let found = self.learn(family, drivers).unwrap_or_default();
            names.extend(found.into_iter().filter_map(|name| {
                let disk = Disk { family, index: name.disk };
                let number = self.0.iter().position(|other| *other == disk)?;
                Some(Name { disk: u32::try_from(number).ok()?, ..name })
            }));
        }
        names.sort_unstable_by_key(|name| (name.disk, name.partition));
        names
    }

    /// Gives numbers to those disks of a driver that have none; gives all of its names.
    fn learn(&mut self, family: usize, drivers: &mut impl Drivers) -> Result<Vec<Name>> {
        let names = drivers.list(family)?;
        let names: Vec<Name> = names.iter().filter_map(|name| Name::parse(name)).collect();
        for name in names.iter().filter(|name| name.partition.is_none()) {
            let disk = Disk { family, index: name.disk };
            if !self.0.contains(&disk) {
                self.0.push(disk);
            }
        }
        Ok(names)
    }
}
