//! A 16550 serial port: set up, fed and emptied, with every wait bounded.

use std::collections::VecDeque;

/// The eight registers of the port.
pub(crate) trait Registers {
    /// Reads a register.
    fn get(&mut self, register: u8) -> u8;
    /// Writes a register.
    fn put(&mut self, register: u8, value: u8);
    /// Writes bytes one after the other to [`DATA`].
    fn send(&mut self, bytes: &[u8]);
}

/// The register that bytes go through.
pub(crate) const DATA: u8 = 0;
const INTERRUPT_ENABLE: u8 = 1;
const INTERRUPT_ID: u8 = 2;
const FIFO_CONTROL: u8 = 2;
const LINE_CONTROL: u8 = 3;
const MODEM_CONTROL: u8 = 4;
const LINE_STATUS: u8 = 5;
const SCRATCH: u8 = 7;

const DATA_READY: u8 = 1;
const SEND_EMPTY: u8 = 1 << 5;
const ON_DATA: u8 = 1;
const ON_EMPTY: u8 = 2;
const NO_INTERRUPT: u8 = 1;

/// Bytes that the port takes at once when it is empty.
const FIFO: usize = 16;
/// Bytes taken in one turn; a port that claims to have more is asked again later.
const MOST_INPUT: usize = 4096;
/// How often a claim of the port is believed in one turn.
const MOST_TURNS: usize = 64;
/// Output that may wait; a writer waits for room beyond it.
const HIGH_WATER: usize = 16 * 1024;

/// The port and the output that it has not taken yet.
#[derive(Debug)]
pub(crate) struct Uart<R> {
    registers: R,
    waiting: VecDeque<u8>,
    enabled: u8,
}

impl<R: Registers> Uart<R> {
    /// Sets the port to 115,200 baud, 8 bits, no parity, with FIFO and input interrupts.
    ///
    /// # Errors
    ///
    /// A sentence if nothing answers at the port.
    pub(crate) fn new(mut registers: R) -> Result<Self, &'static str> {
        registers.put(SCRATCH, 0x5A);
        if registers.get(SCRATCH) != 0x5A {
            return Err("there is no serial port at its address");
        }
        registers.put(INTERRUPT_ENABLE, 0);
        // Divisor 1 of 115,200, behind the latch bit; then eight data bits, one stop bit.
        registers.put(LINE_CONTROL, 0x80);
        registers.put(DATA, 1);
        registers.put(INTERRUPT_ENABLE, 0);
        registers.put(LINE_CONTROL, 3);
        // FIFOs on, an interrupt at 8 bytes or when input pauses. What came in before stays.
        registers.put(FIFO_CONTROL, 0x81);
        // Ready, request, and the pin that lets interrupts out of the chip.
        registers.put(MODEM_CONTROL, 0x0B);
        registers.put(INTERRUPT_ENABLE, ON_DATA);
        Ok(Self { registers, waiting: VecDeque::new(), enabled: ON_DATA })
    }

    /// Puts output in line and sends what the port takes now.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
        self.pump();
    }

    /// Whether a writer should wait.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= HIGH_WATER
    }

    /// Serves an interrupt: gives the input, and sends. True: there is more to do already.
    ///
    /// The line is edge-triggered, so a cause that stays unserved never makes it rise again.
    /// Hence the order: ask for the cause (which withdraws "empty"), serve all, and be done only
    /// when there was none at the time of asking: whatever came later raised the line itself.
    pub(crate) fn service(&mut self, input: &mut Vec<u8>) -> bool {
        for _turn in 0..MOST_TURNS {
            let cause = self.registers.get(INTERRUPT_ID);
            while input.len() < MOST_INPUT && self.registers.get(LINE_STATUS) & DATA_READY != 0 {
                input.push(self.registers.get(DATA));
            }
            self.pump();
            if cause & NO_INTERRUPT != 0 && input.len() < MOST_INPUT {
                return false;
            }
        }
        true
    }

    /// Sends as much as the port takes, and asks for an interrupt if something is left.
    fn pump(&mut self) {
        for _turn in 0..MOST_TURNS {
            if self.waiting.is_empty() || self.registers.get(LINE_STATUS) & SEND_EMPTY == 0 {
                break;
            }
            let len = self.waiting.len().min(FIFO);
            let bytes: Vec<u8> = self.waiting.drain(..len).collect();
            self.registers.send(&bytes);
        }
        let wanted = if self.waiting.is_empty() { ON_DATA } else { ON_DATA | ON_EMPTY };
        if wanted != self.enabled {
            self.registers.put(INTERRUPT_ENABLE, wanted);
            self.enabled = wanted;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::{
        DATA, DATA_READY, HIGH_WATER, INTERRUPT_ENABLE, INTERRUPT_ID, LINE_STATUS, MOST_INPUT,
        ON_DATA, ON_EMPTY, Registers, SCRATCH, SEND_EMPTY, Uart,
    };

    #[derive(Default, PartialEq, Eq)]
    enum Manner {
        /// It sends when the test says so.
        #[default]
        Real,
        /// It sends at once, as an emulator does.
        Instant,
        /// It claims to have input for ever.
        Stuck,
    }

    /// A port with a FIFO of 16 that a test drives.
    #[derive(Default)]
    struct Fake {
        input: VecDeque<u8>,
        fifo: usize,
        sent: Vec<u8>,
        enabled: u8,
        scratch: u8,
        /// "Empty" was raised and not asked for since.
        empty_raised: bool,
        manner: Manner,
    }

    impl Fake {
        fn drained(&mut self) {
            self.fifo = 0;
            self.empty_raised = self.enabled & ON_EMPTY != 0;
        }

        fn line_is_up(&self) -> bool {
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

    #[test]
    fn output_goes_out_in_order_and_never_overruns_the_port() {
        let mut uart = Uart::new(Fake::default()).unwrap();
        let text: Vec<u8> = (0..200).collect();
        uart.write(&text[..100]);
        uart.write(&text[100..]);
        assert_eq!(uart.registers.sent.len(), 16);
        assert_eq!(uart.registers.enabled, ON_DATA | ON_EMPTY);
        for _interrupt in 0..20 {
            uart.registers.drained();
            uart.service(&mut Vec::new());
        }
        assert_eq!(uart.registers.sent, text);
        assert_eq!(uart.registers.enabled, ON_DATA, "no interrupt is wanted any more");
    }

    #[test]
    fn a_port_that_sends_at_once_leaves_no_output_behind() {
        let mut uart = Uart::new(Fake { manner: Manner::Instant, ..Fake::default() }).unwrap();
        uart.write(&[7; 20_000]);
        for _edge in 0..100 {
            if !uart.registers.line_is_up() {
                break;
            }
            while uart.service(&mut Vec::new()) {}
        }
        assert_eq!(uart.registers.sent.len(), 20_000);
        assert!(!uart.registers.line_is_up(), "the line would never rise again");
    }

    #[test]
    fn all_input_is_taken_by_one_interrupt() {
        let mut uart = Uart::new(Fake::default()).unwrap();
        uart.registers.input.extend(0..40);
        let mut input = Vec::new();
        assert!(!uart.service(&mut input));
        assert_eq!(input, (0..40).collect::<Vec<u8>>());
    }

    #[test]
    fn a_port_that_never_runs_dry_does_not_hold_the_daemon() {
        let stuck = Fake { manner: Manner::Stuck, ..Fake::default() };
        let mut uart = Uart::new(stuck).unwrap();
        let mut input = Vec::new();
        assert!(uart.service(&mut input), "it must be asked again");
        assert_eq!(input.len(), MOST_INPUT);
    }

    #[test]
    fn writers_wait_when_much_is_unsent() {
        let mut uart = Uart::new(Fake::default()).unwrap();
        uart.write(&[0; HIGH_WATER]);
        assert!(!uart.is_full());
        uart.write(&[0; 16]);
        assert!(uart.is_full());
    }

    #[test]
    fn a_missing_port_is_noticed() {
        /// What an address without a device answers.
        struct Nothing;
        impl Registers for Nothing {
            fn get(&mut self, _register: u8) -> u8 {
                0xFF
            }
            fn put(&mut self, _register: u8, _value: u8) {}
            fn send(&mut self, _bytes: &[u8]) {}
        }
        assert!(Uart::new(Nothing).is_err());
    }
}
