//! The steps of the model, done to a volume; and everything that can be seen of one.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use super::model::{Entry, Step, TARGET, Tree, pattern, split};
use super::random::Random;
use crate::device::BlockDevice;
use crate::error::{Error, Result};
use crate::{Attributes, Kind, New, View, Volume};

async fn find<D: BlockDevice>(volume: &Volume<D>, path: &str) -> Result<u64> {
    let view = volume.view();
    let mut at = 1;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        at = view.lookup(at, name.as_bytes()).await?.ino;
    }
    Ok(at)
}

/// Does a step to a volume.
pub(crate) async fn step<D: BlockDevice>(volume: &Volume<D>, step: &Step, now: i64) -> Result<()> {
    let parent = |path: &str| (split(path).0.to_string(), split(path).1.as_bytes().to_vec());
    let new = |kind, mode| New { kind, mode, uid: 0, gid: 0 };
    match step {
        Step::Create(path) | Step::Mkdir(path) | Step::Symlink(path) => {
            let (directory, name) = parent(path);
            let directory = find(volume, &directory).await?;
            let made = match step {
                Step::Create(_) => {
                    volume.create(directory, &name, new(Kind::File, 0o644), now).await
                }
                Step::Mkdir(_) => {
                    volume.create(directory, &name, new(Kind::Directory, 0o755), now).await
                }
                _ => volume.symlink(directory, &name, TARGET.as_bytes(), (0, 0), now).await,
            };
            made.map(drop)
        }
        Step::Link(from, to) => {
            let ino = find(volume, from).await?;
            let (directory, name) = parent(to);
            let directory = find(volume, &directory).await?;
            volume.link(ino, directory, &name, now).await
        }
        Step::Unlink(path) | Step::Rmdir(path) => {
            let (directory, name) = parent(path);
            let directory = find(volume, &directory).await?;
            match step {
                Step::Unlink(_) => volume.unlink(directory, &name, now).await,
                _ => volume.rmdir(directory, &name, now).await,
            }
        }
        Step::Rename(from, to) => {
            let (from, to) = (parent(from), parent(to));
            let from = (find(volume, &from.0).await?, from.1);
            let to = (find(volume, &to.0).await?, to.1);
            volume.rename((from.0, &from.1), (to.0, &to.1), now).await
        }
        _ => content_step(volume, step, now).await,
    }
}

async fn content_step<D: BlockDevice>(volume: &Volume<D>, step: &Step, now: i64) -> Result<()> {
    match step {
        Step::Chmod(path, mode) => {
            let ino = find(volume, path).await?;
            let new = Attributes { mode: Some(*mode), ..Attributes::default() };
            volume.set_attributes(ino, new, now).await
        }
        Step::Truncate(path, size) => {
            let ino = find(volume, path).await?;
            volume.truncate(ino, *size, now).await
        }
        Step::Write(path, offset, count, seed) => {
            let ino = find(volume, path).await?;
            write(volume, ino, *offset, &pattern(*count, *seed), now).await
        }
        Step::Append(path, count, seed) => {
            let ino = find(volume, path).await?;
            let size = volume.view().inode(ino).await?.size;
            write(volume, ino, size, &pattern(*count, *seed), now).await
        }
        Step::Keep(name) => volume.snapshot(name.as_bytes(), now).await,
        Step::Forget(name) => volume.delete_snapshot(name.as_bytes()).await,
        Step::RollBack(name) => volume.roll_back(name.as_bytes(), now).await,
        Step::Fsync => volume.fsync().await,
        Step::Commit => volume.commit(now).await,
        _ => Err(Error::Invalid),
    }
}

async fn write<D: BlockDevice>(
    volume: &Volume<D>,
    ino: u64,
    offset: u64,
    data: &[u8],
    now: i64,
) -> Result<()> {
    let mut done = 0;
    while done < data.len() {
        let at = offset + u64::try_from(done).unwrap();
        done += volume.write(ino, at, &data[done..], now).await?;
    }
    Ok(())
}

/// Everything that can be seen of a volume, and of its snapshots.
pub(crate) async fn tree<D: BlockDevice>(volume: &Volume<D>) -> Result<Tree> {
    let mut tree = seen(&volume.view()).await?;
    for snapshot in volume.snapshots() {
        let kept = seen(&volume.snapshot_view(&snapshot.name)?).await?.into_iter();
        let name = String::from_utf8_lossy(&snapshot.name);
        tree.extend(kept.map(|(path, entry)| (alloc::format!("@{name}{path}"), entry)));
    }
    Ok(tree)
}

/// Everything that can be seen in a view.
pub(crate) async fn seen<D: BlockDevice>(view: &View<'_, D>) -> Result<Tree> {
    let mut paths = BTreeMap::new();
    let mut todo = vec![(String::new(), 1)];
    while let Some((path, ino)) = todo.pop() {
        let inode = view.inode(ino).await?;
        if inode.kind != Kind::Directory {
            paths.insert(path, ino);
            continue;
        }
        let mut after = None;
        loop {
            let entries = view.entries(ino, after, 3).await?;
            let Some((last, _)) = entries.last() else { break };
            after = Some(*last);
            for (_, name) in entries {
                let name = String::from_utf8(name.name.clone()).map(|text| (text, name.ino));
                let (name, ino) = name.unwrap();
                todo.push((path.clone() + "/" + &name, ino));
            }
        }
        paths.insert(path, ino);
    }
    let mut tree = Tree::new();
    let mut first: BTreeMap<u64, String> = BTreeMap::new();
    for (path, ino) in paths {
        let inode = view.inode(ino).await?;
        let mut content = Vec::new();
        match inode.kind {
            Kind::File => {
                content.resize(usize::try_from(inode.size).unwrap(), 1);
                assert_eq!(view.read(ino, 0, &mut content).await?, content.len());
            }
            Kind::Symlink => content = view.target(ino).await?,
            _ => {}
        }
        let first = first.entry(ino).or_insert_with(|| path.clone()).clone();
        let [_, modified, ..] = inode.times;
        let (kind, mode, links) = (inode.kind, inode.mode, inode.links);
        tree.insert(path, Entry { kind, mode, links, modified, content, first });
    }
    Ok(tree)
}

/// A random step over few names, some of them of snapshots.
pub(crate) fn random_kept_step(random: &mut Random, names: &[&str]) -> Step {
    let name = (*random.pick(&["x", "y", "z"])).to_string();
    match random.below(20) {
        0 | 1 => Step::Keep(name),
        2 => Step::Forget(name),
        3 => Step::RollBack(name),
        _ => random_step(random, names),
    }
}

/// A random step over few names.
pub(crate) fn random_step(random: &mut Random, names: &[&str]) -> Step {
    let mut path = || (*random.pick(names)).to_string();
    let (one, two) = (path(), path());
    let seed = u8::try_from(random.below(256)).unwrap();
    let small = usize::try_from(random.below(5_000)).unwrap();
    let place = random.below(60_000);
    match random.below(24) {
        0..3 => Step::Create(one),
        3..5 => Step::Mkdir(one),
        5 => Step::Symlink(one),
        6..8 => Step::Link(one, two),
        8..10 => Step::Unlink(one),
        10 => Step::Rmdir(one),
        11..14 => Step::Rename(one, two),
        14 => Step::Chmod(one, 0o600),
        15 => Step::Truncate(one, place),
        16 => Step::Truncate(one, place % 3_000),
        17 => Step::Write(one, place, small, seed),
        18 => Step::Write(one, place % 3_000, small % 1_000, seed),
        19 => Step::Write(one, place, 33_000 + small * 7, seed),
        20..22 => Step::Append(one, small, seed),
        22 => Step::Fsync,
        _ => Step::Commit,
    }
}
