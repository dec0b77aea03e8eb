//! The driver against QEMU's own adapter and disk, without a kernel.

use anode_block::suite::{Machine, Rig, Severed};
use anode_device::qtest::Memory;

use crate::sata::{Sata, start_all};

struct Ahci;

impl Rig for Ahci {
    type Disk = Sata<Memory, Severed>;

    // QEMU's disk has no others.
    const BLOCKS: &'static [u32] = &[512];
    const TELLS_PHYSICAL: bool = true;

    fn arguments(options: &str) -> Vec<String> {
        let slot = Machine::SLOT;
        let adapter = format!("ich9-ahci,id=h,addr={slot}");
        // The disk is not alone, and not at the first port.
        let disk = format!("ide-hd,bus=h.2,drive=d{options}");
        ["-device", &adapter, "-device", "ide-cd,bus=h.1", "-device", &disk]
            .map(str::to_owned)
            .into()
    }

    fn start(machine: &mut Machine) -> Self::Disk {
        let (registers, interrupts) = (machine.registers(5, 0, 4096), machine.interrupts());
        let mut memory = |bytes: usize| Ok(machine.memory(bytes));
        let mut disks = start_all(registers, interrupts, &mut memory).unwrap();
        assert_eq!(disks.len(), 1, "the drive for discs is left alone");
        disks.pop().unwrap()
    }
}

anode_block::suite!(Ahci);
