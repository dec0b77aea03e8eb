//! Tables as firmware writes them, and damaged ones.
#![expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure")]

mod qemu;

use anode_scheme::testing::Fake;
use redox::error::{EINVAL, EIO, ENOENT, EPERM};

use crate::power::{Bus, Power, Register, soft_off};
use crate::scheme::{Acpi, Host};
use crate::tables::{Missing, Physical, list, read, rsdp_address};

/// Memory from this address on.
const BASE: u64 = 0x7F00_0000;
const RSDT: u64 = BASE + 0x100;
const XSDT: u64 = BASE + 0x180;
const FADT: u64 = BASE + 0x200;
const DSDT: u64 = BASE + 0x400;
const SSDT: u64 = BASE + 0x500;

#[derive(Clone)]
pub(crate) struct Memory(pub(crate) Vec<u8>);

impl Physical for Memory {
    fn read(&self, address: u64, len: usize) -> Option<Vec<u8>> {
        let at = usize::try_from(address.checked_sub(BASE)?).ok()?;
        self.0.get(at..at.checked_add(len)?).map(<[u8]>::to_vec)
    }
}

impl Memory {
    fn at(&mut self, address: u64) -> &mut [u8] {
        &mut self.0[usize::try_from(address - BASE).unwrap()..]
    }

    fn put(&mut self, address: u64, bytes: &[u8]) {
        self.at(address)[..bytes.len()].copy_from_slice(bytes);
    }

    fn table(&mut self, address: u64, signature: &[u8; 4], body: &[u8]) {
        let len = 36 + body.len();
        self.put(address, signature);
        self.put(address + 4, &u32::try_from(len).unwrap().to_le_bytes());
        self.put(address + 36, body);
        self.checksum(address, 9, len);
    }

    /// Makes the bytes add up to zero.
    fn checksum(&mut self, address: u64, at: usize, len: usize) {
        let bytes = &mut self.at(address)[..len];
        bytes[at] = 0;
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        bytes[at] = sum.wrapping_neg();
    }
}

fn fadt() -> Vec<u8> {
    let mut fadt = vec![0; 276];
    let mut put = |at: usize, bytes: &[u8]| fadt[at..at + bytes.len()].copy_from_slice(bytes);
    put(40, &0x1234_u32.to_le_bytes());
    put(48, &0xB2_u32.to_le_bytes());
    put(52, &[0xF1]);
    put(64, &0x604_u32.to_le_bytes());
    put(112, &(1_u32 << 10).to_le_bytes());
    put(116, &[1, 8, 0, 0, 0xF9, 0x0C]);
    put(128, &[0x0F]);
    put(140, &DSDT.to_le_bytes());
    fadt
}

/// What QEMU's DSDT has, with other bytes around.
const S5: &[u8] = b"\x10\x20\x08_S5_\x12\x06\x04\x0A\x05\x00\x00\x00\xA4";

/// A machine with tables of both versions.
pub(crate) fn machine() -> Memory {
    let mut memory = Memory(vec![0; 0x600]);
    memory.put(BASE, b"RSD PTR ");
    memory.put(BASE + 15, &[2]);
    memory.put(BASE + 16, &u32::try_from(RSDT).unwrap().to_le_bytes());
    memory.checksum(BASE, 8, 20);
    memory.put(BASE + 20, &36_u32.to_le_bytes());
    memory.put(BASE + 24, &XSDT.to_le_bytes());
    memory.checksum(BASE, 32, 36);
    let narrow = |address: u64| u32::try_from(address).unwrap().to_le_bytes();
    memory.table(RSDT, b"RSDT", &[narrow(FADT), narrow(SSDT)].concat());
    memory.table(XSDT, b"XSDT", &[FADT, SSDT, SSDT, 0, 1].map(u64::to_le_bytes).concat());
    memory.table(FADT, b"FACP", &fadt()[36..]);
    memory.table(DSDT, b"DSDT", S5);
    memory.table(SSDT, b"SSDT", b"");
    memory
}

fn names(memory: &Memory) -> Result<Vec<String>, Missing> {
    list(memory, BASE).map(|list| list.into_iter().map(|entry| entry.name).collect())
}

#[test]
fn the_root_pointer_is_found_in_the_boot_text() {
    assert_eq!(rsdp_address("slot 0\nrsdp 0x7f00abc\nx y\n"), Some(0x7F0_0ABC));
    for text in ["", "rsdp", "rsdp 0", "rsdp 0x0", "rsdp 0xg", "norsdp 0x1"] {
        assert_eq!(rsdp_address(text), None, "{text}");
    }
}

#[test]
fn tables_are_listed_once_each_and_the_dsdt_with_them() {
    assert_eq!(names(&machine()).unwrap(), ["FACP", "SSDT", "DSDT"]);
}

#[test]
fn a_damaged_xsdt_is_replaced_by_the_rsdt_and_worse_damage_is_named() {
    let mut memory = machine();
    memory.at(XSDT)[12] ^= 1;
    assert_eq!(names(&memory).unwrap(), ["FACP", "SSDT", "DSDT"]);
    memory.at(RSDT)[12] ^= 1;
    assert_eq!(names(&memory), Err(Missing::Root));
    memory.at(BASE)[12] ^= 1;
    assert_eq!(names(&memory), Err(Missing::Rsdp));
    assert_eq!(list(&memory, 1), Err(Missing::Rsdp));
}

#[test]
fn further_tables_of_one_signature_are_numbered() {
    let mut memory = machine();
    memory.table(BASE + 0x580, b"SSDT", b"");
    memory.table(XSDT, b"XSDT", &[SSDT, BASE + 0x580].map(u64::to_le_bytes).concat());
    assert_eq!(names(&memory).unwrap(), ["SSDT", "SSDT.1"]);
}

#[test]
fn the_package_of_soft_off_is_found_in_all_forms() {
    let found = |aml: &[u8]| soft_off(aml).map(|it| format!("{it:?}"));
    let off = |a, b| Some(format!("SoftOff {{ a: {a}, b: {b} }}"));
    assert_eq!(found(S5), off(5, 0));
    assert_eq!(found(b"\x08\\_S5_\x12\x08\x04\x0A\x07\x0A\x07\x00\x00"), off(7, 7));
    assert_eq!(found(b"\x08_S5_\x12\x40\x08\x02\x01\x0B\x06\x00"), off(1, 6));
    assert_eq!(found(b"_S5_\x12\x08_S5_ \x08_S5_\x12\x06\x01\x0A\x03"), off(3, 3));
    for aml in
        [&b""[..], b"_S5_", b"\x08_S5_", b"\x08_S5_\x12\x06\x04", b"\x08_S5_\x11\x06\x04\x00\x00"]
    {
        assert_eq!(found(aml), None);
    }
    for end in 0..S5.len() - 4 {
        let _maybe = soft_off(&S5[..end]);
    }
}

/// Remembers what was written; PM1 control says "ACPI mode" once it was asked for.
#[derive(Default)]
struct Script {
    writes: Vec<(Register, u16)>,
    enabled: bool,
    waits: u32,
}

impl Bus for Script {
    fn read16(&mut self, _register: Register) -> u16 {
        if self.enabled { 0x1C01 } else { 0 }
    }

    fn write16(&mut self, register: Register, value: u16) {
        self.writes.push((register, value));
    }

    fn write8(&mut self, register: Register, value: u8) {
        self.enabled |= register == Register::Port(0xB2);
        self.writes.push((register, value.into()));
    }

    fn wait(&mut self) {
        self.waits += 1;
    }
}

#[test]
fn turning_off_enters_acpi_mode_and_then_writes_the_sleep_type() {
    let power = Power::new(&fadt(), [S5]);
    assert!(power.can_turn_off());
    let mut script = Script::default();
    power.turn_off(&mut script);
    let control = Register::Port(0x604);
    let expected =
        [(Register::Port(0xB2), 0xF1), (control, 1 | 5 << 10), (control, 1 | 5 << 10 | 1 << 13)];
    assert_eq!(script.writes, expected);
}

#[test]
fn both_controls_get_their_own_type_and_wide_registers_come_first() {
    let mut fadt = fadt();
    fadt[68..70].copy_from_slice(&0x704_u16.to_le_bytes());
    fadt[172..180].copy_from_slice(&[0, 16, 0, 2, 0, 0x10, 0, 0xF0]);
    let power = Power::new(&fadt, [&b""[..], S5]);
    let mut script = Script { enabled: true, ..Script::default() };
    power.turn_off(&mut script);
    let registers: Vec<_> = script.writes.iter().map(|(register, _)| *register).collect();
    let (a, b) = (Register::Memory(0xF000_1000), Register::Port(0x704));
    assert_eq!(registers, [a, a, b, b]);
    assert_eq!(script.writes[3].1 & 0x1C00, 0);
}

#[test]
fn a_machine_without_those_registers_sleeps_by_its_own() {
    let mut fadt = fadt();
    fadt[112..116].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    fadt[244..250].copy_from_slice(&[1, 8, 0, 1, 0x00, 0x05]);
    let power = Power::new(&fadt, [S5]);
    let mut script = Script::default();
    power.turn_off(&mut script);
    assert_eq!(script.writes, [(Register::Port(0x500), 5 << 2 | 1 << 5)]);
}

#[test]
fn a_firmware_that_never_enters_acpi_mode_does_not_hold_us() {
    let mut fadt = fadt();
    fadt[48] = 0xB0;
    let mut script = Script::default();
    Power::new(&fadt, [S5]).turn_off(&mut script);
    assert_eq!(script.waits, 300);
    assert_eq!(script.writes.len(), 3);
}

#[test]
fn a_reset_tries_the_register_of_the_firmware_and_then_the_keyboard() {
    let mut script = Script::default();
    Power::new(&fadt(), [S5]).reset(&mut script);
    assert_eq!(script.writes, [(Register::Port(0xCF9), 0x0F), (Register::Port(0x64), 0xFE)]);
    let mut script = Script::default();
    Power::default().reset(&mut script);
    assert_eq!(script.writes, [(Register::Port(0x64), 0xFE)]);
    assert!(!Power::default().can_turn_off());
}

impl Host for Memory {
    fn bus(&self) -> impl Bus {
        Script::default()
    }
}

#[test]
fn the_scheme_shows_tables_and_takes_commands_from_root_alone() {
    let memory = machine();
    let entries = list(&memory, BASE).unwrap();
    let mut acpi = Fake::new(Acpi::new(memory, entries));
    let root = acpi.open("", 0).unwrap();
    assert_eq!(acpi.list(root, 64).unwrap(), ["power", "tables"]);
    let tables = acpi.open_at(root, "tables", 0).unwrap().value;
    assert_eq!(acpi.list(tables, 64).unwrap(), ["DSDT", "FACP", "SSDT"]);
    let dsdt = acpi.open("tables/DSDT", 0).unwrap();
    assert_eq!(acpi.read(dsdt, 4000, 36).unwrap(), S5);
    assert_eq!(acpi.open("tables/XXXX", 0).unwrap_err().errno, ENOENT);

    let power = acpi.open("power", 0).unwrap();
    let mut writes = |bytes: &[u8]| acpi.write(power, bytes, u64::MAX).unwrap_err().errno;
    assert_eq!(writes(b"sleep"), EINVAL);
    assert_eq!(writes(b""), EINVAL);
    assert_eq!(writes(b"poweroff\n"), EIO, "the script's machine goes on");
    assert_eq!(writes(b"reboot"), EIO);
    acpi.caller = (5, 1000, 1000);
    assert_eq!(acpi.write(power, b"reboot", 0).unwrap_err().errno, EPERM);
}

#[test]
fn no_mutation_of_the_tables_breaks_the_parsers() {
    let mut seed = 0x1357_9BDF_u32;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        usize::try_from(seed).unwrap() % below
    };
    for _ in 0..20_000 {
        let mut memory = machine();
        for _ in 0..=random(3) {
            let at = random(memory.0.len());
            memory.0[at] = u8::try_from(random(256)).unwrap();
        }
        if random(4) == 0 {
            let len = random(memory.0.len());
            memory.0.truncate(len);
        }
        // A changed table must still add up, or nothing behind the sum is ever reached.
        for (address, len) in [(FADT, 276), (DSDT, 36 + S5.len()), (XSDT, 76)] {
            if memory.read(address, len).is_some() {
                memory.checksum(address, 9, len);
            }
        }
        let entries = list(&memory, BASE).unwrap_or_default();
        let tables: Vec<_> =
            entries.iter().filter_map(|entry| read(&memory, entry.address)).collect();
        for table in &tables {
            let power = Power::new(table, tables.iter().map(Vec::as_slice));
            power.turn_off(&mut Script::default());
        }
    }
}
