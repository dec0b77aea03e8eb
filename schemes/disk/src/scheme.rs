//! The scheme: a directory of names, each of which leads elsewhere.

use anode_block::Name;
use anode_scheme::{Context, Entries, Opened, Scheme};
use redox::data::Stat;
use redox::dirent::DirentKind;
use redox::error::{EACCES, EINVAL, EISDIR, ENOENT, Error, Result};
use redox::flag::{MODE_DIR, O_STAT};

use crate::drivers::Drivers;
use crate::numbers::Numbers;

/// The permission bits in the flags of an open.
const MODE: usize = 0o7777;

/// The list of disks: all that is open here.
#[derive(Debug)]
pub(crate) struct Root;

/// The daemon.
#[derive(Debug)]
pub(crate) struct Disks<D> {
    drivers: D,
    numbers: Numbers,
}

impl<D: Drivers> Disks<D> {
    /// Over these drivers. None is asked before a client asks.
    pub(crate) fn new(drivers: D) -> Self {
        Self { drivers, numbers: Numbers::default() }
    }

    /// Opens a disk or a partition at its driver, who takes us for the client: so what the
    /// client may not do is refused here.
    fn open_disk(&mut self, text: &str, context: &Context) -> Result<Opened<Root>> {
        let flags = usize::try_from(context.flags).map_err(|_big| Error::new(EINVAL))? & !MODE;
        if context.uid != 0 && flags & O_STAT == 0 {
            return Err(Error::new(EACCES));
        }
        let name = Name::parse(text).ok_or(Error::new(ENOENT))?;
        let disk = self.numbers.find(name.disk, &mut self.drivers)?;
        let there = Name { disk: disk.index, ..name };
        let handle = self.drivers.open(disk.family, &there.to_string(), flags)?;
        Ok(Opened::Elsewhere(handle))
    }
}

impl<D: Drivers> Scheme for Disks<D> {
    type Open = Root;

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<Root>> {
        match path {
            "" => Ok(Opened::stream(Root)),
            name => self.open_disk(name, context),
        }
    }

    fn open_at(&mut self, _: &mut Root, path: &str, context: &Context) -> Result<Opened<Root>> {
        self.open(path, context)
    }

    fn read(&mut self, _: &mut Root, _: &mut [u8], _: u64, _: &Context) -> Result<usize> {
        Err(Error::new(EISDIR))
    }

    fn stat(&mut self, _: &mut Root) -> Result<Stat> {
        Ok(Stat { st_mode: MODE_DIR | 0o555, st_nlink: 2, ..Stat::default() })
    }

    fn list(&mut self, _: &mut Root, position: u64, entries: &mut Entries<'_>) -> Result<()> {
        let names = self.numbers.names(&mut self.drivers);
        let skip = usize::try_from(position).unwrap_or(usize::MAX);
        for (name, next) in names.iter().zip(1_u64..).skip(skip) {
            let inode = name.cookie().saturating_add(1);
            if !entries.push(inode, next, DirentKind::BlockDev, &name.to_string()) {
                break;
            }
        }
        Ok(())
    }
}
