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
    pub(crate) registers: R,
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
pub(crate) mod fake;
#[cfg(test)]
mod tests;
