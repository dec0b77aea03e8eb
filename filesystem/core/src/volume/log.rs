//! The intent log: what was done since the last commit, in order, and made to last by `fsync`.

use alloc::vec::Vec;

use super::{Ending, Turn, Volume, reserve};
use crate::BLOCK;
use crate::device::{self, BlockDevice};
use crate::error::{Error, Failure, Flaw, Result};
use crate::format::{Bytes, SEGMENT_BLOCKS, SEGMENT_HEADER, Segment, Super, encode_segment};
use crate::num::{size, wide};
use crate::op::{Op, Record};
use crate::space::{DATA, Space};
use crate::store::Store;
use crate::tree::Run;

/// A log that has so many bytes ends with a commit.
pub(super) const LOG_MAX: usize = 32 << 20;

/// The log of the open transaction.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Where the next segment goes, and how many blocks are left there; none: there is no log.
    pub(super) place: Run,
    /// The sum from which the next segment goes on.
    pub(super) sum: u128,
    /// Records that are not on the medium.
    pub(super) tail: Vec<u8>,
    /// Bytes of all records.
    pub(super) length: usize,
}

impl Log {
    /// Adds what was done.
    pub(super) fn append(&mut self, record: &Record) {
        let mut bytes = record.encode();
        self.length = self.length.saturating_add(bytes.len());
        self.tail.append(&mut bytes);
    }
}

impl<D: BlockDevice> Volume<D> {
    /// Makes everything last that was done before: one write behind the other, and one flush.
    /// Those who ask at once share them.
    ///
    /// # Errors
    ///
    /// The device's; then nothing is changed any more until the next mount.
    pub async fn fsync(&self) -> Result<()> {
        let known = self.medium().await?;
        self.lasting(known, self.write_log()).await
    }

    async fn write_log(&self) -> Result<()> {
        let segments = self.turn().await.cut_log().await;
        let segments = match segments {
            Ok(segments) if segments.is_empty() => return Ok(()),
            Ok(segments) => segments,
            Err(Error::NoSpace) => return self.end_transaction(0, Ending::More).await,
            Err(error) => return Err(error),
        };
        let mut writer = device::Writer::new(&self.store.device);
        for (block, bytes) in &segments {
            writer.write(*block, bytes).await;
        }
        writer.finish().await?;
        device::flush(&self.store.device).await
    }
}

impl<D: BlockDevice> Turn<'_, D> {
    /// Takes what is not on the medium out of the log, as segments and where they go; `NoSpace` if
    /// there is no place for them: then only a commit makes it last.
    async fn cut_log(&mut self) -> Result<Vec<(u64, Vec<u8>)>> {
        let tail = core::mem::take(&mut self.state.log.tail);
        if !tail.is_empty() && self.state.log.place.1 == 0 {
            return Err(Error::NoSpace);
        }
        let mut rest = tail.as_slice();
        let mut segments = Vec::new();
        while !rest.is_empty() {
            let (block, left) = self.state.log.place;
            let room = size(left).saturating_mul(BLOCK).saturating_sub(SEGMENT_HEADER);
            let Some((payload, more)) = rest.split_at_checked(room.min(rest.len())) else { break };
            rest = more;
            let length = wide(payload.len().saturating_add(SEGMENT_HEADER));
            let blocks = length.div_ceil(wide(BLOCK));
            self.state.log.place = (block.saturating_add(blocks), left.saturating_sub(blocks));
            if left <= blocks {
                // No map on disk ever has it.
                let place = self.take_log_place().await?;
                self.state.space.hold(place);
                self.state.log.place = place;
            }
            let log = &mut self.state.log;
            let (bytes, sum) = encode_segment(block, log.sum, log.place.0, payload);
            log.sum = sum;
            segments.push((block, bytes));
        }
        Ok(segments)
    }

    /// Takes blocks for segments, to be held.
    pub(super) async fn take_log_place(&mut self) -> Result<Run> {
        let store = &self.volume.store;
        let kept = reserve(&store.area).div_euclid(2);
        if self.state.available() < SEGMENT_BLOCKS.saturating_add(kept) {
            return Err(Error::NoSpace);
        }
        let block = self.state.space.take(store, SEGMENT_BLOCKS, DATA).await?;
        Ok((block, SEGMENT_BLOCKS))
    }
}

/// The log behind a superblock: its records, and the blocks of its segments.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) records: Vec<Record>,
    pub(crate) segments: Vec<Run>,
}

/// Reads the log behind a superblock as far as it reached the medium. The content of records
/// that have their place already is checked; where it is not what was written, the log ends.
pub(crate) async fn read_log<D: BlockDevice>(store: &Store<D>, root: &Super) -> Result<Found> {
    let mut found = Found::default();
    let mut payload = Vec::new();
    let (mut block, mut sum) = (root.log, root.sum());
    while !root.clean && store.area.contains(&block) && payload.len() <= LOG_MAX.saturating_mul(2) {
        let first = device::read(&store.device, block, 1).await?;
        let Ok(blocks) = Segment::claimed(&first) else { break };
        let bytes = match device::read(&store.device, block, blocks).await {
            Ok(bytes) => bytes,
            Err(Error::Device(Failure::Refused)) => break,
            Err(error) => return Err(error),
        };
        let Ok(segment) = Segment::decode(&bytes, block, sum) else { break };
        payload.extend_from_slice(segment.payload);
        found.segments.push((block, segment.blocks));
        (block, sum) = (segment.next, segment.sum);
    }
    let mut rest = Bytes(&payload);
    while let Some(record) = Record::take(&mut rest).map_err(|flaw| flaw.at(root.log))? {
        if !landed(store, &record.op).await? {
            break;
        }
        found.records.push(record);
    }
    Ok(found)
}

/// Whether the records that an operation wrote beforehand are on the medium.
async fn landed<D: BlockDevice>(store: &Store<D>, op: &Op) -> Result<bool> {
    let Op::Records { ptrs, .. } = op else { return Ok(true) };
    for ptr in ptrs {
        match store.content(ptr).await {
            Ok(_) => {}
            Err(Error::Corrupt(fault)) if fault.flaw == Flaw::Checksum => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

impl Found {
    /// Takes all blocks that the log names, before anything else is taken.
    pub(crate) async fn claim<D: BlockDevice>(
        &self,
        store: &Store<D>,
        space: &mut Space,
    ) -> Result<()> {
        for run in &self.segments {
            space.claim(store, *run).await?;
            space.hold(*run);
        }
        for record in &self.records {
            let Op::Records { ptrs, .. } = &record.op else { continue };
            for ptr in ptrs {
                space.claim(store, (ptr.block, ptr.blocks)).await?;
            }
        }
        Ok(())
    }
}
