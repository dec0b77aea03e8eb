//! The driver against QEMU's own device, without a kernel.

use anode_block::suite::{Machine, Rig, Severed, World};
use anode_block::{Access, Disk as _};
use anode_device::qtest::Memory;
use anode_virtio::{Layout, Transport};

use crate::disk::{Signal, VirtioBlk};

struct Virtio;

impl Rig for Virtio {
    type Disk = VirtioBlk<Memory, Severed>;

    const BLOCKS: &'static [u32] = &[512, 4096];
    const TELLS_PHYSICAL: bool = true;

    fn arguments(options: &str) -> Vec<String> {
        let slot = Machine::SLOT;
        vec!["-device".to_owned(), format!("virtio-blk-pci,drive=d,addr={slot}{options}")]
    }

    fn start(machine: &mut Machine) -> Self::Disk {
        let layout = Layout::find(&machine.configuration()).unwrap();
        let window = |part: anode_virtio::Window| {
            machine.registers(part.bar, part.offset, usize::try_from(part.len).unwrap())
        };
        let transport = Transport::new(
            window(layout.common),
            window(layout.notify),
            layout.device.map(window),
            layout.multiplier,
        );
        let signal = machine.interrupts().pop().map_or(Signal::None, Signal::Message);
        let mut memory = |bytes: usize| Ok(machine.memory(bytes));
        let mut disk = VirtioBlk::start(transport, signal, &mut memory).unwrap();
        disk.identify(&mut anode_block::patience());
        disk
    }
}

anode_block::suite!(Virtio);

#[test]
fn a_disk_that_is_read_only_says_so() {
    let drive = "if=none,id=d,driver=null-co,size=1M,read-only=on";
    let Some(world) = World::start::<Virtio>(drive, "") else { return };
    assert_eq!(world.disk.info().access, Access::ReadOnly);
}
