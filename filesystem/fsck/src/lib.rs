//! Checks a volume, and tells what it finds in sentences: on the host and on the system.
//!
//! First the volume is mounted to be read, which shows that its log can be done again; then all
//! of it is walked over. Nothing is written.
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "a program's stack has megabytes")]

mod words;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fs::File;
use std::task::{Context, Poll};

use anode_fs::Mode;
use anode_fs::device::{Access, BlockDevice, Facts, Request, Ticket};
use anode_fs::error::{Error, Failure, Fault};
use anode_fs::executor::block_on;
use anode_fs::fsck::{Depth, Finding, Report, check};
use mkfs::{Disk, Failed, flaw, length, partition};

pub use words::sentence;

/// What a check has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Superblocks that are newer than the one which can be used: what they had is lost.
    pub passed: Vec<Fault>,
    /// What was found, and how much there is.
    pub report: Report,
}

impl Verdict {
    /// Whether all is as it has to be.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.passed.is_empty() && self.report.findings.is_empty()
    }

    /// All findings in words.
    pub fn sentences(&self) -> impl Iterator<Item = String> {
        let passed = self.passed.iter().map(|fault| {
            format!(
                "the newest state of the volume cannot be used: at block {}, {}; an older one can",
                fault.at,
                flaw(fault.flaw)
            )
        });
        passed.chain(self.report.findings.iter().map(|finding: &Finding| sentence(*finding)))
    }
}

/// Opens the volume in a file: an image of one, a partition, or a disk with a partition for it.
///
/// # Errors
///
/// The system's, in a sentence.
pub fn open(path: &str) -> Result<Disk<File>, Failed> {
    let failed = |error: std::io::Error| Failed::system(path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let window = match partition(&mut file) {
        Some(window) => window,
        None => 0..length(&mut file).map_err(failed)?,
    };
    let len = window.end.saturating_sub(window.start);
    Ok(Disk::new(file, window.start, len, Access::ReadOnly))
}

/// Checks the volume on a device; `told` hears how many bytes were read, again and again.
///
/// # Errors
///
/// A sentence: there is no volume, it cannot be mounted at all, or the device is gone.
pub fn verdict<D: BlockDevice>(
    device: D,
    depth: Depth,
    told: impl Fn(u64),
) -> Result<Verdict, Error> {
    let device = Watched { device, bytes: Cell::new(0), told };
    let passed = {
        let volume = block_on(anode_fs::mount(&device, Mode::Read), || {})?;
        volume.passed_over().to_vec()
    };
    let report = block_on(check(&device, depth), || {})?;
    Ok(Verdict { passed, report })
}

/// A device whose reads are counted.
struct Watched<D, F> {
    device: D,
    bytes: Cell<u64>,
    told: F,
}

impl<D: BlockDevice, F: Fn(u64)> BlockDevice for Watched<D, F> {
    fn facts(&self) -> &Facts {
        self.device.facts()
    }

    fn submit(&self, request: Request) -> Ticket {
        if let Request::Read { bytes, .. } = &request {
            let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.bytes.set(self.bytes.get().saturating_add(count));
            (self.told)(self.bytes.get());
        }
        self.device.submit(request)
    }

    fn poll(&self, ticket: Ticket, context: &mut Context<'_>) -> Poll<Result<Vec<u8>, Failure>> {
        self.device.poll(ticket, context)
    }

    fn abandon(&self, ticket: Ticket) {
        self.device.abandon(ticket);
    }
}
