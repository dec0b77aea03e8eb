//! What the filesystem asks of a disk: requests that are started, then polled.
//!
//! The order in which requests end, and reach the medium, is the device's. A barrier is the
//! filesystem's business: wait for the writes, [`Request::Flush`], wait.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::BLOCK;
use crate::error::{Failure, Result};
use crate::num::{size, wide};

/// Whether a device may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Writes are refused.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}

/// What a write that has ended is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// It is on the medium.
    Through,
    /// It may be lost with the power until the next flush.
    Volatile,
    /// As [`Cache::Volatile`], but a single write can be forced to the medium.
    VolatileFua,
}

/// The facts of a device; all numbers are in blocks of [`BLOCK`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// How many blocks there are.
    pub blocks: u64,
    /// The device's own unit in bytes; one that is larger than [`BLOCK`] cannot be used.
    pub logical_block: u32,
    /// The most blocks that one transfer may move; at least 1.
    pub max_transfer: u32,
    /// How many requests may usefully be under way at once; at least 1.
    pub queue_depth: u32,
    /// The most blocks that one discard may name; 0: it cannot discard.
    pub max_discard: u32,
    /// The most blocks that one write of zeroes may name; 0: it cannot do it.
    pub max_zero: u32,
    /// What a finished write is worth.
    pub cache: Cache,
    /// Whether it may be written.
    pub access: Access,
}

/// One thing that a device is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Fill `bytes`, a multiple of [`BLOCK`], from the device.
    Read {
        /// First block.
        block: u64,
        /// Where the content goes; given back when the request ends.
        bytes: Vec<u8>,
    },
    /// Write `bytes`, a multiple of [`BLOCK`].
    Write {
        /// First block.
        block: u64,
        /// The content; given back when the request ends.
        bytes: Vec<u8>,
        /// Whether it must be on the medium when the request ends.
        fua: bool,
    },
    /// All writes that have ended must be on the medium when this ends.
    Flush,
    /// The content of these blocks is not needed any more.
    Discard {
        /// First block.
        block: u64,
        /// How many.
        blocks: u32,
    },
    /// These blocks become zero.
    WriteZeroes {
        /// First block.
        block: u64,
        /// How many.
        blocks: u32,
    },
}

/// A request that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A disk, a partition of one, or an image in a file.
pub trait BlockDevice {
    /// Its facts. They do not change.
    fn facts(&self) -> &Facts;

    /// Starts a request; what is wrong with it is told by [`BlockDevice::poll`].
    fn submit(&self, request: Request) -> Ticket;

    /// Whether it has ended, and how; wakes the waker later if not. A ticket is good until this
    /// was ready once. The bytes are those of the request, or none.
    fn poll(&self, ticket: Ticket, context: &mut Context<'_>) -> Poll<Result<Vec<u8>, Failure>>;

    /// No one will poll this ticket any more. The request may still be carried out.
    fn abandon(&self, ticket: Ticket);
}

impl<D: BlockDevice> BlockDevice for &D {
    fn facts(&self) -> &Facts {
        (**self).facts()
    }

    fn submit(&self, request: Request) -> Ticket {
        (**self).submit(request)
    }

    fn poll(&self, ticket: Ticket, context: &mut Context<'_>) -> Poll<Result<Vec<u8>, Failure>> {
        (**self).poll(ticket, context)
    }

    fn abandon(&self, ticket: Ticket) {
        (**self).abandon(ticket);
    }
}

/// A request under way.
#[derive(Debug)]
struct Transfer<'d, D: BlockDevice> {
    device: &'d D,
    ticket: Option<Ticket>,
}

impl<'d, D: BlockDevice> Transfer<'d, D> {
    fn start(device: &'d D, request: Request) -> Self {
        Self { device, ticket: Some(device.submit(request)) }
    }
}

impl<D: BlockDevice> Future for Transfer<'_, D> {
    type Output = Result<Vec<u8>, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(ticket) = self.ticket else { return Poll::Ready(Err(Failure::Refused)) };
        let state = self.device.poll(ticket, context);
        if state.is_ready() {
            self.ticket = None;
        }
        state
    }
}

impl<D: BlockDevice> Drop for Transfer<'_, D> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.device.abandon(ticket);
        }
    }
}

/// Reads so many blocks.
///
/// # Errors
///
/// The device's.
pub async fn read<D: BlockDevice>(device: &D, block: u64, blocks: u64) -> Result<Vec<u8>> {
    if block.checked_add(blocks).is_none_or(|end| end > device.facts().blocks) {
        return Err(Failure::Refused.into());
    }
    let bytes = alloc::vec![0; size(blocks).saturating_mul(BLOCK)];
    let length = bytes.len();
    let bytes = Transfer::start(device, Request::Read { block, bytes }).await?;
    if bytes.len() == length { Ok(bytes) } else { Err(Failure::Io.into()) }
}

/// Reads many runs of blocks, each a block and how many, with many requests in flight; those that
/// follow each other go as one. The results are in the order of `runs`.
pub async fn read_all<D: BlockDevice>(device: &D, runs: &[(u64, u64)]) -> Vec<Result<Vec<u8>>> {
    let most = u64::from(device.facts().max_transfer).min(LONGEST_RUN.div_euclid(wide(BLOCK)));
    let mut flying = VecDeque::new();
    let mut results = Vec::new();
    let mut rest = runs;
    while let Some((&(first, mut blocks), more)) = rest.split_first() {
        let joins = more.iter().take_while(|(block, count)| {
            let fits = first.checked_add(blocks) == Some(*block)
                && blocks.checked_add(*count).is_some_and(|blocks| blocks <= most);
            blocks = blocks.saturating_add(if fits { *count } else { 0 });
            fits
        });
        let count = joins.count().saturating_add(1);
        let Some((joined, others)) = rest.split_at_checked(count) else { break };
        rest = others;
        if wide(flying.len()) >= u64::from(device.facts().queue_depth.max(1)) {
            land(device, &mut flying, &mut results).await;
        }
        let bytes = alloc::vec![0; size(blocks).saturating_mul(BLOCK)];
        let transfer = Transfer::start(device, Request::Read { block: first, bytes });
        flying.push_back((transfer, joined));
    }
    while !flying.is_empty() {
        land(device, &mut flying, &mut results).await;
    }
    results
}

/// A transfer, and the runs that it fills.
type Joined<'d, D> = (Transfer<'d, D>, &'d [(u64, u64)]);

/// Ends the first transfer of joined runs; if it fails, each of them is tried alone.
async fn land<D: BlockDevice>(
    device: &D,
    flying: &mut VecDeque<Joined<'_, D>>,
    results: &mut Vec<Result<Vec<u8>>>,
) {
    let Some((transfer, joined)) = flying.pop_front() else { return };
    let bytes = transfer.await.unwrap_or_default();
    let mut rest = bytes.as_slice();
    for (block, blocks) in joined {
        match rest.split_at_checked(size(*blocks).saturating_mul(BLOCK)) {
            Some((bytes, more)) => {
                results.push(Ok(bytes.to_vec()));
                rest = more;
            }
            None => results.push(read(device, *block, *blocks).await),
        }
    }
}

/// Puts everything that was written on the medium.
///
/// # Errors
///
/// The device's; what was written may be lost then, now or later.
pub async fn flush<D: BlockDevice>(device: &D) -> Result<()> {
    if device.facts().cache != Cache::Through {
        Transfer::start(device, Request::Flush).await?;
    }
    Ok(())
}

/// Writes at most one transfer, and puts it on the medium.
///
/// # Errors
///
/// The device's; all, a part or nothing may have been written then.
pub async fn write_durably<D: BlockDevice>(device: &D, block: u64, bytes: Vec<u8>) -> Result<()> {
    let fua = device.facts().cache == Cache::VolatileFua;
    Transfer::start(device, Request::Write { block, bytes, fua }).await?;
    if fua { Ok(()) } else { flush(device).await }
}

/// Tells the device that these blocks are not needed, if it cares; a refusal is no failure.
///
/// # Errors
///
/// The device is gone.
pub async fn discard<D: BlockDevice>(device: &D, block: u64, blocks: u64) -> Result<()> {
    let most = u64::from(device.facts().max_discard);
    let end = block.saturating_add(blocks);
    let mut block = block;
    while most > 0 && block < end {
        let blocks = u32::try_from(end.saturating_sub(block).min(most)).unwrap_or(u32::MAX);
        match Transfer::start(device, Request::Discard { block, blocks }).await {
            Ok(_) | Err(Failure::Io | Failure::Refused) => {}
            Err(gone @ Failure::Gone) => return Err(gone.into()),
        }
        block = block.saturating_add(u64::from(blocks));
    }
    Ok(())
}

/// Many writes in flight; neighbours that come one after the other are joined.
#[derive(Debug)]
pub struct Writer<'d, D: BlockDevice> {
    device: &'d D,
    flying: VecDeque<Transfer<'d, D>>,
    first: u64,
    run: Vec<u8>,
    result: Result<()>,
}

impl<'d, D: BlockDevice> Writer<'d, D> {
    /// Nothing written yet.
    #[must_use]
    pub const fn new(device: &'d D) -> Self {
        Self { device, flying: VecDeque::new(), first: 0, run: Vec::new(), result: Ok(()) }
    }

    /// Writes these blocks some time before [`Writer::finish`] ends.
    pub async fn write(&mut self, block: u64, bytes: &[u8]) {
        let most = u64::from(self.device.facts().max_transfer).saturating_mul(wide(BLOCK));
        let length = wide(self.run.len());
        let joins = self.first.checked_add(length.div_euclid(wide(BLOCK))) == Some(block)
            && length.saturating_add(wide(bytes.len())) <= most.min(LONGEST_RUN);
        if !joins {
            self.launch().await;
            self.first = block;
        }
        self.run.extend_from_slice(bytes);
    }

    /// Starts the run that was gathered, when the device has room for it.
    async fn launch(&mut self) {
        if self.run.is_empty() {
            return;
        }
        while wide(self.flying.len()) >= u64::from(self.device.facts().queue_depth.max(1)) {
            self.land().await;
        }
        let bytes = core::mem::take(&mut self.run);
        let request = Request::Write { block: self.first, bytes, fua: false };
        self.flying.push_back(Transfer::start(self.device, request));
    }

    async fn land(&mut self) {
        if let Some(transfer) = self.flying.pop_front()
            && let Err(failure) = transfer.await
        {
            self.result = self.result.and(Err(failure.into()));
        }
    }

    /// Waits for all writes, even if one failed: none may land where others write later. They
    /// are as durable then as the device's cache.
    ///
    /// # Errors
    ///
    /// The device's, for the first that failed.
    pub async fn finish(mut self) -> Result<()> {
        self.launch().await;
        while !self.flying.is_empty() {
            self.land().await;
        }
        self.result
    }
}

/// The most bytes that are joined to one write.
const LONGEST_RUN: u64 = 1 << 20;
