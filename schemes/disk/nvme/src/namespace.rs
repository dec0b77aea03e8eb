//! A namespace of a controller, as a disk.

use core::cell::RefCell;
use std::rc::Rc;

use anode_block::{Disk, Durability, Info, Op, Submitted};
use anode_device::{Device, Dma, Interrupt, Mmio, Registers, SharedMemory};
use redox::error::{EIO, EOPNOTSUPP, Error, Result};

use crate::bank::{Capabilities, DOORBELLS};
use crate::command::{Command, Interrupts, Subject};
use crate::controller::{Controller, PAGE};
use crate::facts::{self, MAX_NAMESPACES};
use crate::failure::Failure;

/// The BAR with the registers, and the MSI-X entry that all queues use.
const BAR: u8 = 0;
const ENTRY: u16 = 0;
/// Bytes of bounce memory of each disk: four of the largest requests, unaligned.
const BOUNCE: usize = 4 * ((1 << 20) + 8192);

/// A namespace.
#[derive(Debug)]
pub(crate) struct Namespace<M, R = Mmio> {
    controller: Rc<RefCell<Controller<M, R>>>,
    /// Its place among the controller's namespaces.
    index: usize,
    id: u32,
    info: Info,
    /// The controller's.
    interrupts: Rc<[Interrupt]>,
}

impl<M: SharedMemory, R: Registers> Namespace<M, R> {
    /// Starts a controller; gives its namespaces. Those that cannot be used are left out, with a
    /// line on stderr. Without interrupts they are to be polled.
    ///
    /// # Errors
    ///
    /// Why the controller cannot be used.
    pub(crate) fn all(
        registers: R,
        interrupts: Vec<Interrupt>,
        memory: &mut dyn FnMut(usize) -> Result<M>,
    ) -> Result<Vec<Self>, Failure> {
        let told = if interrupts.is_empty() { Interrupts::None } else { Interrupts::Vector0 };
        let mut controller = Controller::start(registers, told, memory)?;
        let ids = match controller.identify(Subject::Namespaces) {
            Ok(list) => facts::ids(&list),
            // A device of NVMe 1.0 has no list: it is asked for each.
            Err(Failure::Refused(..)) => {
                (1..=controller.facts.namespaces).take(MAX_NAMESPACES).collect()
            }
            Err(failure) => return Err(failure),
        };
        let mut found = Vec::new();
        for id in ids {
            let info = match controller.identify(Subject::Namespace(id)) {
                Ok(bytes) => controller.facts.namespace(id, &bytes),
                Err(Failure::Refused(..)) => None,
                Err(failure) => return Err(failure),
            };
            match info {
                Some(info) => found.push((id, info, controller.add_namespace())),
                None => eprintln!("nvme: namespace {id} is not active, or has metadata"),
            }
        }
        let (controller, interrupts) = (Rc::new(RefCell::new(controller)), Rc::from(interrupts));
        let namespace = |(id, info, index)| {
            let (controller, interrupts) = (Rc::clone(&controller), Rc::clone(&interrupts));
            Self { controller, index, id, info, interrupts }
        };
        Ok(found.into_iter().map(namespace).collect())
    }

    /// The command for an operation. Its list of pages, or its range, goes into the slot's page.
    fn command(&self, pages: &mut M, slot: usize, op: Op) -> Result<Command> {
        let base = slot.saturating_mul(PAGE);
        Ok(match op {
            Op::Read { block, bytes, address } => {
                let data = data(pages, base, address, bytes)?;
                Command::read(self.id, block, self.blocks(bytes), data)
            }
            Op::Write { block, bytes, address, durability } => {
                let data = data(pages, base, address, bytes)?;
                let write = Command::write(self.id, block, self.blocks(bytes), data);
                if durability == Durability::Forced { write.force() } else { write }
            }
            Op::Flush => Command::flush(self.id),
            Op::Discard { block, blocks } if self.info.max_discard != 0 => {
                pages.write32(base, 0);
                pages.write32(base.saturating_add(4), blocks);
                pages.write64(base.saturating_add(8), block);
                Command::discard(self.id, address_of(pages, base))
            }
            Op::Zero { block, blocks } if self.info.max_zero != 0 => {
                Command::zero(self.id, block, blocks)
            }
            Op::Discard { .. } | Op::Zero { .. } => return Err(Error::new(EOPNOTSUPP)),
        })
    }

    const fn blocks(&self, bytes: u32) -> u32 {
        bytes >> self.info.block.trailing_zeros()
    }
}

/// The two words by which a command finds its data, which begins at `address`: the first page,
/// and the second one or a list of all others, which is put into `pages`.
fn data<M: SharedMemory>(pages: &mut M, base: usize, address: u64, bytes: u32) -> Result<[u64; 2]> {
    let size = u64::try_from(PAGE).unwrap_or(u64::MAX);
    let first = address & !size.saturating_sub(1);
    let end = address.checked_add(bytes.into()).ok_or(Error::new(EIO))?;
    let mut others = (1..).map(|page: u64| first.saturating_add(page.saturating_mul(size)));
    let mut others = others.by_ref().take_while(|page| *page < end);
    let (second, third) = (others.next(), others.next());
    let Some((second, third)) = second.zip(third) else {
        return Ok([address, second.unwrap_or(0)]);
    };
    let list = [second, third].into_iter().chain(others);
    let places = (base..base.saturating_add(PAGE)).step_by(8);
    let mut places = places.into_iter();
    for page in list {
        // More than a page of them is more than `Info::max_bytes`.
        pages.write64(places.next().ok_or(Error::new(EIO))?, page);
    }
    Ok([address, address_of(pages, base)])
}

fn address_of(pages: &impl SharedMemory, at: usize) -> u64 {
    pages.physical().saturating_add(u64::try_from(at).unwrap_or(u64::MAX))
}

impl<M: SharedMemory, R: Registers> Disk for Namespace<M, R> {
    fn info(&self) -> &Info {
        &self.info
    }

    fn submit(&mut self, tag: usize, op: Op) -> Result<Submitted> {
        let mut controller = self.controller.borrow_mut();
        let Some(slot) = controller.free_slot()? else { return Ok(Submitted::Full) };
        let command = self.command(&mut controller.pages, slot, op)?;
        controller.send(slot, self.index, tag, command);
        Ok(Submitted::Started)
    }

    fn kick(&mut self) {
        self.controller.borrow_mut().kick();
    }

    fn finish(&mut self) -> Option<(usize, Result<()>)> {
        self.controller.borrow_mut().finish(self.index)
    }

    fn look(&mut self) {
        self.controller.borrow_mut().look();
    }

    fn abort(&mut self, tag: usize) -> bool {
        self.controller.borrow_mut().abort(self.index, tag)
    }

    fn reset(&mut self) {
        self.controller.borrow_mut().reset();
    }

    fn is_resetting(&self) -> bool {
        self.controller.borrow().is_resetting()
    }

    fn interrupts(&self) -> &[Interrupt] {
        &self.interrupts
    }
}

/// Starts the controller behind a PCI function; gives its namespaces with memory for their
/// transfers.
///
/// # Errors
///
/// A sentence.
pub(crate) fn open(device: &Device) -> Result<Vec<(Namespace<Dma>, Dma)>, String> {
    let registers = |bytes: usize| {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let window = device.window(BAR, 0, bytes);
        window.map_err(|error| format!("its registers cannot be mapped: {error}"))
    };
    // How far the doorbells go is known by the registers before them.
    let capabilities = Capabilities::read(&registers(DOORBELLS)?);
    let bytes = capabilities.map_err(|failure| failure.to_string())?.bytes();
    let interrupts = match device.msix(ENTRY).or_else(|_none| device.msi()) {
        Ok(interrupt) => vec![interrupt],
        Err(error) => {
            eprintln!("nvme: neither MSI-X nor MSI ({error}): the device is polled");
            Vec::new()
        }
    };
    let mut memory = |bytes: usize| device.dma(bytes.next_multiple_of(PAGE));
    let found = Namespace::all(registers(bytes)?, interrupts, &mut memory);
    let found = found.map_err(|failure| failure.to_string())?.into_iter();
    found
        .map(|namespace| {
            let bounce = device.dma(BOUNCE.next_multiple_of(PAGE));
            let bounce = bounce.map_err(|error| format!("no memory for transfers: {error}"))?;
            Ok((namespace, bounce))
        })
        .collect()
}
