//! `svc:`, by which services are listed, started and stopped.
//!
//! `svc:list` is the table, `svc:NAME` one service's line of it, `svc:` lists the names.
//! A line written to `svc:control` is a command; its answer is then read from the same handle.

use std::sync::mpsc::{Sender, sync_channel};

use anode_scheme::{Context, ENTRIES, Entries, Opened, Scheme, Server};
use redox::{
    data::Stat,
    dirent::DirentKind,
    error::{EACCES, EBADF, EINVAL, EIO, ENOENT, ENOTDIR, Error, Result},
    flag::{MODE_DIR, MODE_FILE},
};

use crate::Event;

/// Longest command.
const LONGEST: usize = 256;

/// What the main loop is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// The table of services.
    Table,
    /// Their names.
    Names,
    /// A command for the supervisor.
    Command(String),
}

/// An open description.
#[derive(Debug)]
enum Open {
    Root,
    /// Text as it was when it was opened.
    Text(String),
    /// The answer to the last command.
    Control(String),
}

struct Services {
    events: Sender<Event>,
}

impl Services {
    /// Asks the main loop, which never waits for this thread.
    fn ask(&self, question: Question) -> Result<String> {
        let (sender, receiver) = sync_channel(1);
        let gone = |()| Error::new(EIO);
        self.events.send(Event::Asked(question, sender)).map_err(|_gone| gone(()))?;
        receiver.recv().map_err(|_gone| gone(()))
    }
}

impl Scheme for Services {
    type Open = Open;

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<Open>> {
        let open = match path {
            "" => Open::Root,
            "list" => Open::Text(self.ask(Question::Table)?),
            "control" if context.uid != 0 => return Err(Error::new(EACCES)),
            "control" => return Ok(Opened::stream(Open::Control(String::new()))),
            name => {
                let table = self.ask(Question::Table)?;
                let mut rows = table.lines().skip(1);
                let row = rows.find(|row| row.split_whitespace().next() == Some(name));
                Open::Text(format!("{}\n", row.ok_or(Error::new(ENOENT))?))
            }
        };
        Ok(Opened::file(open))
    }

    fn read(
        &mut self,
        open: &mut Open,
        buf: &mut [u8],
        offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        match open {
            Open::Root => Err(Error::new(redox::error::EISDIR)),
            Open::Text(text) => {
                let at = usize::try_from(offset).unwrap_or(usize::MAX);
                Ok(copy(text.as_bytes().get(at..).unwrap_or_default(), buf))
            }
            Open::Control(answer) => {
                let taken = copy(answer.as_bytes(), buf);
                *answer = answer.get(taken..).unwrap_or_default().to_owned();
                Ok(taken)
            }
        }
    }

    fn write(
        &mut self,
        open: &mut Open,
        buf: &[u8],
        _offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        let Open::Control(answer) = open else { return Err(Error::new(EBADF)) };
        let command = std::str::from_utf8(buf).ok().filter(|text| text.len() <= LONGEST);
        let command = command.ok_or(Error::new(EINVAL))?.trim().to_owned();
        *answer = self.ask(Question::Command(command))?;
        Ok(buf.len())
    }

    fn stat(&mut self, open: &mut Open) -> Result<Stat> {
        let (mode, size) = match open {
            Open::Root => (MODE_DIR | 0o555, 0),
            Open::Text(text) => (MODE_FILE | 0o444, text.len()),
            Open::Control(_) => (MODE_FILE | 0o600, 0),
        };
        let st_size = u64::try_from(size).unwrap_or(0);
        Ok(Stat { st_mode: mode, st_nlink: 1, st_size, st_blksize: 4096, ..Stat::default() })
    }

    fn list(&mut self, open: &mut Open, position: u64, entries: &mut Entries<'_>) -> Result<()> {
        let Open::Root = open else { return Err(Error::new(ENOTDIR)) };
        let names = self.ask(Question::Names)?;
        let from = usize::try_from(position).unwrap_or(usize::MAX);
        for (at, name) in (1..).zip(names.lines()).skip(from) {
            if !entries.push(at, at, DirentKind::Regular, name) {
                break;
            }
        }
        Ok(())
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    to.iter_mut().zip(from).map(|(to, from)| *to = *from).count()
}

/// Serves `svc:` until the kernel ends its ring; gives the reason.
pub(crate) fn serve(owner: &std::os::fd::OwnedFd, events: Sender<Event>) -> String {
    let Err(stopped) =
        Server::new("svc", owner, ENTRIES, Services { events }).and_then(|mut server| server.run());
    stopped.to_string()
}

#[cfg(test)]
mod tests;
