//! What the items of a volume say about each other.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Finding;
use crate::BLOCK;
use crate::change::{INLINE_MAX, ROOT};
use crate::error::{Flaw, Result};
use crate::format::{FLAG_ORPHAN, Inode, Key, Kind, Tag, Value};
use crate::num::wide;
use crate::view::{hash, names};
use crate::volume::Entry;

/// What was seen of one file.
#[derive(Clone, Debug, Default)]
struct Seen {
    inode: Option<Inode>,
    /// Names that lead to it, and the directory of the last of them.
    names: u32,
    within: u64,
    /// The kind that those say.
    kind: Option<Kind>,
    /// A directory's names, and how many of them are directories.
    entries: u64,
    directories: u32,
    inline: Option<usize>,
    blocks: u64,
    /// The byte behind its last record.
    end: u64,
    orphan: bool,
}

/// All files.
#[derive(Debug)]
pub(super) struct Files {
    secret: [u8; 16],
    seen: BTreeMap<u64, Seen>,
    findings: Vec<Finding>,
    count: u64,
}

impl Files {
    /// None seen yet; `secret` is the key of the hash of names.
    pub(super) const fn new(secret: [u8; 16]) -> Self {
        Self { secret, seen: BTreeMap::new(), findings: Vec::new(), count: 0 }
    }

    /// How many files there are.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Takes an item of the volume's tree in.
    pub(super) fn item(&mut self, key: &Key, value: &Value) -> Result<()> {
        let seen = self.seen.entry(key.object).or_default();
        match (key.tag, value) {
            (Tag::Inode, Value::Bytes(bytes)) => {
                seen.inode = Some(Inode::decode(bytes).map_err(|flaw| flaw.at(key.object))?);
            }
            (Tag::Inline, Value::Bytes(bytes)) => seen.inline = Some(bytes.len()),
            (Tag::Data, Value::Stored(_)) => {
                seen.blocks = seen.blocks.saturating_add(value.blocks());
                seen.end = seen.end.max(key.offset.saturating_add(1));
            }
            (Tag::Orphan, _) => {
                self.seen.remove(&0);
                self.seen.entry(key.offset).or_default().orphan = true;
            }
            (Tag::Name, _) => self.names(key, value)?,
            _ => return Err(Flaw::Role.at(key.object)),
        }
        Ok(())
    }

    fn names(&mut self, key: &Key, value: &Value) -> Result<()> {
        for name in names(key, value)? {
            if hash(&self.secret, &name.name) != key.offset {
                self.findings.push(Finding::Misplaced(key.object));
            }
            let within = self.seen.entry(key.object).or_default();
            within.entries = within.entries.saturating_add(1);
            let directory = u32::from(name.kind == Kind::Directory);
            within.directories = within.directories.saturating_add(directory);
            let seen = self.seen.entry(name.ino).or_default();
            seen.names = seen.names.saturating_add(1);
            seen.within = key.object;
            if seen.kind.is_some_and(|kind| kind != name.kind) {
                self.findings.push(Finding::Dangling(key.object));
            }
            seen.kind = Some(name.kind);
        }
        Ok(())
    }

    /// What is wrong, once everything was seen.
    pub(super) fn judge(&mut self, entry: &Entry) -> Vec<Finding> {
        let mut findings = core::mem::take(&mut self.findings);
        for (ino, seen) in core::mem::take(&mut self.seen) {
            let Some(inode) = &seen.inode else {
                findings.push(match (seen.orphan, seen.names) {
                    (true, _) => Finding::Orphan(ino),
                    (false, 0) => Finding::Lost(ino),
                    (false, _) => Finding::Dangling(seen.within),
                });
                continue;
            };
            self.count = self.count.saturating_add(1);
            findings.extend((ino >= entry.next).then_some(Finding::Number(ino)));
            judge(ino, &seen, inode, &mut findings);
        }
        findings.extend((self.count != entry.files).then_some(Finding::Files));
        findings
    }
}

fn judge(ino: u64, seen: &Seen, inode: &Inode, findings: &mut Vec<Finding>) {
    let mut expect = |right: bool, finding: Finding| {
        if !right {
            findings.push(finding);
        }
    };
    let directory = inode.kind == Kind::Directory;
    let orphan = inode.flags & FLAG_ORPHAN != 0;
    let named = seen.names > 0 || ino == ROOT;
    expect(seen.orphan == orphan && !(orphan && named), Finding::Orphan(ino));
    expect(named || orphan, Finding::Lost(ino));
    expect(seen.kind.is_none_or(|kind| kind == inode.kind), Finding::Dangling(seen.within));
    let links = match (directory, orphan) {
        (_, true) => 0,
        (true, false) => seen.directories.saturating_add(2),
        (false, false) => seen.names,
    };
    expect(inode.links == links, Finding::Links(ino));
    expect(inode.blocks == seen.blocks, Finding::Blocks(ino));
    if directory {
        expect(inode.size == seen.entries, Finding::Names(ino));
        let within = if ino == ROOT { ROOT } else { seen.within };
        expect(orphan || inode.parent == within, Finding::Parent(ino));
        expect(seen.names <= 1, Finding::Links(ino));
    }
    let inline = seen.inline.map_or(0, wide);
    let content = match inode.kind {
        Kind::File => {
            let records = inode.size.div_ceil(inode.record_size());
            let small = seen.inline.is_none() || (inode.size <= INLINE_MAX && seen.blocks == 0);
            seen.entries == 0 && seen.end <= records && inline <= inode.size && small
        }
        Kind::Symlink => seen.entries == 0 && seen.blocks == 0 && inline == inode.size,
        Kind::Directory => seen.blocks == 0 && seen.inline.is_none(),
        Kind::Fifo | Kind::Socket => seen.entries == 0 && seen.blocks == 0 && seen.inline.is_none(),
    };
    let most = seen.end.saturating_mul(inode.record_size());
    expect(content && seen.blocks.saturating_mul(wide(BLOCK)) <= most, Finding::Content(ino));
}
