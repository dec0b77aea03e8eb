//! `initfs:`: the files that the machine started from, as they were.
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "the limit is for the kernel's one stack per CPU")]

use std::{os::fd::OwnedFd, process::ExitCode};

use anode_initfs::{Entry, Error as Damage, Image, Kind};
use anode_scheme::{AnswerRange, Content, Context, Control, Entries, Opened, Scheme, sys};
use redox::{
    data::{Stat, StatVfs},
    dirent::DirentKind,
    error::{EISDIR, ELOOP, ENOENT, ENOTDIR, EROFS, Error, Result},
    flag::{O_CREAT, O_DIRECTORY, O_STAT, O_SYMLINK, O_TRUNC, O_WRONLY},
};

/// libc's `O_NOFOLLOW`.
const O_NOFOLLOW: u64 = 0x8000_0000;
/// Positions of `.` and `..`; entry n of the image has position n + 2.
const DOTS: u64 = 2;

/// The image, and the object that it lies in.
struct Initfs {
    image: Image<'static>,
    bytes: OwnedFd,
    /// The object's number in answers.
    object: Option<u16>,
}

impl Initfs {
    fn find(&self, from: &str, path: &str, context: &Context) -> Result<Entry<'static>> {
        let has = |flag: usize| u64::try_from(flag).is_ok_and(|flag| context.flags & flag != 0);
        if has(O_CREAT) || has(O_TRUNC) || (has(O_WRONLY) && !has(O_STAT)) {
            return Err(Error::new(EROFS));
        }
        let path = match path.strip_prefix('/') {
            Some(path) => path.to_owned(),
            None => [from, path].join("/"),
        };
        let keep = has(O_SYMLINK) || context.flags & O_NOFOLLOW != 0;
        let entry = if keep { self.keep_last(&path) } else { self.image.resolve(&path) };
        let entry = entry.map_err(|damage| Error::new(errno(damage)))?;
        match entry.kind {
            Kind::Symlink(_) if !has(O_SYMLINK) => Err(Error::new(ELOOP)),
            Kind::File { .. } | Kind::Symlink(_) if has(O_DIRECTORY) || path.ends_with('/') => {
                Err(Error::new(ENOTDIR))
            }
            Kind::Directory | Kind::File { .. } | Kind::Symlink(_) => Ok(entry),
        }
    }

    /// As [`Image::resolve`], but a symbolic link at the end is what is found.
    fn keep_last(&self, path: &str) -> Result<Entry<'static>, Damage> {
        let (parent, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
        if matches!(name, "" | "." | "..") {
            return self.image.resolve(path);
        }
        let parent = self.image.resolve(parent)?;
        self.image.lookup(&[parent.path, name].join("/")).ok_or(Damage::Path)
    }

    fn opened(&self, entry: Entry<'static>) -> Opened<Entry<'static>> {
        let opened = Opened::file(entry).with_cookie(u64::from(entry.index));
        match (entry.kind, self.object) {
            (Kind::File { offset, .. }, Some(object)) if entry.size() > 0 => {
                let range = AnswerRange { offset, len: entry.size() };
                opened.with_content(Content { object, range })
            }
            _ => opened,
        }
    }
}

const fn errno(damage: Damage) -> i32 {
    match damage {
        Damage::Parent => ENOTDIR,
        Damage::TooBig => ELOOP,
        Damage::Magic
        | Damage::Version(_)
        | Damage::Length
        | Damage::Checksum
        | Damage::Entry(_)
        | Damage::Path
        | Damage::Duplicate => ENOENT,
    }
}

impl Scheme for Initfs {
    type Open = Entry<'static>;

    fn start(&mut self, control: Control) -> Result<()> {
        self.object = Some(control.register(&self.bytes)?);
        Ok(())
    }

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<Self::Open>> {
        self.find("", path, context).map(|entry| self.opened(entry))
    }

    fn open_at(
        &mut self,
        dir: &mut Self::Open,
        path: &str,
        context: &Context,
    ) -> Result<Opened<Self::Open>> {
        self.find(dir.path, path, context).map(|entry| self.opened(entry))
    }

    fn read(
        &mut self,
        open: &mut Self::Open,
        buf: &mut [u8],
        offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        let bytes = match open.kind {
            Kind::File { data, .. } => data,
            Kind::Symlink(target) => target.as_bytes(),
            Kind::Directory => return Err(Error::new(EISDIR)),
        };
        let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        Ok(buf.iter_mut().zip(rest).map(|(to, from)| *to = *from).count())
    }

    fn write(
        &mut self,
        _open: &mut Self::Open,
        _buf: &[u8],
        _offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        Err(Error::new(EROFS))
    }

    fn stat(&mut self, open: &mut Self::Open) -> Result<Stat> {
        Ok(Stat {
            st_dev: 2,
            st_ino: inode(open),
            st_mode: u16::try_from(open.mode()).unwrap_or(0),
            st_nlink: 1,
            st_size: open.size(),
            st_blksize: 4096,
            st_blocks: open.size().div_ceil(512),
            ..Stat::default()
        })
    }

    fn stat_vfs(&mut self, _open: &mut Self::Open) -> Result<StatVfs> {
        let blocks = u64::try_from(self.image.size()).unwrap_or(0) / 4096;
        Ok(StatVfs { f_bsize: 4096, f_blocks: blocks, f_bfree: 0, f_bavail: 0 })
    }

    fn path(&mut self, open: &mut Self::Open) -> Result<String> {
        Ok(open.path.to_owned())
    }

    fn list(
        &mut self,
        open: &mut Self::Open,
        position: u64,
        entries: &mut Entries<'_>,
    ) -> Result<()> {
        if open.kind != Kind::Directory {
            return Err(Error::new(ENOTDIR));
        }
        let dots = [(1, "."), (2, "..")].into_iter().map(|(at, name)| (at, name, *open));
        let names = self.image.list(open);
        let names =
            names.map(|entry| (u64::from(entry.index).saturating_add(DOTS), entry.name(), entry));
        for (at, name, entry) in dots.chain(names).filter(|(at, ..)| *at > position) {
            let kind = match entry.kind {
                Kind::Directory => DirentKind::Directory,
                Kind::File { .. } => DirentKind::Regular,
                Kind::Symlink(_) => DirentKind::Symlink,
            };
            if !entries.push(inode(&entry), at, kind, name) {
                break;
            }
        }
        Ok(())
    }
}

/// Inode numbers begin with 1.
fn inode(entry: &Entry<'_>) -> u64 {
    u64::from(entry.index).saturating_add(1)
}

fn main() -> ExitCode {
    match files() {
        Ok(files) => anode_scheme::serve("initfs", files),
        Err(sentence) => {
            eprintln!("initfsd: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn files() -> Result<Initfs, String> {
    let bytes = anode_scheme::machine("initfs")?;
    let mapped = sys::map_image(&bytes).map_err(|error| format!("the image: {error}"))?;
    let image = Image::parse(mapped).map_err(|error| format!("the image is damaged: {error}"))?;
    Ok(Initfs { image, bytes, object: None })
}

#[cfg(test)]
mod tests {
    use anode_initfs::{Builder, Image};
    use anode_scheme::{op, testing::Fake};
    use redox::flag::{O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, O_STAT, O_SYMLINK};

    use super::Initfs;

    fn files() -> Fake<Initfs> {
        let mut builder = Builder::new();
        builder.file("bin/sh", 0o755, vec![7; 5000]).unwrap();
        builder.symlink("bin/bash", "sh").unwrap();
        builder.file("etc/motd", 0o644, *b"hello").unwrap();
        let image = Image::parse(builder.build().unwrap().leak()).unwrap();
        let bytes = std::fs::File::open("/dev/null").unwrap().into();
        Fake::new(Initfs { image, bytes, object: None })
    }

    #[test]
    fn files_are_read_and_carry_their_range_of_the_image() {
        let mut files = files();
        let shell = files.open_at(0, "bin/../bin/bash", O_RDONLY).unwrap();
        assert_eq!(shell.content.unwrap().range.len, 5000);
        assert_eq!(files.read(shell.value, 100, 4990).unwrap(), [7; 10]);
        assert_eq!(files.read(shell.value, 100, u64::MAX - 1).unwrap(), []);
        assert_eq!(files.stat(shell.value).unwrap().st_mode, 0o100_755);
        let path = files.request(op::PATH, shell.value, [0, 4096, 0, 0], &[]).unwrap();
        assert_eq!(path.bytes, b"bin/sh");
    }

    #[test]
    fn directories_are_listed_and_opened_from() {
        let mut files = files();
        let bin = files.open("bin", O_RDONLY | O_DIRECTORY).unwrap();
        assert_eq!(files.list(bin, 32).unwrap(), [".", "..", "bash", "sh"]);
        let motd = files.open_at(bin, "../etc/motd", O_RDONLY).unwrap();
        assert_eq!(files.read(motd.value, 100, 0).unwrap(), b"hello");
        assert_eq!(files.read(bin, 100, 0).unwrap_err().errno, 21);
        assert_eq!(files.list(motd.value, 100).unwrap_err().errno, 20);
    }

    #[test]
    fn a_link_may_be_kept() {
        let mut files = files();
        let link = files.open("bin/bash", O_STAT | O_SYMLINK).unwrap();
        assert_eq!(files.stat(link).unwrap().st_mode & 0o170_000, 0o120_000);
        assert_eq!(files.read(link, 100, 0).unwrap(), b"sh");
        assert_eq!(files.open("bin/bash", O_RDONLY | 0x8000_0000).unwrap_err().errno, 40);
    }

    #[test]
    fn nothing_can_be_written() {
        let mut files = files();
        assert_eq!(files.open("etc/motd", O_RDWR).unwrap_err().errno, 30);
        assert_eq!(files.open("etc/new", O_CREAT).unwrap_err().errno, 30);
        assert_eq!(files.open("etc/none", O_RDONLY).unwrap_err().errno, 2);
        assert_eq!(files.open("etc/motd/", O_RDONLY).unwrap_err().errno, 20);
        assert_eq!(files.request(op::UNLINK_AT, 0, [0; 4], b"etc/motd").unwrap_err().errno, 1);
    }
}
