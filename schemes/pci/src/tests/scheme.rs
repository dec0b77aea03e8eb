//! The scheme as its clients see it.

use core::ops::Range;
use std::cell::RefCell;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use anode_scheme::testing::Fake;
use redox::error::{EACCES, EBADF, EBUSY, EINVAL, ENOENT, ENOTDIR, ENXIO, Result};

use super::{DISK, disk};
use crate::access::Access;
use crate::bus::functions;
use crate::fake::{Bus, Table};
use crate::message::Message;
use crate::platform::Platform;
use crate::scheme::Pci;

/// What was asked of the machine.
#[derive(Debug, Default)]
struct Asked {
    log: Rc<RefCell<Vec<String>>>,
    /// What it gives for memory, if a test wants to see when it goes.
    memory: Rc<RefCell<Option<OwnedFd>>>,
}

impl Asked {
    fn gives(&self, what: String) -> Result<OwnedFd> {
        self.log.borrow_mut().push(what);
        Ok(File::open("/dev/null").unwrap().into())
    }
}

impl Platform for Asked {
    type Table = Table;

    fn memory(&self, pages: Range<u64>) -> Result<OwnedFd> {
        self.gives(format!("memory {:x} {:x}", pages.start, pages.end))
    }

    fn ports(&self, first: u16, count: u16) -> Result<OwnedFd> {
        self.gives(format!("ports {first:x} {count:x}"))
    }

    fn dma(&self, len: u64) -> Result<OwnedFd> {
        let null = self.gives(format!("dma {len:x}"))?;
        Ok(self.memory.borrow_mut().take().unwrap_or(null))
    }

    fn line(&self, line: u8) -> Result<OwnedFd> {
        self.gives(format!("line {line}"))
    }

    fn message(&self) -> Result<(OwnedFd, Message)> {
        let message = Message { address: 0xFEE0_0000, data: 0x50 };
        Ok((self.gives("message".to_owned())?, message))
    }

    fn table(&self, place: Range<u64>) -> Result<Table> {
        self.log.borrow_mut().push(format!("table {:x}", place.start));
        Ok(Table(vec![0; 16]))
    }
}

/// The bus, still seen by the test.
#[derive(Clone, Debug)]
struct Shared(Rc<RefCell<Bus>>);

impl Access for Shared {
    fn read(&mut self, function: crate::access::Address, at: u8) -> u32 {
        self.0.borrow_mut().read(function, at)
    }

    fn write(&mut self, function: crate::access::Address, at: u8, value: u32) {
        self.0.borrow_mut().write(function, at, value);
    }
}

struct World {
    pci: Fake<Pci<Shared, Asked>>,
    bus: Rc<RefCell<Bus>>,
    asked: Rc<RefCell<Vec<String>>>,
    memory: Rc<RefCell<Option<OwnedFd>>>,
}

fn world() -> World {
    let bus = Rc::new(RefCell::new(disk()));
    let mut access = Shared(Rc::clone(&bus));
    let functions = functions(&mut access);
    let asked = Asked::default();
    let (log, memory) = (Rc::clone(&asked.log), Rc::clone(&asked.memory));
    World { pci: Fake::new(Pci::new(access, asked, functions)), bus, asked: log, memory }
}

impl World {
    fn opens(&mut self, directory: u64, path: &str) -> Result<bool, i32> {
        let answer = self.pci.open_at(directory, path, 0);
        answer.map(|answer| answer.handle.is_some()).map_err(|error| error.errno)
    }

    fn may_use_bus(&self) -> bool {
        self.bus.borrow().word(DISK, 4) & 4 != 0
    }
}

#[test]
fn functions_are_listed_and_described_to_anyone() {
    let mut world = world();
    let root = world.pci.open("", 0).unwrap();
    assert_eq!(world.pci.list(root, 100).unwrap(), ["00.02.0"]);
    world.pci.caller = (7, 1000, 1000);
    let info = world.pci.open("00.02.0/info", 0).unwrap();
    let text = world.pci.read(info, 4000, 0).unwrap();
    assert!(text.starts_with(b"vendor=1af4 device=1042 "));
    assert_eq!(world.pci.read(info, 4000, 7).unwrap(), text[7..]);
    assert_eq!(world.pci.stat(info).unwrap().st_size, u64::try_from(text.len()).unwrap());
    assert_eq!(world.opens(0, "00.02.0"), Err(EACCES));
    assert_eq!(world.opens(0, "00.03.0"), Err(ENOENT));
    assert_eq!(world.opens(0, "00.02.0/bar4"), Err(EACCES));
    assert_eq!(world.opens(info, "x"), Err(ENOTDIR));
}

#[test]
fn looking_at_a_function_changes_nothing_and_bridges_are_no_ones() {
    let mut world = world();
    world.bus.borrow_mut().write(DISK, 4, 6);
    let looked = world.pci.open("00.02.0", 0).unwrap();
    world.pci.open_at(looked, "info", 0).unwrap();
    world.pci.close(looked);
    assert_eq!(world.bus.borrow().word(DISK, 4) & 0xFFFF, 6);

    let mut bus = disk();
    bus.add(DISK, &[(0x08, 0x0601_0000)]);
    let access = Shared(Rc::new(RefCell::new(bus)));
    let functions = functions(&mut access.clone());
    let mut pci = Fake::new(Pci::new(access, Asked::default(), functions));
    assert_eq!(pci.open("00.02.0", 0).unwrap_err().errno, EBUSY);
}

#[test]
fn a_function_belongs_to_one_driver_until_it_lets_go() {
    let mut world = world();
    let mine = world.pci.open("00.02.0", 0).unwrap();
    assert_eq!(world.opens(0, "00.02.0"), Err(EBUSY));
    assert_eq!(world.opens(mine, ""), Err(EBUSY));
    let config = world.pci.open_at(mine, "config", 0).unwrap().value;
    assert_eq!(world.pci.write(config, &[1], 0xF0), Ok(1));
    assert_eq!(world.opens(mine, "bar4"), Ok(true));
    assert!(!world.may_use_bus(), "its driver has not reset it yet");
    assert_eq!(world.opens(mine, "dma/1000"), Ok(true));
    assert!(world.may_use_bus());

    world.pci.close(mine);

    assert!(!world.may_use_bus());
    assert_eq!(world.pci.write(config, &[1], 0xF0).unwrap_err().errno, EBADF);
    world.pci.open("00.02.0", 0).unwrap();
    assert!(!world.may_use_bus());
    assert_eq!(world.pci.write(config, &[1], 0xF0).unwrap_err().errno, EBADF);
    assert_eq!(world.pci.read(config, 4, 0).unwrap(), [0xF4, 0x1A, 0x42, 0x10]);
}

#[test]
fn memory_of_a_function_is_free_only_after_it_is_off_the_bus() {
    let mut world = world();
    // What an earlier system left on.
    world.bus.borrow_mut().write(DISK, 4, 7);
    let mine = world.pci.open("00.02.0", 0).unwrap();
    assert_eq!(world.opens(mine, "bar4"), Ok(true));
    assert!(!world.may_use_bus());
    // A stream tells when the last handle on its other end is gone.
    let (memory, mut watch) = UnixStream::pair().unwrap();
    watch.set_nonblocking(true).unwrap();
    *world.memory.borrow_mut() = Some(memory.into());
    drop(world.pci.open_at(mine, "dma/1000", 0).unwrap());
    assert!(world.may_use_bus());
    let early = "the driver's own handle is gone, and the function reaches the memory still";
    assert_eq!(watch.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "{early}");
    world.pci.close(mine);
    assert!(!world.may_use_bus());
    assert_eq!(watch.read(&mut [0]).unwrap(), 0);
}

#[test]
fn functions_share_a_line() {
    let mut world = world();
    let mine = world.pci.open("00.02.0", 0).unwrap();
    assert_eq!(world.opens(mine, "irq"), Ok(true));
    assert_eq!(world.opens(mine, "irq"), Ok(true));
    assert_eq!(*world.asked.borrow(), ["line 11"], "the machine gives it once");
}

#[test]
fn a_driver_gets_handles_from_the_machine_and_errnos_for_the_rest() {
    let mut world = world();
    let mine = world.pci.open("00.02.0", 0).unwrap();
    for (path, asked) in [
        ("bar0", "ports c000 80"),
        ("bar4", "memory 8000000000 8000004000"),
        ("bar1/2000/1000", "memory febd2000 febd3000"),
        ("dma/4000", "dma 4000"),
        ("irq", "line 11"),
        ("msi", "message"),
    ] {
        assert_eq!(world.opens(mine, path), Ok(true), "{path}");
        assert_eq!(world.asked.borrow_mut().drain(..).collect::<Vec<_>>(), [asked]);
    }
    assert_eq!(world.opens(mine, "msix/3"), Ok(true));
    assert_eq!(
        world.asked.borrow_mut().drain(..).collect::<Vec<_>>(),
        ["table febd1000", "message"]
    );
    for (path, errno) in [
        ("bar1", EACCES),
        ("bar1/1000/1000", EACCES),
        ("bar2", ENXIO),
        ("bar9", ENXIO),
        ("barx", ENOENT),
        ("bar4/1", ENOENT),
        ("bar4/+0/1000", ENOENT),
        ("bar4/0/ffffffffffffffff0", ENOENT),
        ("msix/4", ENXIO),
        ("msix/", ENOENT),
        ("dma/0", EINVAL),
        ("dma/4000001", EINVAL),
        ("info/x", ENOENT),
        ("..", ENOENT),
    ] {
        assert_eq!(world.opens(mine, path), Err(errno), "{path}");
    }
    assert_eq!(world.asked.borrow().len(), 0, "nothing was taken from the machine");
}

#[test]
fn configuration_is_written_where_a_driver_may_and_in_aligned_words() {
    let mut world = world();
    let mine = world.pci.open("00.02.0", 0).unwrap();
    let config = world.pci.open_at(mine, "config", 0).unwrap().value;
    let mut writes = |bytes: &[u8], at| world.pci.write(config, bytes, at).map_err(|it| it.errno);
    assert_eq!(writes(&[1, 2, 3, 4], 0xF4), Ok(4));
    for (len, at, errno) in
        [(4, 4, EACCES), (2, 0x42, EACCES), (1, 0x50, EACCES), (3, 0xF0, EINVAL), (4, 0xF2, EINVAL)]
    {
        assert_eq!(writes(&vec![0; len], at), Err(errno), "{at:x}");
    }
    assert_eq!(writes(&[1], 256), Err(EINVAL));
    assert_eq!(writes(&[], 0xF0), Err(EINVAL));
    assert_eq!(world.pci.read(config, 300, 0xF4).unwrap().len(), 12);
    assert_eq!(world.pci.read(config, 300, u64::MAX).unwrap(), []);
    assert_eq!(world.bus.borrow().word(DISK, 0xF4), 0x0403_0201);
}
