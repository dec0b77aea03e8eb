//! Functions, BARs and interrupts on a bus made of memory.
#![expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure")]

mod qemu;
mod scheme;

use redox::error::{EACCES, EINVAL, ENXIO};

use crate::access::{Access, Address};
use crate::bar::{Bar, pages};
use crate::bus::functions;
use crate::fake::{Bus, Table};
use crate::function::{Function, Msix};
use crate::message::{Message, connect, disconnect, let_master, program_msi, program_msix};

const fn at(bus: u8, device: u8, function: u8) -> Address {
    Address { bus, device, function }
}

const DISK: Address = at(0, 2, 0);

/// A function with a port BAR, a small memory BAR with the MSI-X table, a wide one, and MSI.
fn disk() -> Bus {
    let mut bus = Bus::default();
    let words = [
        (0x04, 0x0010_0007),
        (0x08, 0x0100_0001),
        (0x2C, 0x1100_1AF4),
        (0x34, 0x40),
        (0x3C, 0x0000_010B),
        (0x40, 0x8003_5011),
        (0x44, 0x0000_1001),
        (0x48, 0x0000_1801),
        (0x50, 0x0080_0005),
    ];
    bus.add(DISK, &words);
    bus.add_bar(DISK, 0, 0xC001, 0xFFFF_FF80);
    bus.add_bar(DISK, 1, 0xFEBD_0000, 0xFFFF_C000);
    bus.add_bar(DISK, 4, 0xC, 0xFFFF_C000);
    bus.add_bar(DISK, 5, 0x80, 0xFFFF_FFFF);
    bus
}

fn function(bus: &mut Bus) -> Function {
    Function::read(bus, DISK).unwrap()
}

#[test]
fn a_function_is_described_and_left_as_it_was() {
    let mut bus = disk();
    let before: Vec<_> = (0..64).map(|word| bus.word(DISK, word * 4)).collect();
    let text = function(&mut bus).to_string();
    assert_eq!(
        text,
        "vendor=1af4 device=1042 class=010000 revision=01 subsystem=1af4:1100 irq=b msi=1 \
         msix=4 msix-table=1/1000 bar0=io/c000/80 bar1=mem/febd0000/4000 \
         bar4=mem/8000000000/4000\n"
    );
    let after: Vec<_> = (0..64).map(|word| bus.word(DISK, word * 4)).collect();
    assert_eq!(before, after);
    assert!(!bus.decoded_while_probed, "BARs are moved only while they are disconnected");
}

#[test]
fn bars_that_make_no_sense_do_not_exist() {
    for (value, mask) in [(0, 0), (0, 0xFFFF_F000), (0x1000, 0xFF0F_F000), (1, 0xFFFF_FF80)] {
        let mut bus = disk();
        bus.add_bar(DISK, 1, value, mask);
        assert_eq!(function(&mut bus).bars[1], None, "{value:x} {mask:x}");
    }
    // A wide BAR in the last register has no upper half.
    let mut bus = disk();
    bus.add_bar(DISK, 5, 0xFE00_0004, 0xFFFF_0000);
    bus.add_bar(DISK, 4, 0, 0);
    assert_eq!(
        function(&mut bus).bars[5],
        Some(Bar::Memory { address: 0xFE00_0000, size: 0x1_0000 })
    );
}

#[test]
fn pages_of_the_msix_table_are_never_handed_out() {
    let mut bus = disk();
    let function = function(&mut bus);
    let errno = |bar, part| pages(&function, bar, part).map_err(|error| error.errno);
    assert_eq!(errno(1, None), Err(EACCES));
    assert_eq!(errno(1, Some((0x1000, 0x1000))), Err(EACCES));
    assert_eq!(errno(1, Some((0, 0x2000))), Err(EACCES));
    assert_eq!(errno(1, Some((0, 0x1000))), Ok(0xFEBD_0000..0xFEBD_1000));
    assert_eq!(errno(1, Some((0x2000, 0x2000))), Ok(0xFEBD_2000..0xFEBD_4000));
    assert_eq!(errno(4, None), Ok(0x80_0000_0000..0x80_0000_4000));
    for (part, expected) in [
        ((0x10, 0x1000), EINVAL),
        ((0, 0x10), EINVAL),
        ((0, 0), EINVAL),
        ((0x3000, 0x2000), ENXIO),
        ((u64::MAX - 0xFFF, 0x1000), ENXIO),
    ] {
        assert_eq!(errno(4, Some(part)), Err(expected), "{part:x?}");
    }
    assert_eq!(errno(0, None), Err(ENXIO));
    assert_eq!(errno(6, None), Err(ENXIO));
}

#[test]
fn a_bar_that_shares_its_page_is_not_handed_out() {
    let mut bus = disk();
    bus.add_bar(DISK, 2, 0xFEBE_0800, 0xFFFF_F800);
    let function = function(&mut bus);
    assert_eq!(pages(&function, 2, None).unwrap_err().errno, EACCES);
}

#[test]
fn a_driver_may_write_neither_header_nor_interrupt_capabilities() {
    let mut bus = disk();
    let function = function(&mut bus);
    let allowed: Vec<u8> = (0..=255).filter(|at| function.may_write(*at)).collect();
    let expected: Vec<u8> = (0x4C..0x50).chain(0x5E..=0xFF).collect();
    assert_eq!(allowed, expected);
}

#[test]
fn bridges_are_followed_once_and_lies_of_theirs_end() {
    let mut bus = Bus::default();
    bus.add(at(0, 0, 0), &[]);
    bus.add(at(0, 1, 0), &[(0x0C, 0x0081_0000), (0x18, 0x0002_0200)]);
    bus.add(at(0, 1, 3), &[]);
    bus.add(at(2, 0, 0), &[(0x0C, 0x0001_0000), (0x18, 0x0003_0302)]);
    bus.add(at(3, 5, 0), &[(0x0C, 0x0001_0000), (0x18, 0x0002_0203)]);
    bus.add(at(3, 6, 0), &[(0x0C, 0x0001_0000), (0x18, 0x00FF_FF03)]);
    bus.add(at(3, 7, 1), &[]);
    let found: Vec<_> = functions(&mut bus).iter().map(|found| found.address).collect();
    let expected = [at(0, 0, 0), at(0, 1, 0), at(0, 1, 3), at(2, 0, 0), at(3, 5, 0), at(3, 6, 0)];
    assert_eq!(found, expected);
}

#[test]
fn the_bus_belongs_to_a_function_while_its_driver_has_it() {
    let mut bus = disk();
    let function = function(&mut bus);
    bus.write(DISK, 4, 0b111);
    connect(&mut bus, &function);
    assert_eq!(bus.word(DISK, 4) & 0x407, 0x403, "DMA of an earlier driver");
    let_master(&mut bus, &function);
    assert_eq!(bus.word(DISK, 4) & 0x407, 0x407);
    disconnect(&mut bus, &function);
    assert_eq!(bus.word(DISK, 4) & 0x404, 0x400);
    assert_eq!(bus.word(DISK, 0x40) >> 31, 0, "messages are off");
}

#[test]
fn an_msix_entry_is_programmed_and_the_others_are_masked() {
    let mut bus = disk();
    let function = function(&mut bus);
    let msix = function.msix.unwrap();
    let mut table = Table(vec![0; 16]);
    connect(&mut bus, &function);
    let message = Message { address: 0x1_FEE0_0000, data: 0x41 };

    program_msix(&mut bus, &function, msix, &mut table, (1, message));

    assert_eq!(&table.0[4..8], &[0xFEE0_0000, 1, 0x41, 0]);
    assert_eq!([table.0[3], table.0[11], table.0[15]], [1, 1, 1]);
    assert_eq!(bus.word(DISK, 0x40) >> 30, 0b10, "enabled, not masked");
    assert_eq!(bus.word(DISK, 4) & 0x400, 0x400, "no line");

    program_msix(&mut bus, &function, msix, &mut table, (2, message));
    assert_eq!([table.0[7], table.0[11], table.0[15]], [0, 0, 1]);
}

#[test]
fn msi_is_programmed_in_all_its_forms() {
    for (control, data_at) in [(0_u32, 0x58_u8), (0x80, 0x5C), (0x100, 0x58), (0x180, 0x5C)] {
        let mut bus = disk();
        bus.add(DISK, &[(0x04, 0x0010_0000), (0x34, 0x50), (0x50, control << 16 | 5)]);
        let function = function(&mut bus);
        let message = Message { address: 0xFEE0_1000, data: 0x1234_4042 };
        program_msi(&mut bus, &function, function.msi.unwrap(), message);
        assert_eq!(bus.word(DISK, 0x54), 0xFEE0_1000);
        assert_eq!(bus.word(DISK, data_at), 0x4042);
        assert_eq!(bus.word(DISK, 0x50) >> 16 & 0x71, 1);
    }
}

#[test]
fn no_configuration_space_breaks_the_parser() {
    let mut seed = 0x2545_F491_u32;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed
    };
    for _ in 0..20_000 {
        let mut bus = disk();
        for _ in 0..=random() % 4 {
            let [word, ..] = (random() % 64).to_le_bytes();
            let value = random();
            if (4..10).contains(&word) {
                bus.add_bar(DISK, usize::from(word) - 4, value, random());
            } else {
                let old = bus.word(DISK, word * 4);
                let mut words: Vec<_> =
                    (0..64).map(|at| (at * 4, bus.word(DISK, at * 4))).collect();
                words[usize::from(word)].1 =
                    [value, old ^ 1 << (value % 32)][usize::from(random() % 2 == 0)];
                bus.add(DISK, &words);
            }
        }
        for function in functions(&mut bus) {
            check(&function);
        }
    }
}

/// What must hold of any function, however its device lies.
fn check(function: &Function) {
    if let Some(Msix { bar, .. }) = function.msix {
        assert!(pages(function, usize::from(bar), None).is_err());
    }
    for (number, bar) in function.bars.iter().enumerate() {
        if let (Some(Bar::Memory { address, size }), Ok(pages)) =
            (bar, pages(function, number, None))
        {
            assert!(pages.start == *address && pages.end - pages.start >= *size);
        }
    }
    assert!((0..0x40).all(|at| !function.may_write(at)));
}
