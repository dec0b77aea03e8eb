//! The tables that a real firmware leaves, and a machine that goes when it is told to.

use anode_device::Registers as _;
use anode_device::qtest::Qemu;

use crate::power::{Bus, Power, Register};
use crate::tables::{Physical, list, read};

impl Physical for Qemu {
    fn read(&self, address: u64, len: usize) -> Option<Vec<u8>> {
        Some(Self::read(self, address, len))
    }
}

impl Bus for Qemu {
    fn read16(&mut self, register: Register) -> u16 {
        match register {
            Register::Port(port) => self.ports(port, 2).read16(0),
            Register::Memory(address) => self.window(address, 2).read16(0),
        }
    }

    fn write16(&mut self, register: Register, value: u16) {
        match register {
            Register::Port(port) => self.ports(port, 2).write16(0, value),
            Register::Memory(address) => self.window(address, 2).write16(0, value),
        }
    }

    fn write8(&mut self, register: Register, value: u8) {
        match register {
            Register::Port(port) => self.ports(port, 1).write8(0, value),
            Register::Memory(address) => self.window(address, 1).write8(0, value),
        }
    }

    fn wait(&mut self) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Lets the firmware make its tables, and gives the address of the root pointer.
fn root_pointer(qemu: &Qemu) -> u64 {
    const BIOS: u64 = 0xE_0000;
    for _ in 0..6000 {
        let area = Qemu::read(qemu, BIOS, 0x2_0000);
        let mut places = area.chunks_exact(16).zip((BIOS..).step_by(16));
        if let Some((_, address)) = places.find(|(bytes, _)| bytes.starts_with(b"RSD PTR "))
            && list(qemu, address).is_ok_and(|entries| entries.len() > 2)
        {
            return address;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    unreachable!("the firmware made no tables");
}

fn power(qemu: &Qemu) -> Power {
    let entries = list(qemu, root_pointer(qemu)).unwrap();
    let table = |name: &str| {
        let entry = entries.iter().find(|entry| entry.name == name);
        read(qemu, entry.unwrap_or_else(|| unreachable!("{name} in {entries:?}")).address).unwrap()
    };
    let _madt = table("APIC");
    Power::new(&table("FACP"), [table("DSDT").as_slice()])
}

#[test]
fn a_machine_is_turned_off_by_what_its_firmware_says() {
    let Some(qemu) = Qemu::boot(&[]) else { return };
    let power = power(&qemu);
    assert!(power.can_turn_off());
    power.turn_off(&mut qemu.clone());
    assert!(qemu.ends());
}

#[test]
fn a_machine_is_reset_by_what_its_firmware_says() {
    let Some(qemu) = Qemu::boot(&["-action", "reboot=shutdown"]) else { return };
    let (register, value) = power(&qemu).reset_register().unwrap();
    qemu.clone().write8(register, value);
    assert!(qemu.ends());
}
