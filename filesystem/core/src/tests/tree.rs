//! The tree does what a map of the standard library does, through splits, joins and commits, and
//! its copies do not change each other.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::device::Writer;
use crate::format::{Class, Key, NODE_BLOCKS, Places, Ptr, Super, Tag, VALUE_MAX, Value};
use crate::store::Store;
use crate::testing::disk::{SimDisk, Trouble};
use crate::testing::random::Random;
use crate::testing::run;
use crate::tree::{Run, Tree, Written};

const OWNER: u32 = 3;

/// A tree on a disk on which nothing is ever freed.
struct World<'d> {
    store: Store<&'d SimDisk>,
    tree: Tree,
    model: BTreeMap<Key, Vec<u8>>,
    next: u64,
    txg: u64,
    freed: Vec<Ptr>,
}

fn disk() -> SimDisk {
    SimDisk::new(1 << 22)
}

impl<'d> World<'d> {
    fn new(disk: &'d SimDisk) -> Self {
        let root = Super {
            uuid: [1; 16],
            secret: [2; 16],
            txg: 1,
            time: 0,
            blocks: 1 << 22,
            root: Ptr::to(0, Class::Node, 0, Places::default(), &[]),
            level: 0,
            clean: true,
            read_only: 0,
            log: 0,
        };
        let store = Store::new(disk, &root);
        let tree = Tree::new(OWNER);
        Self { store, tree, model: BTreeMap::new(), next: 64, txg: 1, freed: Vec::new() }
    }

    fn insert(&mut self, key: Key, content: Vec<u8>) {
        let value = Value::Bytes(content.clone().into());
        let old = run(self.tree.insert(&self.store, &mut self.freed, key, value)).unwrap();
        assert_eq!(old.map(content_of), self.model.insert(key, content));
    }

    fn remove(&mut self, key: Key) {
        let old = run(self.tree.remove(&self.store, &mut self.freed, key)).unwrap();
        assert_eq!(old.map(content_of), self.model.remove(&key));
    }

    /// Writes the tree; it is read from the disk from then on.
    fn commit(&mut self) {
        let sizes = self.tree.sizes();
        let count = u64::try_from(sizes.len()).unwrap();
        assert_eq!(self.tree.dirty(), (count, 0), "the counts are those of the tree");
        let place = |at| Places { block: self.next + at * NODE_BLOCKS, second: 0 };
        let places: Vec<Places> = (0..count).map(place).collect();
        self.next += count * NODE_BLOCKS;
        self.txg += 1;
        self.store.advance(self.txg);
        let mut written = Written::default();
        self.tree.settle(&places, self.store.seed, self.txg, &mut written).unwrap();
        run(async {
            let mut writer = Writer::new(&self.store.device);
            for (block, content) in &written.content {
                writer.write(*block, content).await;
            }
            writer.finish().await
        })
        .unwrap();
        let (root, level) = self.tree.root().unwrap();
        self.tree = Tree::open(root, level, OWNER).unwrap();
    }

    fn is_the_model(&self) {
        let end = Key::new(u64::MAX, Tag::Orphan, u64::MAX);
        let all = run(self.tree.range(&self.store, Key::MIN, end, usize::MAX)).unwrap();
        let all: BTreeMap<Key, Vec<u8>> =
            all.into_iter().map(|(key, value)| (key, content_of(value))).collect();
        assert!(all == self.model);
    }
}

fn content_of(value: Value) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes.to_vec(),
        _ => panic!("bytes were put in"),
    }
}

fn key(random: &mut Random, spread: u64) -> Key {
    let tag = *random.pick(&[Tag::Inode, Tag::Name, Tag::Orphan]);
    Key::new(random.below(spread), tag, random.below(4))
}

fn content(random: &mut Random) -> Vec<u8> {
    let most = *random.pick(&[1, 60, 200, VALUE_MAX]);
    vec![7; random.index(most + 1)]
}

#[test]
fn the_tree_is_a_map_through_splits_joins_and_commits() {
    for seed in 0..6 {
        let disk = disk();
        let mut world = World::new(&disk);
        let mut random = Random::new(seed);
        for step in 0..6_000 {
            // It grows, shrinks to nearly nothing, and grows again.
            let grows = step / 1_500 % 2 == 0;
            let key = key(&mut random, 400);
            if random.below(10) < if grows { 8 } else { 2 } {
                let content = content(&mut random);
                world.insert(key, content);
            } else {
                world.remove(key);
                let victim = world.model.keys().next().copied();
                victim.into_iter().for_each(|key| world.remove(key));
            }
            let found = run(world.tree.get(&world.store, key)).unwrap().map(content_of);
            assert_eq!(found.as_ref(), world.model.get(&key));
            if random.below(300) == 0 {
                world.commit();
                world.is_the_model();
            }
        }
        world.is_the_model();
    }
}

#[test]
fn a_range_gives_what_the_map_gives() {
    let disk = disk();
    let mut world = World::new(&disk);
    let mut random = Random::new(5);
    for _ in 0..2_000 {
        let (key, content) = (key(&mut random, 400), content(&mut random));
        world.insert(key, content);
    }
    world.commit();
    for _ in 0..300 {
        let (one, two) = (key(&mut random, 400), key(&mut random, 400));
        let (from, to) = (one.min(two), one.max(two));
        let expected: Vec<Key> = world.model.range(from..to).map(|(key, _)| *key).collect();
        let all = run(world.tree.range(&world.store, from, to, usize::MAX)).unwrap();
        assert!(all.iter().map(|(key, _)| *key).eq(expected.iter().copied()));
        let first = run(world.tree.first(&world.store, from, to)).unwrap();
        assert_eq!(first.map(|(key, _)| key), expected.first().copied());
    }
}

#[test]
fn a_copy_does_not_see_what_comes_after_it() {
    let disk = disk();
    let mut world = World::new(&disk);
    let mut random = Random::new(11);
    for _ in 0..800 {
        let (key, content) = (key(&mut random, 400), content(&mut random));
        world.insert(key, content);
    }
    world.commit();
    let (copy, model) = (world.tree.clone(), world.model.clone());
    for _ in 0..800 {
        let (key, content) = (key(&mut random, 400), content(&mut random));
        world.insert(key, content);
        let victim = world.model.keys().next().copied();
        victim.into_iter().for_each(|key| world.remove(key));
    }
    world.is_the_model();
    (world.tree, world.model) = (copy, model);
    world.is_the_model();
}

#[test]
fn each_block_is_freed_once_and_only_if_it_was_written() {
    let disk = disk();
    let mut world = World::new(&disk);
    let mut random = Random::new(21);
    for _ in 0..3_000 {
        let key = key(&mut random, 300);
        if random.below(3) > 0 {
            let content = content(&mut random);
            world.insert(key, content);
        } else {
            world.remove(key);
        }
        if random.below(100) == 0 {
            world.commit();
        }
    }
    world.commit();
    let mut freed: Vec<Run> = world.freed.iter().flat_map(Ptr::runs).collect();
    freed.sort_unstable();
    let count = freed.len();
    freed.dedup();
    assert_eq!(freed.len(), count, "freed twice");
    assert!(freed.iter().all(|run| (64..world.next).contains(&run.0)));
    // What is not freed is the tree.
    let mut reachable = 0;
    let mut todo = vec![world.tree.root().unwrap()];
    while let Some((ptr, level)) = todo.pop() {
        reachable += 1;
        assert!(!freed.contains(&(ptr.block, ptr.blocks)), "in use, and freed");
        let content = run(world.store.content(&ptr)).unwrap();
        let node = crate::format::Node::decode(&content, &ptr, level, OWNER).unwrap();
        todo.extend(node.items.iter().filter_map(|(_, value)| match value {
            Value::Stored(ptr) => Some((*ptr, level - 1)),
            _ => None,
        }));
    }
    let written = usize::try_from((world.next - 64) / NODE_BLOCKS).unwrap();
    assert_eq!(reachable + count, written);
}

#[test]
fn a_node_that_cannot_be_read_fails_the_change_and_the_copy_before_it_is_whole() {
    let disk = disk();
    let mut world = World::new(&disk);
    let mut random = Random::new(31);
    for _ in 0..2_000 {
        let (key, content) = (key(&mut random, 400), content(&mut random));
        world.insert(key, content);
    }
    world.commit();
    let fresh = World::new(&disk).store;
    fresh.advance(world.txg);
    let before = world.tree.clone();
    disk.trouble(1, Trouble::Fail);
    let place = Key::new(200, Tag::Inode, 0);
    let value = Value::Bytes(vec![1].into());
    let result = run(world.tree.insert(&fresh, &mut Vec::new(), place, value));
    assert!(result.is_err());
    world.tree = before;
    world.is_the_model();
}
