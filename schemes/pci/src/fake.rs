//! A bus made of memory, for tests.
#![expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure")]

use std::collections::BTreeMap;

use anode_device::Registers;

use crate::access::{Access, Address};

/// One function: its words, and which bits of a BAR can be written.
#[derive(Clone, Debug)]
struct Space {
    words: [u32; 64],
    bar_masks: [u32; 6],
}

/// Configuration space of some functions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bus {
    functions: BTreeMap<Address, Space>,
    /// Commands that were written while a BAR was being measured.
    pub(crate) decoded_while_probed: bool,
}

impl Bus {
    pub(crate) fn add(&mut self, address: Address, words: &[(u8, u32)]) {
        let mut space = Space { words: [0; 64], bar_masks: [0; 6] };
        space.words[0] = 0x1042_1AF4;
        for (at, word) in words {
            space.words[usize::from(at / 4)] = *word;
        }
        self.functions.insert(address, space);
    }

    /// Gives a function a BAR whose writable bits are `mask`.
    pub(crate) fn add_bar(&mut self, address: Address, number: usize, value: u32, mask: u32) {
        let space = self.functions.get_mut(&address).unwrap();
        space.words[4 + number] = value;
        space.bar_masks[number] = mask;
    }

    pub(crate) fn word(&self, address: Address, at: u8) -> u32 {
        self.functions[&address].words[usize::from(at / 4)]
    }
}

impl Access for Bus {
    fn read(&mut self, function: Address, at: u8) -> u32 {
        assert!(at.is_multiple_of(4));
        self.functions.get(&function).map_or(u32::MAX, |space| space.words[usize::from(at / 4)])
    }

    fn write(&mut self, function: Address, at: u8, value: u32) {
        assert!(at.is_multiple_of(4));
        let Some(space) = self.functions.get_mut(&function) else { return };
        let index = usize::from(at / 4);
        if let Some(mask) = index.checked_sub(4).and_then(|bar| space.bar_masks.get(bar)) {
            self.decoded_while_probed |= space.words[1] & 3 != 0;
            space.words[index] = value & mask | space.words[index] & !mask & 0xF;
        } else if index == 1 {
            // Ones clear bits of the status.
            let status = space.words[1] & !value & 0xFFFF_0000;
            space.words[1] = status | value & 0xFFFF;
        } else {
            space.words[index] = value;
        }
    }
}

/// A page of registers that remembers.
#[derive(Clone, Debug)]
pub(crate) struct Table(pub(crate) Vec<u32>);

impl Registers for Table {
    fn size(&self) -> usize {
        self.0.len() * 4
    }

    fn read8(&self, at: usize) -> u8 {
        self.0[at / 4].to_le_bytes()[at % 4]
    }

    fn read16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.read8(at), self.read8(at + 1)])
    }

    fn read32(&self, at: usize) -> u32 {
        self.0[at / 4]
    }

    fn write8(&mut self, _at: usize, _value: u8) {}

    fn write16(&mut self, _at: usize, _value: u16) {}

    fn write32(&mut self, at: usize, value: u32) {
        self.0[at / 4] = value;
    }
}
