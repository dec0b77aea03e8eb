//! A walk over everything that a superblock leads to. It changes nothing, and names what it finds;
//! the tests' oracle is the same walk.

mod files;
mod used;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::device::BlockDevice;
use crate::error::{Error, Failure, Flaw, Result};
use crate::format::{Key, Node, Ptr, Super, Tag, Value};
use crate::space::{Entry as RegionEntry, POOL, REGION, Region, untouched};
use crate::store::{Role, Store};
use crate::tree::{Run, Tree};
use crate::volume::{Entry, SNAPSHOTS, VOLUME, dead_list, supers};

use files::Files;
use used::Used;

/// No report has more findings.
const FINDINGS_MAX: usize = 4096;

/// Something that is not as it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// A newer superblock leads to nothing.
    Passed(u64),
    /// What is at this block, or belongs to this file, cannot be read.
    Unreadable(u64, Flaw),
    /// The device fails to read what is at this block.
    Unread(u64),
    /// A copy of what is at this block is damaged, and the other one is not.
    Copy(u64),
    /// A block has two owners.
    Shared(u64),
    /// A block is in use and its map says that it is free.
    Unmarked(u64),
    /// A block is not in use and its map says that it is.
    Leaked(u64),
    /// A file has names in another number than it says.
    Links(u64),
    /// A directory has another number of names than it says.
    Names(u64),
    /// A file has another number of blocks than it says.
    Blocks(u64),
    /// A file has content behind its end, or of the wrong sort.
    Content(u64),
    /// A directory has a name for a file that is not there, or is something else.
    Dangling(u64),
    /// A directory has a name where it cannot be found.
    Misplaced(u64),
    /// A directory lies elsewhere than it says.
    Parent(u64),
    /// A file has no name and is not in the list of those.
    Lost(u64),
    /// A file is in the list of those without a name and has one, or is not there.
    Orphan(u64),
    /// A file has a number that is to be given yet.
    Number(u64),
    /// The volume has another number of files than it says.
    Files,
    /// What a snapshot says of this block is wrong: that only it needs it, or that others do.
    Dead(u64),
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Everything, sorted; at most a few thousand.
    pub findings: Vec<Finding>,
    /// How many files there are.
    pub files: u64,
    /// How many blocks are in use.
    pub blocks: u64,
}

/// Whether the content of files is read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Trees and maps.
    Structure,
    /// Everything that has a checksum.
    Content,
}

/// Checks the volume on a device, as its newest good superblock has it; what is in the log is not
/// looked at, so mount it before.
///
/// # Errors
///
/// `NotOurs`, `Newer`, or the device is gone. All else is a finding.
pub async fn check<D: BlockDevice>(device: &D, depth: Depth) -> Result<Report> {
    let mut report = Report::default();
    for root in supers(device).await?.iter().take(3) {
        let store = Store::new(device, root);
        let mut walk = Walk::new(&store, root, depth);
        match walk.volume(root).await {
            Ok(()) => {
                report.findings.append(&mut walk.findings);
                report.findings.extend(store.damaged.take().into_iter().map(Finding::Copy));
                report.files = walk.count;
                report.blocks = walk.used.count();
                break;
            }
            Err(Error::Corrupt(_)) => report.findings.push(Finding::Passed(root.txg)),
            Err(error) => return Err(error),
        }
    }
    report.findings.sort_unstable();
    report.findings.dedup();
    Ok(report)
}

/// A check under way.
#[derive(Debug)]
pub(crate) struct Walk<'s, D> {
    store: &'s Store<D>,
    depth: Depth,
    /// Of the tree that is walked over; in the end of all.
    pub(crate) used: Used,
    /// Of the pool tree, and of the dead lists of snapshots.
    pool: Used,
    dead: BTreeMap<u64, Used>,
    snapshots: Vec<Entry>,
    maps: BTreeMap<u64, Region>,
    secret: [u8; 16],
    /// Files of the volume.
    count: u64,
    files: Files,
    findings: Vec<Finding>,
}

impl<'s, D: BlockDevice> Walk<'s, D> {
    /// Nothing seen yet.
    pub(crate) fn new(store: &'s Store<D>, root: &Super, depth: Depth) -> Self {
        Self {
            store,
            depth,
            used: Used::default(),
            pool: Used::default(),
            dead: BTreeMap::new(),
            snapshots: Vec::new(),
            count: 0,
            secret: root.secret,
            maps: BTreeMap::new(),
            files: Files::new(root.secret),
            findings: Vec::new(),
        }
    }

    fn found(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Notes what reading fails with; that the device is gone ends the check.
    fn failed(&mut self, at: u64, error: Error) -> Result<()> {
        match error {
            Error::Corrupt(fault) => self.found(Finding::Unreadable(fault.at, fault.flaw)),
            Error::Device(Failure::Gone) => return Err(error),
            _ => self.found(Finding::Unread(at)),
        }
        Ok(())
    }

    /// Walks over the pool tree, the maps, the volume and its snapshots; fails if the roots of
    /// the first and the volume cannot be read.
    pub(crate) async fn volume(&mut self, root: &Super) -> Result<()> {
        let pool = Tree::open(root.root, root.level, POOL)?;
        let entry = Entry::read(self.store, &pool).await?;
        let tree = Tree::open(entry.root, entry.level, VOLUME)?;
        tree.get(self.store, Key::MIN).await?;
        self.tree(root.root, root.level, POOL).await?;
        self.pool = core::mem::take(&mut self.used);
        let mut all = self.pool.clone();
        // The youngest first: each tells what the one before it keeps for itself alone.
        let mut snapshots = core::mem::take(&mut self.snapshots);
        snapshots.sort_unstable_by_key(|snapshot| snapshot.txg);
        let mut younger = Used::default();
        for entry in [entry].iter().chain(snapshots.iter().rev()) {
            self.tree(entry.root, entry.level, VOLUME).await?;
            self.judge_files(entry);
            let own = core::mem::take(&mut self.used);
            if entry.txg > 0 {
                let dead = self.dead.remove(&entry.txg).unwrap_or_default();
                let alone = own.without(&younger);
                self.found_dead(&alone.without(&dead));
                self.found_dead(&dead.without(&alone));
            }
            all.absorb(&own);
            younger = own;
        }
        // Lists of snapshots that are not there.
        for dead in core::mem::take(&mut self.dead).values() {
            self.found_dead(dead);
        }
        self.used = all;
        self.compare();
        Ok(())
    }

    fn found_dead(&mut self, wrong: &Used) {
        wrong.blocks().for_each(|block| self.found(Finding::Dead(block)));
    }

    /// What is wrong with the files of the tree that was walked over.
    fn judge_files(&mut self, entry: &Entry) {
        let mut files = core::mem::replace(&mut self.files, Files::new(self.secret));
        let mut findings = files.judge(entry);
        findings.truncate(FINDINGS_MAX.saturating_sub(self.findings.len()));
        self.findings.append(&mut findings);
        if entry.txg == 0 {
            self.count = files.count();
        }
    }

    /// Walks over all nodes of a tree.
    async fn tree(&mut self, root: Ptr, level: u8, owner: u32) -> Result<()> {
        let mut todo = alloc::vec![(root, Role { level, owner, low: Key::MIN, high: None })];
        while let Some((ptr, role)) = todo.pop() {
            if !self.mark(&ptr) {
                continue;
            }
            if let Err(error) = self.copies(&ptr).await {
                self.failed(ptr.block, error)?;
                continue;
            }
            match self.store.node(&ptr, role).await {
                Ok(node) => self.node(&node, role, &mut todo).await?,
                Err(error) => self.failed(ptr.block, error)?,
            }
        }
        Ok(())
    }

    async fn node(&mut self, node: &Node, role: Role, todo: &mut Vec<(Ptr, Role)>) -> Result<()> {
        // The last goes on the pile first, so that the keys come in order.
        for (at, (key, value)) in node.items.iter().enumerate().rev() {
            match value {
                Value::Stored(ptr) if node.level > 0 => todo.push((*ptr, node.role(at, role))),
                _ => self.item(*key, value, role.owner).await?,
            }
        }
        Ok(())
    }

    async fn item(&mut self, key: Key, value: &Value, owner: u32) -> Result<()> {
        match self.judge(key, value, owner).await {
            Err(error) => self.failed(key.object, error),
            Ok(()) => Ok(()),
        }
    }

    async fn judge(&mut self, key: Key, value: &Value, owner: u32) -> Result<()> {
        match (owner, key.tag) {
            (POOL, Tag::Region) => self.map(key.object, value).await,
            (POOL, Tag::Volume) => {
                let entry = Entry::decode(&key, value)?;
                self.snapshots.extend((entry.txg > 0).then_some(entry));
                Ok(())
            }
            (POOL, Tag::Dead) => self.dead_list(key, value),
            (VOLUME, Tag::Data) => {
                self.files.item(&key, value)?;
                self.record(value).await
            }
            (VOLUME, _) => self.files.item(&key, value),
            _ => Err(Flaw::Role.at(key.object)),
        }
    }

    fn dead_list(&mut self, key: Key, value: &Value) -> Result<()> {
        let area = &self.store.area;
        let inside = |run: Run| run.0 >= area.start && run.0.saturating_add(run.1) <= area.end;
        let list = self.dead.entry(key.object.saturating_sub(SNAPSHOTS)).or_default();
        let dead = dead_list(&key, value)?;
        match dead.iter().find(|dead| !inside(dead.run) || !list.mark(dead.run)) {
            Some(wrong) => Err(Flaw::Address.at(wrong.run.0)),
            None => Ok(()),
        }
    }

    async fn record(&mut self, value: &Value) -> Result<()> {
        let Value::Stored(ptr) = value else { return Ok(()) };
        if self.mark(ptr) && self.depth == Depth::Content {
            self.store.content(ptr).await?;
        }
        Ok(())
    }

    /// Looks at all copies, if everything is to be read.
    async fn copies(&self, ptr: &Ptr) -> Result<()> {
        match self.depth {
            Depth::Structure => Ok(()),
            Depth::Content => self.store.scrub(ptr).await,
        }
    }

    async fn map(&mut self, number: u64, value: &Value) -> Result<()> {
        let entry = RegionEntry::decode(value)?;
        self.mark(&entry.map);
        self.copies(&entry.map).await?;
        let map = Region::decode(&self.store.content(&entry.map).await?);
        let map = map.map_err(|flaw| flaw.at(entry.map.block))?;
        if (map.free, map.whole) != (u64::from(entry.free), u64::from(entry.whole)) {
            self.found(Finding::Unreadable(entry.map.block, Flaw::Sum));
        }
        self.maps.insert(number, map);
        Ok(())
    }

    /// Whether what a pointer leads to had no owner yet.
    fn mark(&mut self, ptr: &Ptr) -> bool {
        if !ptr.fits(&self.store.area) {
            self.found(Finding::Unreadable(ptr.block, Flaw::Address));
            return false;
        }
        let mut fresh = true;
        for run in ptr.runs() {
            if !self.used.mark(run) || self.pool.any(run) {
                self.found(Finding::Shared(run.0));
                fresh = false;
            }
        }
        fresh
    }

    /// Compares the maps with what is in use.
    fn compare(&mut self) {
        let area = self.store.area.clone();
        let (maps, used) = (core::mem::take(&mut self.maps), core::mem::take(&mut self.used));
        for number in 0..area.end.div_ceil(REGION) {
            let base = number.saturating_mul(REGION);
            let mut is = untouched(&area, number);
            let said = maps.get(&number).cloned().unwrap_or_else(|| is.clone());
            if let Some(region) = used.region(number) {
                is.absorb(region);
            }
            for at in said.clone().absorb(&is) {
                self.found(Finding::Unmarked(base.saturating_add(at)));
            }
            for at in is.absorb(&said) {
                self.found(Finding::Leaked(base.saturating_add(at)));
            }
        }
        self.used = used;
    }
}
