//! Interrupts in, bytes out, on a port that a test drives.

use super::{
    HIGH_WATER, MOST_INPUT, ON_DATA, ON_EMPTY, Registers, Uart,
    fake::{Fake, Manner},
};

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
