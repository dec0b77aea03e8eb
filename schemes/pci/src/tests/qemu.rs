//! The bus of a real machine model.

use anode_device::qtest::{Qemu, Window};
use anode_device::{Facts, Registers as _};

use crate::access::{Access, FIRST_PORT, LegacyPorts, PORTS};
use crate::bar::{Bar, pages};
use crate::bus::functions;
use crate::function::Function;
use crate::message::{Message, connect, disconnect, program_msix};

const ARGUMENTS: [&str; 10] = [
    "-device",
    "pcie-root-port,id=root,addr=4",
    "-device",
    "virtio-blk-pci,drive=d,addr=3",
    "-drive",
    "if=none,id=d,driver=null-co,size=1M",
    "-device",
    "nvme,serial=A1,addr=5",
    "-device",
    "e1000e,addr=6",
];

/// Gives the memory BARs addresses, as a firmware does, and looks again.
fn assign(access: &mut LegacyPorts<Window>) -> Vec<Function> {
    let mut next = 0xC000_0000;
    for function in functions(access) {
        let mut register = 0x10;
        while register < 0x28 {
            let kind = access.read(function.address, register) & 0b111;
            if kind & 1 == 0 {
                access.write(function.address, register, next);
                next += 0x10_0000;
            }
            // A wide one has its upper half, zero, in the next register.
            register += if kind == 0b100 { 8 } else { 4 };
        }
    }
    functions(access)
}

#[test]
fn the_functions_of_qemu_are_found_and_measured() {
    let Some(qemu) = Qemu::start(&ARGUMENTS) else { return };
    let mut access = LegacyPorts(qemu.ports(FIRST_PORT, PORTS));
    let found = functions(&mut access);
    let names: Vec<_> = found.iter().map(|function| function.address.to_string()).collect();
    for name in ["00.00.0", "00.03.0", "00.04.0", "00.05.0", "00.06.0", "00.1f.0", "00.1f.2"] {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }
    let root_port = found.iter().find(|function| function.address.device == 4).unwrap();
    assert!(root_port.bridge);
    for function in &found {
        let facts = Facts::parse(&function.to_string()).unwrap();
        assert_eq!((facts.vendor, facts.device), (function.vendor, function.device));
    }
}

#[test]
fn message_tables_are_programmed_where_the_device_has_them() {
    let Some(qemu) = Qemu::start(&ARGUMENTS) else { return };
    let mut access = LegacyPorts(qemu.ports(FIRST_PORT, PORTS));
    let found = assign(&mut access);
    for device in [3, 5, 6] {
        let function = found.iter().find(|function| function.address.device == device).unwrap();
        let msix = function.msix.unwrap();
        let Some(Bar::Memory { address, .. }) = function.bars[usize::from(msix.bar)] else {
            unreachable!("{function}")
        };
        assert!(pages(function, usize::from(msix.bar), None).is_err());
        connect(&mut access, function);
        let size = usize::from(msix.entries) * 16;
        let mut table = qemu.window(address + u64::from(msix.table), size);
        let message = Message { address: 0xFEE0_1000, data: 0x4042 };

        program_msix(&mut access, function, msix, &mut table, (1, message));

        let entry: Vec<_> = (4..8).map(|word| table.read32(word * 4)).collect();
        assert_eq!(entry, [0xFEE0_1000, 0, 0x4042, 0], "{function}");
        assert_eq!(table.read32(12), 1, "entry 0 is masked");
        let control = access.read(function.address, msix.at) >> 16;
        assert_eq!(control & 0xC000, 0x8000);
        assert_eq!(access.read(function.address, 4) & 0x407, 0x403);

        disconnect(&mut access, function);
        assert_eq!(access.read(function.address, 4) & 4, 0);
        assert_eq!(access.read(function.address, msix.at) >> 31, 0);
    }
}
