//! Watching the device: what it holds for too long, and what it is worth then.

use anode_device::SharedMemory;

use super::{Client, Engine};
use crate::disk::Disk;

/// After so many checks without a word about a task its operations are aborted. Checks are a
/// second apart, and no healthy device needs so long, a flush of a large cache included.
const LATE: u32 = 30;
/// After so many, the device is reset.
const LOST: u32 = 35;

impl<D: Disk, M: SharedMemory, C: Client> Engine<D, M, C> {
    /// To be called about once a second while the disk is not idle: finds a device that is gone,
    /// and operations that it has forgotten.
    pub fn check(&mut self) {
        self.disk.look();
        let mut lost = false;
        for (tag, job) in self.jobs.iter_mut().enumerate() {
            let Some(job) = job.as_mut().filter(|job| job.in_flight > 0) else { continue };
            job.age = job.age.saturating_add(1);
            lost |= job.age >= LOST || job.age == LATE && !self.disk.abort(tag);
        }
        if lost {
            self.reset();
        }
        self.turn();
    }

    /// Resets a device that does not answer.
    pub(super) fn reset(&mut self) {
        self.disk.reset();
        self.jobs.iter_mut().flatten().for_each(|job| job.age = 0);
    }
}
