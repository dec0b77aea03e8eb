//! Makes a volume and fills it: on the host in an image, on the system in a partition, by the
//! same code.
//!
//! ```text
//!  main, installer, mk ─▶ make ─▶ Filler: directory, file, symlink ─▶ anode-fs ─▶ Disk
//!                                   ▲                                             a file, a window
//!                                 tree (a directory of the host)                  of one, `disk:`
//! ```
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "a program's stack has megabytes")]

mod disk;
mod fill;
mod locate;
mod sentence;
mod tree;

#[cfg(test)]
mod tests;

pub use disk::{Disk, Medium, length};
pub use fill::Filler;
pub use locate::partition;
pub use sentence::{Failed, flaw, sentence};
pub use tree::populate;

use anode_fs::device::BlockDevice;
use anode_fs::executor::block_on;
use anode_fs::{Format, Mode};

/// Makes a new volume on a device, and mounts it to be filled. All that was there is lost.
///
/// # Errors
///
/// A sentence: the device is too small, cannot be written, or failed.
pub fn make<D: BlockDevice>(device: D, how: &Format) -> Result<Filler<D>, Failed> {
    let whole = |error| Failed::new("the device", error);
    // A device that is always ready leaves nothing to wait for.
    block_on(anode_fs::format(&device, how), || {}).map_err(whole)?;
    let volume = block_on(anode_fs::mount(device, Mode::Write), || {}).map_err(whole)?;
    Ok(Filler::new(volume, how.time))
}
