//! Reads and writes of content.

use anode_abi::error::{EIO, EISDIR, Error, Result};
use anode_fs::Kind;
use anode_scheme::Request;

use crate::cache::{Found, LINE};
use crate::device::Device;
use crate::open::Open;
use crate::rights::Caller;
use crate::serve::Filed;
use crate::walk::refused;

/// `RwFlags`: this write appends.
const APPEND: u64 = 2;
/// The most bytes that one write takes.
const WRITE_MAX: usize = 1 << 20;

/// What a line has.
enum Line {
    Found(Found),
    /// Bytes that are not in the pool.
    Bytes(Vec<u8>),
}

impl<D: Device> Filed<D> {
    /// Answers a read: by a range of the pool, or with a copy where lines meet.
    pub(crate) fn answer_read(&mut self, open: &Open, request: Request) {
        let (offset, want) = (request.offset(), request.len());
        let found = open.for_reading().and_then(|ino| Ok((ino, self.line(ino, offset, want)?)));
        match found {
            Err(error) => request.answer(Err(error)),
            Ok((_, Line::Bytes(bytes))) => request.answer_bytes(&bytes),
            Ok((ino, Line::Found(found))) => {
                let short = found.range.len < wide(want) && !found.ends;
                match self.object {
                    // More than a line is answered in parts anyway.
                    Some(object) if !short || want > LINE => {
                        self.cache.lend(&found);
                        request.answer_range(object, found.range);
                    }
                    _ => {
                        let copied = self.copy_across(ino, &found, &request);
                        request.answer(copied);
                    }
                }
            }
        }
    }

    /// Puts the bytes of two lines into a request's buffer.
    fn copy_across(&mut self, ino: u64, found: &Found, request: &Request) -> Result<usize> {
        let mut bytes = vec![0; size(found.range.len)];
        self.cache.copy(found, &mut bytes).map_err(|_| Error::new(EIO))?;
        let rest = request.len().saturating_sub(bytes.len());
        let next = request.offset().saturating_add(found.range.len);
        if let Line::Found(second) = self.line(ino, next, rest)? {
            let mut more = vec![0; size(second.range.len)];
            self.cache.copy(&second, &mut more).map_err(|_| Error::new(EIO))?;
            bytes.append(&mut more);
        }
        request.copy_out(0, &bytes)
    }

    /// What stands in a file from `offset` on, to the end of its line, read if need be.
    fn line(&mut self, ino: u64, offset: u64, want: usize) -> Result<Line> {
        if let Some(found) = self.cache.find(ino, offset, want) {
            return Ok(Line::Found(found));
        }
        let start = offset.saturating_sub(offset.rem_euclid(wide(LINE)));
        let read = self.run(async |files| {
            let view = files.volume.view();
            match view.inode(ino).await.map_err(refused)?.kind {
                Kind::Directory => Err(Error::new(EISDIR)),
                Kind::Symlink => {
                    let target = view.target(ino).await.map_err(refused)?;
                    Ok(Err(target.get(size(offset)..).unwrap_or_default().to_vec()))
                }
                Kind::File | Kind::Fifo | Kind::Socket => {
                    let mut bytes = vec![0; LINE];
                    let count = view.read(ino, start, &mut bytes).await.map_err(refused)?;
                    bytes.truncate(count);
                    Ok(Ok(bytes))
                }
            }
        })?;
        let bytes = match read {
            Err(target) => return Ok(Line::Bytes(target)),
            Ok(bytes) => bytes,
        };
        let kept = self.cache.keep(ino, offset, &bytes);
        match self.cache.peek(ino, offset, want) {
            Some(found) if kept.is_ok() => Ok(Line::Found(found)),
            _ => {
                let skip = size(offset.saturating_sub(start));
                Ok(Line::Bytes(bytes.get(skip..).unwrap_or_default().to_vec()))
            }
        }
    }

    /// Carries a write out.
    pub(crate) fn do_write(&mut self, open: &mut Open, request: &Request) -> Result<usize> {
        let context = request.context();
        open.for_writing()?;
        let mut data = vec![0; request.len().min(WRITE_MAX)];
        let count = request.copy_in(0, &mut data)?;
        data.truncate(count);
        if open.is_new_link() {
            let caller = Caller::from(&context);
            self.run(async |files| files.make_link(open, &data, caller).await)?;
            return Ok(data.len());
        }
        let ino = open.ino()?;
        let appends = open.append || context.flags & APPEND != 0;
        let offset = (!appends).then(|| request.offset());
        let written = self.run(async |files| files.write(ino, offset, &data).await)?;
        // The end of the file is not known here: all behind the start may be another.
        self.cache.forget(ino, written.from, u64::MAX);
        Ok(written.count)
    }
}

fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
