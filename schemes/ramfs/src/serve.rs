//! The tree as a scheme.

use std::{
    os::fd::OwnedFd,
    time::{SystemTime, UNIX_EPOCH},
};

use anode_abi::error::{EINVAL, Error, Result};
use anode_scheme::{AnswerRange, Content as Attached, Context, Control, Entries, Opened, Scheme};
use redox::{
    data::{Stat, StatVfs, TimeSpec},
    dirent::DirentKind,
};

use crate::{
    content::Content,
    names::Sort,
    node::{Body, Ino, ROOT, Time},
    open::Open,
    tree::Tree,
    walk::Start,
};

/// `AT_REMOVEDIR` of an unlink.
const REMOVE_DIRECTORY: u64 = 0x200;
/// `RwFlags`: this write appends.
const APPEND: u64 = 2;
/// Positions of `.` and `..` in a listing.
const DOT: u64 = 1;
const DOT_DOT: u64 = 2;

/// The daemon: the tree, and the image as an object that clients read by themselves.
#[derive(Debug)]
pub(crate) struct Ramfs<L> {
    tree: Tree<L>,
    image: OwnedFd,
    /// The image's number in answers.
    object: Option<u16>,
}

impl<L: AsRef<[u8]>> Ramfs<L> {
    /// Serves `tree`, whose lower bytes are those of `image`.
    pub(crate) const fn new(tree: Tree<L>, image: OwnedFd) -> Self {
        Self { tree, image, object: None }
    }

    fn open_from(
        &mut self,
        from: impl Into<Start>,
        path: &str,
        context: &Context,
    ) -> Result<Opened<Open>> {
        let flags = usize::try_from(context.flags).map_err(|_wide| Error::new(EINVAL))?;
        self.tree.now = now();
        let open = self.tree.open(from, path, flags, context.into())?;
        let cookie = open.ino;
        let content = self.attached(&open);
        let opened = Opened::file(open).with_cookie(cookie);
        Ok(match content {
            Some(content) => opened.with_content(content),
            None => opened,
        })
    }

    /// What of a file lies in the image as it is, if it is opened to be read only.
    ///
    /// A description that has it goes on reading the image should the file be changed by name.
    fn attached(&self, open: &Open) -> Option<Attached> {
        let object = self.object.filter(|_| open.is_read_only())?;
        match self.tree.get(open.ino).ok()?.body {
            Body::File(Content::Lower { offset, size }) if size > 0 => {
                Some(Attached { object, range: AnswerRange { offset, len: size } })
            }
            Body::File(_) | Body::Directory(_) | Body::Symlink(_) => None,
        }
    }

    fn kind(&self, ino: Ino) -> DirentKind {
        match self.tree.get(ino).map(|node| &node.body) {
            Ok(Body::File(_)) => DirentKind::Regular,
            Ok(Body::Directory(_)) => DirentKind::Directory,
            Ok(Body::Symlink(_)) => DirentKind::Symlink,
            Err(_) => DirentKind::Unspecified,
        }
    }
}

impl<L: AsRef<[u8]>> Scheme for Ramfs<L> {
    type Open = Open;

    fn start(&mut self, control: Control) -> Result<()> {
        self.object = Some(control.register(&self.image)?);
        Ok(())
    }

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<Open>> {
        self.open_from(ROOT, path, context)
    }

    fn open_at(&mut self, dir: &mut Open, path: &str, context: &Context) -> Result<Opened<Open>> {
        self.open_from(dir.start(), path, context)
    }

    /// `root`: the directory as one that nothing which is opened from it leads out of.
    fn dup(&mut self, open: &mut Open, name: &str, _context: &Context) -> Result<Opened<Open>> {
        self.tree.directory(open.ino)?;
        if name != "root" {
            return Err(Error::new(EINVAL));
        }
        self.tree.hold(open.ino)?;
        let root = open.as_root();
        let cookie = root.ino;
        Ok(Opened::file(root).with_cookie(cookie))
    }

    fn close(&mut self, open: Open) {
        self.tree.let_go(open.ino);
    }

    fn read(
        &mut self,
        open: &mut Open,
        buf: &mut [u8],
        offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        self.tree.now = now();
        self.tree.read(open.for_reading()?, offset, buf)
    }

    fn write(
        &mut self,
        open: &mut Open,
        buf: &[u8],
        offset: u64,
        context: &Context,
    ) -> Result<usize> {
        self.tree.now = now();
        let at = open.at(offset).filter(|_| context.flags & APPEND == 0);
        self.tree.write(open.for_writing()?, at, buf)
    }

    fn stat(&mut self, open: &mut Open) -> Result<Stat> {
        let stat = self.tree.stat(open.ino)?;
        Ok(Stat {
            st_dev: 1,
            st_ino: stat.ino,
            st_mode: stat.mode,
            st_nlink: stat.links,
            st_uid: stat.uid,
            st_gid: stat.gid,
            st_size: stat.size,
            st_blksize: 4096,
            st_blocks: stat.pages.saturating_mul(8),
            st_mtime: stat.modified.0,
            st_mtime_nsec: stat.modified.1,
            st_atime: stat.accessed.0,
            st_atime_nsec: stat.accessed.1,
            st_ctime: stat.changed.0,
            st_ctime_nsec: stat.changed.1,
        })
    }

    fn stat_vfs(&mut self, _open: &mut Open) -> Result<StatVfs> {
        let (block, total, free) = self.tree.figures();
        let f_bsize = u32::try_from(block).unwrap_or(0);
        Ok(StatVfs { f_bsize, f_blocks: total, f_bfree: free, f_bavail: free })
    }

    fn path(&mut self, open: &mut Open) -> Result<String> {
        self.tree.path(open.start()).map(|path| path.trim_start_matches('/').to_owned())
    }

    fn list(&mut self, open: &mut Open, position: u64, entries: &mut Entries<'_>) -> Result<()> {
        let directory = self.tree.directory(open.for_reading()?)?;
        let dots = [(DOT, ".", open.ino), (DOT_DOT, "..", directory.parent)];
        let dots = dots.into_iter().filter(|(at, ..)| *at > position);
        for (at, name, ino) in dots.chain(directory.after(position.max(DOT_DOT))) {
            if !entries.push(ino, at, self.kind(ino), name) {
                break;
            }
        }
        Ok(())
    }

    fn truncate(&mut self, open: &mut Open, size: u64) -> Result<()> {
        self.tree.now = now();
        self.tree.truncate(open.for_writing()?, size)
    }

    fn chmod(&mut self, open: &mut Open, mode: u16, context: &Context) -> Result<()> {
        self.tree.now = now();
        self.tree.chmod(open.ino, context.into(), mode)
    }

    fn chown(&mut self, open: &mut Open, uid: u32, gid: u32, context: &Context) -> Result<()> {
        self.tree.now = now();
        let some = |id: u32| (id != u32::MAX).then_some(id);
        self.tree.chown(open.ino, context.into(), some(uid), some(gid))
    }

    fn set_times(
        &mut self,
        open: &mut Open,
        times: [TimeSpec; 2],
        context: &Context,
    ) -> Result<()> {
        self.tree.now = now();
        let [accessed, modified] = times.map(time);
        self.tree.set_times(open.ino, context.into(), accessed, modified)
    }

    fn unlink(&mut self, dir: Option<&mut Open>, path: &str, context: &Context) -> Result<()> {
        self.tree.now = now();
        let directory = context.flags & REMOVE_DIRECTORY != 0;
        let sort = if directory { Sort::Directory } else { Sort::Other };
        self.tree.unlink(start(dir), path, sort, context.into())
    }

    fn rename(
        &mut self,
        open: &mut Open,
        dir: Option<&mut Open>,
        path: &str,
        context: &Context,
    ) -> Result<()> {
        self.tree.now = now();
        let (from, old) = (open.name.0, open.name.1.as_str());
        let place = self.tree.rename((from, old), start(dir), path, context.into())?;
        open.name = (place.parent, place.name);
        Ok(())
    }

    fn link(
        &mut self,
        open: &mut Open,
        dir: Option<&mut Open>,
        path: &str,
        context: &Context,
    ) -> Result<()> {
        self.tree.now = now();
        self.tree.link(open.ino, start(dir), path, context.into())
    }
}

/// Where a path beneath a directory begins, or beneath the root.
fn start(dir: Option<&mut Open>) -> Start {
    dir.map_or_else(|| ROOT.into(), |dir| dir.start())
}

/// The wall clock; before 1970 it stands.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos())
}

fn time(time: TimeSpec) -> Time {
    (u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests;
