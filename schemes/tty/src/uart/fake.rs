//! A serial port for tests.

use std::collections::VecDeque;

use super::{
    DATA, DATA_READY, INTERRUPT_ENABLE, INTERRUPT_ID, LINE_STATUS, ON_EMPTY, Registers, SCRATCH,
    SEND_EMPTY,
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It sends when the test says so.
    #[default]
    Real,
    /// It sends at once, as an emulator does.
    Instant,
    /// It claims to have input for ever.
    Stuck,
}

/// A port with a FIFO of 16 that a test drives.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    pub(crate) input: VecDeque<u8>,
    pub(crate) fifo: usize,
    pub(crate) sent: Vec<u8>,
    pub(crate) enabled: u8,
    pub(crate) scratch: u8,
    /// "Empty" was raised and not asked for since.
    pub(crate) empty_raised: bool,
    pub(crate) manner: Manner,
}

impl Fake {
    pub(crate) fn drained(&mut self) {
        self.fifo = 0;
        self.empty_raised = self.enabled & ON_EMPTY != 0;
    }

    pub(crate) fn line_is_up(&self) -> bool {
        self.manner == Manner::Stuck || self.empty_raised
    }
}

impl Registers for Fake {
    fn get(&mut self, register: u8) -> u8 {
        let data =
            if self.manner == Manner::Stuck || !self.input.is_empty() { DATA_READY } else { 0 };
        let empty = if self.fifo == 0 { SEND_EMPTY } else { 0 };
        match register {
            DATA => self.input.pop_front().unwrap_or(0),
            LINE_STATUS => data | empty,
            INTERRUPT_ID => u8::from(data == 0 && !std::mem::take(&mut self.empty_raised)),
            SCRATCH => self.scratch,
            _ => 0,
        }
    }

    fn put(&mut self, register: u8, value: u8) {
        match register {
            INTERRUPT_ENABLE => {
                self.enabled = value;
                self.empty_raised = value & ON_EMPTY != 0 && self.fifo == 0;
            }
            SCRATCH => self.scratch = value,
            _ => {}
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        assert!(self.fifo == 0 && bytes.len() <= 16, "the port was overrun");
        self.fifo = bytes.len();
        self.sent.extend(bytes);
        self.empty_raised = false;
        if self.manner == Manner::Instant {
            self.drained();
        }
    }
}
