//! The volume as a scheme.
//!
//! A request is carried out to its end before the next one is looked at; what it needs of the disk
//! is asked for at once, as much as the device takes.

use anode_abi::error::{EINVAL, ENOTDIR, Error, Result};
use anode_fs::executor::block_on;
use anode_fs::{Kind, Volume};
use anode_scheme::{Context, Control, Entries, Opened, Request, Scheme, op, sys};
use redox::{
    data::{Stat, StatVfs, TimeSpec},
    dirent::DirentKind,
};

use crate::cache::Cache;
use crate::device::Device;
use crate::files::Files;
use crate::names::Sort;
use crate::open::Open;
use crate::rights::Caller;
use crate::walk::{ROOT, Start, refused};

/// `AT_REMOVEDIR` of an unlink.
const REMOVE_DIRECTORY: u64 = 0x200;
/// Positions of `.` and `..` in a listing; those of names are their cookies and [`FIRST`].
const DOT: u64 = 1;
const DOT_DOT: u64 = 2;
const FIRST: u64 = 3;
/// Names that are read at once for a listing.
const BATCH: usize = 128;
/// How long what was changed may stay in memory, in ns.
const COMMIT: u64 = 5_000_000_000;

const TYPE_DIRECTORY: u16 = 0o040_000;
const TYPE_FILE: u16 = 0o100_000;
const TYPE_SYMLINK: u16 = 0o120_000;
const TYPE_FIFO: u16 = 0o010_000;
const TYPE_SOCKET: u16 = 0o140_000;

/// The daemon.
#[derive(Debug)]
pub(crate) struct Filed<D> {
    pub(crate) files: Files<D>,
    device: D,
    pub(crate) cache: Cache,
    /// The pool's number in answers.
    pub(crate) object: Option<u16>,
    /// When the next commit is due, in monotonic ns, if something was changed.
    due: Option<u64>,
}

impl<D: Device> Filed<D> {
    /// Serves a volume; names of schemes are kept from files.
    pub(crate) fn new(volume: Volume<D>, cache: Cache, schemes: Vec<String>) -> Self {
        let device = volume.device().clone();
        Self { files: Files::new(volume, schemes), device, cache, object: None, due: None }
    }

    /// Carries something out to its end.
    pub(crate) fn run<T>(
        &mut self,
        act: impl AsyncFnOnce(&mut Files<D>) -> Result<T>,
    ) -> Result<T> {
        let done = block_on(act(&mut self.files), || self.device.wait());
        if self.files.is_changed() && self.due.is_none() {
            self.due = Some(sys::monotonic().saturating_add(COMMIT));
        }
        done
    }

    /// Commits what was changed.
    pub(crate) fn commit(&mut self) {
        self.due = None;
        if let Err(error) = block_on(self.files.commit(), || self.device.wait()) {
            eprintln!("filed: nothing is written any more: {}", mkfs::sentence(error));
        }
    }

    fn open_from(&mut self, from: Start, path: &str, context: &Context) -> Result<Opened<Open>> {
        let flags = usize::try_from(context.flags).map_err(|_wide| Error::new(EINVAL))?;
        let caller = Caller::from(context);
        let open = self.run(async |files| files.open(from, path, flags, caller).await)?;
        let cookie = open.ino().unwrap_or(0);
        if flags & redox::flag::O_TRUNC != 0 {
            self.cache.forget(cookie, 0, u64::MAX);
        }
        Ok(Opened::file(open).with_cookie(cookie))
    }
}

impl<D: Device> Scheme for Filed<D> {
    type Open = Open;

    const IN_FLIGHT: bool = true;

    fn start(&mut self, control: Control) -> Result<()> {
        self.object = Some(control.register(self.cache.pool())?);
        Ok(())
    }

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<Open>> {
        self.open_from(Start { at: ROOT, top: ROOT }, path, context)
    }

    fn open_at(&mut self, dir: &mut Open, path: &str, context: &Context) -> Result<Opened<Open>> {
        self.open_from(dir.start()?, path, context)
    }

    /// `root`: the directory as one that nothing which is opened from it leads out of.
    fn dup(&mut self, open: &mut Open, name: &str, _context: &Context) -> Result<Opened<Open>> {
        let ino = open.ino()?;
        let kind = self.run(async |files| Ok(files.walker().inode(ino).await?.kind))?;
        if kind != Kind::Directory {
            return Err(Error::new(ENOTDIR));
        }
        if name != "root" {
            return Err(Error::new(EINVAL));
        }
        self.run(async |files| files.volume.open(ino).await.map_err(refused))?;
        Ok(Opened::file(open.as_root()?).with_cookie(ino))
    }

    fn close(&mut self, open: Open) {
        let Ok(ino) = open.ino() else { return };
        if let Err(error) = self.run(async |files| files.let_go(ino).await) {
            // It goes at the next mount.
            eprintln!("filed: file {ino} could not be let go: {error}");
        }
    }

    fn defer(&mut self, open: &mut Open, request: Request) -> Option<Request> {
        match request.opcode() {
            op::READ => self.answer_read(open, request),
            op::WRITE => {
                let done = self.do_write(open, &request);
                request.answer(done);
            }
            _ => return Some(request),
        }
        None
    }

    fn stat(&mut self, open: &mut Open) -> Result<Stat> {
        let ino = open.ino()?;
        let file = self.run(async |files| files.walker().inode(ino).await)?;
        let (kind, length) = match file.kind {
            Kind::File => (TYPE_FILE, file.size),
            Kind::Directory => (TYPE_DIRECTORY, 0),
            Kind::Symlink => (TYPE_SYMLINK, file.size),
            Kind::Fifo => (TYPE_FIFO, 0),
            Kind::Socket => (TYPE_SOCKET, 0),
        };
        let [accessed, modified, changed, _] = file.times.map(time);
        Ok(Stat {
            st_dev: 1,
            st_ino: ino,
            st_mode: kind | file.mode,
            st_nlink: file.links,
            st_uid: file.uid,
            st_gid: file.gid,
            st_size: length,
            st_blksize: 4096,
            st_blocks: file.blocks.saturating_mul(8),
            st_mtime: modified.0,
            st_mtime_nsec: modified.1,
            st_atime: accessed.0,
            st_atime_nsec: accessed.1,
            st_ctime: changed.0,
            st_ctime_nsec: changed.1,
        })
    }

    fn stat_vfs(&mut self, _open: &mut Open) -> Result<StatVfs> {
        let figures = self.files.volume.statistics();
        Ok(StatVfs {
            f_bsize: 4096,
            f_blocks: figures.blocks,
            f_bfree: figures.free.saturating_add(figures.held),
            f_bavail: figures.available.saturating_add(figures.held),
        })
    }

    fn path(&mut self, open: &mut Open) -> Result<String> {
        let (ino, top) = (open.ino()?, open.top);
        self.run(async |files| files.walker().path(ino, top, &open.name).await)
    }

    fn list(&mut self, open: &mut Open, position: u64, entries: &mut Entries<'_>) -> Result<()> {
        let ino = open.for_reading()?;
        let mut after = position.checked_sub(FIRST);
        let parent = self.run(async |files| Ok(files.walker().inode(ino).await?.parent))?;
        let dots = [(DOT, ".", ino), (DOT_DOT, "..", parent)];
        for (at, name, ino) in dots.into_iter().filter(|(at, ..)| *at > position) {
            if !entries.push(ino, at, DirentKind::Directory, name) {
                return Ok(());
            }
        }
        loop {
            let found = self.run(async |files| {
                files.volume.view().entries(ino, after, BATCH).await.map_err(refused)
            })?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(*last);
            let mut found = found.into_iter();
            let all = found.all(|(cookie, name)| {
                let text = String::from_utf8_lossy(&name.name);
                entries.push(name.ino, cookie.saturating_add(FIRST), kind_of(name.kind), &text)
            });
            if !all {
                return Ok(());
            }
        }
    }

    fn sync(&mut self, _open: &mut Open) -> Result<()> {
        self.run(async |files| files.volume.fsync().await.map_err(refused))
    }

    fn truncate(&mut self, open: &mut Open, length: u64) -> Result<()> {
        open.for_writing()?;
        let ino = open.ino()?;
        let from = self.run(async |files| files.truncate(ino, length).await)?;
        self.cache.forget(ino, from, u64::MAX);
        Ok(())
    }

    fn chmod(&mut self, open: &mut Open, mode: u16, context: &Context) -> Result<()> {
        let (ino, caller) = (open.ino()?, Caller::from(context));
        self.run(async |files| files.chmod(ino, caller, mode).await)
    }

    fn chown(&mut self, open: &mut Open, uid: u32, gid: u32, context: &Context) -> Result<()> {
        let (ino, caller) = (open.ino()?, Caller::from(context));
        let ids = [uid, gid].map(|id| (id != u32::MAX).then_some(id));
        self.run(async |files| files.chown(ino, caller, ids).await)
    }

    fn set_times(
        &mut self,
        open: &mut Open,
        times: [TimeSpec; 2],
        context: &Context,
    ) -> Result<()> {
        let (ino, caller) = (open.ino()?, Caller::from(context));
        let times = times.map(nanoseconds);
        self.run(async |files| files.set_times(ino, caller, times).await)
    }

    fn unlink(&mut self, dir: Option<&mut Open>, path: &str, context: &Context) -> Result<()> {
        let directory = context.flags & REMOVE_DIRECTORY != 0;
        let sort = if directory { Sort::Directory } else { Sort::Other };
        let (from, caller) = (start(dir)?, Caller::from(context));
        self.run(async |files| files.unlink(from, path, sort, caller).await)
    }

    fn rename(
        &mut self,
        open: &mut Open,
        dir: Option<&mut Open>,
        path: &str,
        context: &Context,
    ) -> Result<()> {
        let (to, caller) = (start(dir)?, Caller::from(context));
        let old = open.name.clone();
        open.name = self.run(async |files| files.rename(&old, to, path, caller).await)?;
        Ok(())
    }

    fn link(
        &mut self,
        open: &mut Open,
        dir: Option<&mut Open>,
        path: &str,
        context: &Context,
    ) -> Result<()> {
        let (ino, to, caller) = (open.ino()?, start(dir)?, Caller::from(context));
        self.run(async |files| files.link(ino, to, path, caller).await)
    }

    fn turn(&mut self) {
        self.cache.settle();
        if self.due.is_some_and(|due| sys::monotonic() >= due) {
            self.commit();
        }
    }

    fn deadline(&mut self) -> u64 {
        self.due.unwrap_or(u64::MAX)
    }
}

/// Where a path beneath a directory begins, or beneath the root.
fn start(dir: Option<&mut Open>) -> Result<Start> {
    dir.map_or(Ok(Start { at: ROOT, top: ROOT }), |dir| dir.start())
}

const fn kind_of(kind: Kind) -> DirentKind {
    match kind {
        Kind::File => DirentKind::Regular,
        Kind::Directory => DirentKind::Directory,
        Kind::Symlink => DirentKind::Symlink,
        Kind::Fifo | Kind::Socket => DirentKind::Unspecified,
    }
}

/// Seconds and nanoseconds; before 1970 it stands.
fn time(ns: i64) -> (u64, u32) {
    let ns = u64::try_from(ns).unwrap_or(0);
    let part = u32::try_from(ns.rem_euclid(1_000_000_000)).unwrap_or(0);
    (ns.div_euclid(1_000_000_000), part)
}

fn nanoseconds(time: TimeSpec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(i64::from(time.tv_nsec))
}
