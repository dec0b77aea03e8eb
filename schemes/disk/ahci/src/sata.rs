//! A SATA disk: operations in its slots, their order, and what happens when they fail.

mod reset;
mod start;

use std::collections::VecDeque;
use std::rc::Rc;

use anode_block::{Disk, Info, Op, Submitted};
use anode_device::{Interrupt, Mmio, Registers, SharedMemory};
use redox::error::{EIO, EOPNOTSUPP, Error, Result};

pub(crate) use start::open;
#[cfg(test)]
pub(crate) use start::start_all;

use crate::facts::Facts;
use crate::failure::Failure;
use crate::fis::{Fis, Way};
use crate::hba::Queueing;
use crate::port::{News, Port};
use crate::tables::{Data, Tables};
use reset::{Depth, Phase};

/// After so many resets without a good reason the disk is given up.
const MAX_RESETS: u32 = 16;

/// An operation in a slot.
#[derive(Clone, Copy, Debug)]
struct Request {
    tag: usize,
    op: Op,
    /// It was started again after a failure, alone and not queued in the disk.
    again: bool,
}

/// A disk.
///
/// A slot is free, or its operation waits, or it is issued. What is issued is either several
/// operations that the disk queues, or one that it does not: the two may not be mixed.
#[derive(Debug)]
pub(crate) struct Sata<M, R = Mmio> {
    port: Port<R>,
    tables: Tables<M>,
    slots: Vec<Option<Request>>,
    /// In the order in which they will be issued.
    waiting: VecDeque<u32>,
    /// A bit for each slot.
    issued: u32,
    /// Whether the disk queues what is issued.
    mode: Queueing,
    ended: VecDeque<(usize, Result<()>)>,
    facts: Facts,
    interrupts: Rc<[Interrupt]>,
    resets: u32,
    phase: Phase,
}

impl<M: SharedMemory, R: Registers> Sata<M, R> {
    /// The log's name for it.
    fn name(&self) -> String {
        format!("port {}: {}", self.port.number(), self.facts.model)
    }

    /// How the operation in a slot goes to the disk.
    fn queueing(&self, request: &Request) -> Queueing {
        match request.op {
            Op::Read { .. } | Op::Write { .. } if !request.again => self.facts.queueing,
            Op::Read { .. } | Op::Write { .. } => Queueing::None,
            Op::Flush | Op::Discard { .. } | Op::Zero { .. } => Queueing::None,
        }
    }

    /// Issues what waits, as far as it may be issued now. Nothing overtakes.
    fn issue(&mut self) {
        if !self.is_running() {
            return;
        }
        let (mut now, mut queued) = (0_u32, 0_u32);
        while let Some(slot) = self.waiting.front().copied() {
            let Some(request) = self.request(slot) else {
                self.waiting.pop_front();
                continue;
            };
            let queueing = self.queueing(&request);
            let nothing = self.issued == 0;
            let fits = nothing || queueing == Queueing::Native && self.mode == Queueing::Native;
            if !fits {
                break;
            }
            self.waiting.pop_front();
            self.mode = queueing;
            self.put(slot, request.op, queueing);
            let bit = 1 << slot;
            self.issued |= bit;
            now |= bit;
            queued |= if queueing == Queueing::Native { bit } else { 0 };
        }
        if now != 0 {
            self.port.issue(now, queued);
        }
    }

    /// Puts the command of an operation into its slot.
    fn put(&mut self, slot: u32, op: Op, queueing: Queueing) {
        let data = match op {
            Op::Read { bytes, address, .. } => Some(Data { address, bytes, way: Way::In }),
            Op::Write { bytes, address, .. } => Some(Data { address, bytes, way: Way::Out }),
            Op::Discard { block, blocks } => Some(self.tables.put_ranges(slot, block, blocks)),
            Op::Flush | Op::Zero { .. } => None,
        };
        if let Some(fis) = Fis::of(op, self.facts.info.block.trailing_zeros(), slot, queueing) {
            self.tables.put(slot, fis, data);
        }
    }

    /// Takes in what the disk has done.
    ///
    /// # Errors
    ///
    /// Why the disk must be reset.
    fn collect(&mut self) -> Result<(), Failure> {
        // The second time if a command failed in between: some adapters call it done, too.
        for _ in 0..2 {
            match self.port.news()? {
                News::Failed(failure) => {
                    self.failed(failure)?;
                    break;
                }
                News::Link if !self.port.is_linked() => return Err(Failure::Gone),
                News::Link | News::Good => {}
            }
            let done = if self.issued == 0 { 0 } else { self.issued & !self.port.unfinished() };
            if done == 0 {
                break;
            }
            if !self.port.has_failed() {
                self.collect_ends(done)?;
                break;
            }
        }
        self.issue();
        Ok(())
    }

    /// Ends what the disk has done.
    fn collect_ends(&mut self, done: u32) -> Result<(), Failure> {
        if self.mode == Queueing::Native {
            self.end_all(done, Ok(()));
            return Ok(());
        }
        if let Some(failure) = self.port.failure() {
            return self.failed(failure);
        }
        let slot = done.trailing_zeros();
        let result = if self.moved_all(slot) { Ok(()) } else { Err(Error::new(EIO)) };
        self.end(slot, result);
        Ok(())
    }

    /// Whether a read that was not queued filled its memory. A short one would show a client
    /// what was there before.
    fn moved_all(&self, slot: u32) -> bool {
        match self.request(slot).map(|request| request.op) {
            Some(Op::Read { bytes, .. }) => self.tables.moved(slot) >= bytes,
            Some(Op::Write { .. } | Op::Flush | Op::Discard { .. } | Op::Zero { .. }) | None => {
                true
            }
        }
    }

    /// A command failed, and with it all that the disk had queued. Of those nobody knows which it
    /// was: they are started again one by one, and the bad one will say so.
    fn failed(&mut self, failure: Failure) -> Result<(), Failure> {
        if self.issued == 0 {
            return Err(failure);
        }
        let refused = matches!(failure, Failure::Refused(_));
        if self.mode == Queueing::None && refused {
            eprintln!("ahci: {}: {failure}", self.name());
            self.end_all(self.issued, Err(Error::new(EIO)));
            // Only the port stopped; the disk goes on, or is reset.
            self.begin_reset(Depth::Port);
            return Ok(());
        }
        if !refused {
            return Err(failure);
        }
        self.begin_reset(Depth::Link);
        Ok(())
    }

    /// Puts everything in front of the queue again that has not been there twice.
    fn repeat(&mut self) {
        let issued = (0..self.slot_count()).filter(|slot| self.issued & 1 << slot != 0);
        let order: Vec<u32> = issued.chain(self.waiting.iter().copied()).collect();
        self.issued = 0;
        self.waiting.clear();
        for slot in order {
            let place = usize::try_from(slot).ok().and_then(|slot| self.slots.get_mut(slot));
            let Some(Some(request)) = place else { continue };
            if core::mem::replace(&mut request.again, true) {
                self.end(slot, Err(Error::new(EIO)));
            } else {
                self.waiting.push_back(slot);
            }
        }
    }

    /// Resets the disk, and starts again what it held, once; the rest ends with `EIO`. If that
    /// fails it is dead, and all ends so.
    fn recover(&mut self, why: Failure) {
        self.resets = self.resets.saturating_add(1);
        eprintln!("ahci: {}: {why}; resetting it", self.name());
        if self.resets > MAX_RESETS {
            self.give_up(Failure::Hopeless);
        } else {
            self.begin_reset(Depth::LastTry);
        }
    }

    const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    fn slot_count(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(0)
    }

    fn request(&self, slot: u32) -> Option<Request> {
        let slot = usize::try_from(slot).ok()?;
        self.slots.get(slot).copied().flatten()
    }

    /// Ends the operations of all these slots.
    fn end_all(&mut self, slots: u32, result: Result<()>) {
        for slot in (0..self.slot_count()).filter(|slot| slots & 1 << slot != 0) {
            self.end(slot, result);
        }
    }

    fn end(&mut self, slot: u32, result: Result<()>) {
        self.issued &= !1_u32.checked_shl(slot).unwrap_or(0);
        let place = usize::try_from(slot).ok().and_then(|slot| self.slots.get_mut(slot));
        if let Some(request) = place.and_then(Option::take) {
            self.ended.push_back((request.tag, result));
        }
    }
}

impl<M: SharedMemory, R: Registers> Disk for Sata<M, R> {
    fn info(&self) -> &Info {
        &self.facts.info
    }

    fn submit(&mut self, tag: usize, op: Op) -> Result<Submitted> {
        match self.phase {
            Phase::Running => {}
            Phase::Resetting(..) => return Ok(Submitted::Full),
            Phase::Dead => return Err(Error::new(EIO)),
        }
        let unable = match op {
            Op::Discard { .. } => self.facts.info.max_discard == 0,
            Op::Zero { .. } => true,
            Op::Read { .. } | Op::Write { .. } | Op::Flush => false,
        };
        if unable {
            return Err(Error::new(EOPNOTSUPP));
        }
        let free = self.slots.iter_mut().zip(0_u32..).find(|(slot, _)| slot.is_none());
        let Some((place, slot)) = free else { return Ok(Submitted::Full) };
        *place = Some(Request { tag, op, again: false });
        self.waiting.push_back(slot);
        Ok(Submitted::Started)
    }

    fn kick(&mut self) {
        self.issue();
    }

    fn finish(&mut self) -> Option<(usize, Result<()>)> {
        if self.ended.is_empty() {
            self.go_on();
            if self.is_running()
                && let Err(failure) = self.collect()
            {
                self.recover(failure);
            }
        }
        self.ended.pop_front()
    }

    fn look(&mut self) {
        if self.is_running() && !self.port.is_there() {
            self.recover(Failure::Gone);
        }
    }

    fn reset(&mut self) {
        if self.is_running() {
            self.recover(Failure::Late("answer"));
        }
    }

    fn is_resetting(&self) -> bool {
        matches!(self.phase, Phase::Resetting(..))
    }

    fn interrupts(&self) -> &[Interrupt] {
        &self.interrupts
    }
}
