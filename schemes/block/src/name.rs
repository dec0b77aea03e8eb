//! The names of disks: `0` a disk, `0p1` a partition of it.

use core::fmt;

/// A disk or a partition, by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// The disk's number, from 0.
    pub disk: u32,
    /// The partition's number, from 1; none: the whole disk.
    pub partition: Option<u32>,
}

impl Name {
    /// Reads a name; each thing has one only, so `00` and `0p01` are none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (disk, partition) = match text.split_once('p') {
            Some((disk, partition)) => (disk, Some(partition.parse().ok()?)),
            None => (text, None),
        };
        let name = Self { disk: disk.parse().ok()?, partition };
        (name.to_string() == text).then_some(name)
    }

    /// A number that a successor of this daemon finds it by.
    #[must_use]
    pub fn cookie(self) -> u64 {
        u64::from(self.disk) << 32 | u64::from(self.partition.unwrap_or(0))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partition {
            Some(partition) => write!(f, "{}p{partition}", self.disk),
            None => write!(f, "{}", self.disk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn each_thing_has_one_name() {
        for text in ["0", "17", "0p1", "3p128"] {
            assert_eq!(Name::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "p1", "0p", "00", "0p01", "+1", "0p1p2", "4294967296", "0 "] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }
}
