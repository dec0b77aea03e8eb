//! A disk that fails in every way that disks do, and every state that a power cut may leave.

pub(crate) mod act;
pub(crate) mod crash;
pub(crate) mod disk;
pub(crate) mod forge;
pub(crate) mod model;
pub(crate) mod random;
pub(crate) mod together;

use alloc::collections::BTreeSet;

use crate::device::BlockDevice as _;
use crate::executor::block_on;
use crate::fsck::{Depth, Walk};
use crate::op::Op;
use crate::store::Store;
use crate::volume::{read_log, supers};
use crate::{Format, Mode, Volume};
use disk::{Image, SimDisk};

/// What all test volumes begin with.
pub(crate) const FORMAT: Format = Format { uuid: [7; 16], secret: [9; 16], mode: 0o755, time: 1 };

/// Blocks of the smallest volume.
pub(crate) const SMALL: u64 = 4096;

/// Blocks of the smallest volume that has two copies of its metadata.
pub(crate) const COPIED: u64 = 16384;

/// Runs a future to its end.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    block_on(future, || {})
}

/// A disk with an empty volume.
pub(crate) fn formatted(blocks: u64) -> SimDisk {
    let disk = SimDisk::new(blocks);
    run(crate::format(&disk, &FORMAT)).unwrap();
    disk
}

/// Mounts, to write.
pub(crate) fn mounted(disk: &SimDisk) -> Volume<&SimDisk> {
    run(crate::mount(disk, Mode::Write)).unwrap()
}

/// What no one may write: what the last three superblocks lead to, and the log of the newest.
pub(crate) fn in_use(blocks: u64, image: &Image) -> BTreeSet<u64> {
    let disk = SimDisk::of(blocks, image.clone());
    assert_eq!(disk.facts().blocks, blocks);
    let mut used = BTreeSet::new();
    let Ok(supers) = run(supers(&disk)) else { return used };
    for (age, root) in supers.iter().take(3).enumerate() {
        let store = Store::new(&disk, root);
        let mut walk = Walk::new(&store, root, Depth::Structure);
        run(walk.volume(root)).unwrap();
        used.extend(walk.used.blocks());
        if age > 0 {
            continue;
        }
        store.advance(root.txg + 1);
        let log = run(read_log(&store, root)).unwrap();
        let data = log.records.iter().flat_map(|record| match &record.op {
            Op::Records { ptrs, .. } => ptrs.clone(),
            _ => alloc::vec![],
        });
        let data = data.map(|ptr| (ptr.block, ptr.blocks));
        let runs = log.segments.iter().copied().chain(data);
        used.extend(runs.flat_map(|(first, count)| first..first + count));
    }
    used
}
