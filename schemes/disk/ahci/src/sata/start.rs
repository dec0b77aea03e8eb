//! Starting disks.

use core::time::Duration;
use std::collections::VecDeque;
use std::rc::Rc;

use anode_device::{BarKind, Device, Dma, Interrupt, Mmio, Registers, SharedMemory};
use redox::error::Result;

use super::Sata;
use super::reset::Phase;
use crate::facts::Facts;
use crate::failure::Failure;
use crate::fis::Fis;
use crate::hba::{Capabilities, Hba, Queueing};
use crate::port::{News, Port};
use crate::tables::Tables;

/// The BAR with the registers, and the most bytes of them.
const BAR: u8 = 5;
const REGISTER_BYTES: u64 = 0x1100;
const PAGE: usize = 4096;
/// Bytes of bounce memory of each disk: four of the largest requests, unaligned.
const BOUNCE: usize = 4 * ((1 << 20) + 8192);

/// What the ports sense within this time is there.
const SENSE_TIME: Duration = Duration::from_millis(200);
/// How long a disk may take to say what it is.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(10);

// What kind of device a port has.
const DISK: u32 = 0x0000_0101;
const PACKET_DEVICE: u32 = 0xEB14_0101;

impl<M: SharedMemory, R: Registers> Sata<M, R> {
    /// Starts the disk of a port that is linked.
    fn start(
        mut port: Port<R>,
        capabilities: &Capabilities,
        interrupts: Rc<[Interrupt]>,
        memory: &mut dyn FnMut(usize) -> Result<M>,
    ) -> Result<Self, Failure> {
        let memory = memory(Tables::<M>::bytes(capabilities.slots));
        let memory = memory.map_err(|error| Failure::Memory(error.errno))?;
        let mut tables = Tables::new(memory, capabilities.slots)?;
        let facts = identify(&mut port, &mut tables);
        // The adapter lets go of the memory before the memory goes.
        let mut facts = facts.inspect_err(|_| port.abandon())?;
        if capabilities.queueing == Queueing::None {
            facts.queueing = Queueing::None;
        }
        let depth = match facts.queueing {
            Queueing::Native => facts.depth.min(capabilities.slots),
            Queueing::None => capabilities.slots,
        };
        if !interrupts.is_empty() {
            port.enable_interrupts();
        }
        Ok(Self {
            port,
            tables,
            slots: vec![None; usize::try_from(depth).unwrap_or(1)],
            waiting: VecDeque::new(),
            issued: 0,
            mode: Queueing::None,
            ended: VecDeque::new(),
            facts,
            interrupts,
            resets: 0,
            phase: Phase::Running,
        })
    }
}

/// Starts a port that is stopped and linked, and asks what it has.
fn identify<M: SharedMemory, R: Registers>(
    port: &mut Port<R>,
    tables: &mut Tables<M>,
) -> Result<Facts, Failure> {
    let [list, received] = tables.addresses();
    port.start(list, received)?;
    ask(port, tables);
    let mut more = anode_block::patience_of(ANSWER_TIME);
    loop {
        match answer(port, tables)? {
            Some(facts) => return Ok(facts),
            None if more() => {}
            None => return Err(Failure::Late("say what it is")),
        }
    }
}

/// Asks a disk that is ready what it is.
pub(super) fn ask<M: SharedMemory, R: Registers>(port: &mut Port<R>, tables: &mut Tables<M>) {
    tables.put_question(Fis::identify());
    port.issue(1, 0);
}

/// What the disk says, if it has said it.
///
/// # Errors
///
/// It is no disk, failed, or is gone.
pub(super) fn answer<M: SharedMemory, R: Registers>(
    port: &mut Port<R>,
    tables: &mut Tables<M>,
) -> Result<Option<Facts>, Failure> {
    match port.signature() {
        DISK => {}
        PACKET_DEVICE => return Err(Failure::Unsuited("an optical drive or the like")),
        _ => return Err(Failure::Unsuited("it is no disk")),
    }
    match port.news()? {
        News::Failed(failure) => return Err(failure),
        News::Link if !port.is_linked() => return Err(Failure::Gone),
        News::Link | News::Good => {}
    }
    if port.unfinished() & 1 != 0 {
        return Ok(None);
    }
    match port.failure() {
        Some(failure) => Err(failure),
        None => Facts::parse(&tables.answer()?).map(Some),
    }
}

/// Starts an adapter; gives its disks. What is no disk is left alone, with a line on stderr.
/// Without interrupts they are to be polled.
///
/// # Errors
///
/// Why the adapter cannot be used.
pub(crate) fn start_all<M: SharedMemory, R: Registers + Clone>(
    registers: R,
    interrupts: Vec<Interrupt>,
    memory: &mut dyn FnMut(usize) -> Result<M>,
) -> Result<Vec<Sata<M, R>>, Failure> {
    let (mut hba, capabilities) = Hba::start(registers)?;
    let interrupts: Rc<[Interrupt]> = Rc::from(interrupts);
    let exists = |number: &u32| capabilities.ports & 1 << number != 0;
    let mut ports: Vec<Port<R>> =
        (0..32).filter(exists).map(|number| Port::new(hba.clone(), number)).collect();
    ports.iter_mut().for_each(Port::power_up);
    let mut more = anode_block::patience_of(SENSE_TIME);
    while !ports.iter().all(Port::senses) && more() {}
    let mut disks = Vec::new();
    for mut port in ports.into_iter().filter(Port::senses) {
        let number = port.number();
        let ready = port.stop().and_then(|()| port.wait_for_link());
        let disk =
            ready.and_then(|()| Sata::start(port, &capabilities, Rc::clone(&interrupts), memory));
        match disk {
            Ok(disk) => disks.push(disk),
            Err(why) => eprintln!("ahci: port {number} is left alone: {why}"),
        }
    }
    if !interrupts.is_empty() {
        hba.enable_interrupts();
    }
    Ok(disks)
}

/// Starts the adapter behind a PCI function; gives its disks with memory for their transfers.
///
/// # Errors
///
/// A sentence.
pub(crate) fn open(device: &Device) -> Result<Vec<(Sata<Dma>, Dma)>, String> {
    let Some(BarKind::Memory { size }) = device.facts().bar(BAR) else {
        return Err("it has no registers of AHCI".to_owned());
    };
    let bytes = u32::try_from(size.min(REGISTER_BYTES)).unwrap_or(0);
    let registers = device.window(BAR, 0, bytes);
    let registers: Mmio =
        registers.map_err(|error| format!("its registers cannot be mapped: {error}"))?;
    let interrupts = match device.msi().or_else(|_none| device.msix(0)) {
        Ok(interrupt) => vec![interrupt],
        Err(error) => {
            eprintln!("ahci: neither MSI nor MSI-X ({error}): the device is polled");
            Vec::new()
        }
    };
    let mut memory = |bytes: usize| device.dma(bytes.next_multiple_of(PAGE));
    let found = start_all(registers, interrupts, &mut memory);
    let found = found.map_err(|failure| failure.to_string())?.into_iter();
    found
        .map(|disk| {
            let bounce = device.dma(BOUNCE.next_multiple_of(PAGE));
            let bounce = bounce.map_err(|error| format!("no memory for transfers: {error}"))?;
            Ok((disk, bounce))
        })
        .collect()
}
