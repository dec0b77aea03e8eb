//! The driver against QEMU's own device, without a kernel.

use anode_block::suite::{DATA, Image, Machine, Rig, Severed, World, pattern};
use anode_block::{Disk as _, Op};
use anode_device::qtest::Memory;

use crate::bank::Capabilities;
use crate::namespace::Namespace;

struct Nvme;

/// Starts the driver; gives all namespaces.
fn namespaces(machine: &mut Machine) -> Vec<Namespace<Memory, Severed>> {
    let capabilities = Capabilities::read(&machine.registers(0, 0, 4096)).unwrap();
    let registers = machine.registers(0, 0, capabilities.bytes());
    let interrupts = machine.interrupts();
    Namespace::all(registers, interrupts, &mut |bytes| Ok(machine.memory(bytes))).unwrap()
}

impl Rig for Nvme {
    type Disk = Namespace<Memory, Severed>;

    const BLOCKS: &'static [u32] = &[512, 4096];
    const TELLS_PHYSICAL: bool = false;

    fn arguments(options: &str) -> Vec<String> {
        let serial = if options.contains("serial") { "" } else { ",serial=A1" };
        let slot = Machine::SLOT;
        vec!["-device".to_owned(), format!("nvme,drive=d,addr={slot}{serial}{options}")]
    }

    fn start(machine: &mut Machine) -> Self::Disk {
        namespaces(machine).pop().unwrap()
    }
}

anode_block::suite!(Nvme);

/// A controller with two namespaces.
struct Two;

impl Rig for Two {
    type Disk = Namespace<Memory, Severed>;

    const BLOCKS: &'static [u32] = &[];
    const TELLS_PHYSICAL: bool = false;

    fn arguments(options: &str) -> Vec<String> {
        let slot = Machine::SLOT;
        let device = format!("nvme,id=n,serial=A1,addr={slot}{options}");
        let other = "if=none,id=e,driver=null-co,size=2M";
        let [first, third] = [("e", 1), ("d", 3)]
            .map(|(drive, id)| format!("nvme-ns,bus=n,drive={drive},nsid={id}"));
        let words = ["-drive", other, "-device", &device, "-device", &first, "-device", &third];
        words.map(str::to_owned).into()
    }

    fn start(machine: &mut Machine) -> Self::Disk {
        let mut found = namespaces(machine);
        assert_eq!(found.len(), 2);
        let third = found.pop().unwrap();
        assert_eq!((found[0].info().blocks, found[0].info().identity.as_str()), (4096, "A1"));
        third
    }
}

#[test]
fn each_namespace_is_a_disk_of_its_own() {
    let image = Image::new("nvme-two", &pattern(1 << 20));
    let Some(mut world) = World::start::<Two>(&image.drive(), "") else { return };
    let info = world.disk.info().clone();
    assert_eq!((info.blocks, info.identity.as_str()), (2048, "A1-3"));
    assert_eq!(world.does(Op::Read { block: 7, bytes: 512, address: DATA }), Ok(()));
    assert_eq!(world.machine.qemu().read(DATA, 512), pattern(1 << 20)[3584..4096]);
}
