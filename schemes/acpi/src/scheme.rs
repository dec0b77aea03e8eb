//! The scheme: `power` to write to, and the tables to read.

use anode_scheme::{Context, Entries, Opened, Scheme};
use redox::data::Stat;
use redox::dirent::DirentKind;
use redox::error::{EINVAL, EIO, EISDIR, ENODEV, ENOENT, ENOTDIR, EPERM, Error, Result};
use redox::flag::{MODE_DIR, MODE_FILE};

use crate::power::{Bus, Power};
use crate::tables::{self, Entry, Physical};

/// What is open.
#[derive(Debug)]
pub(crate) enum Open {
    Root,
    Power,
    Tables,
    /// A table, as it was when it was opened.
    Table {
        name: String,
        bytes: Vec<u8>,
    },
}

/// The machine as the scheme needs it.
pub(crate) trait Host: Physical {
    /// Ports and registers.
    fn bus(&self) -> impl Bus;
}

/// The daemon.
#[derive(Debug)]
pub(crate) struct Acpi<H> {
    host: H,
    entries: Vec<Entry>,
    power: Power,
}

impl<H: Host> Acpi<H> {
    /// Looks at the tables that were found.
    pub(crate) fn new(host: H, entries: Vec<Entry>) -> Self {
        let named = |wanted: &str| {
            let all = entries.iter().filter(|entry| entry.name.get(..4) == Some(wanted));
            all.filter_map(|entry| tables::read(&host, entry.address)).collect::<Vec<_>>()
        };
        let fadt = named("FACP").into_iter().next().unwrap_or_default();
        let (dsdt, ssdts) = (named("DSDT"), named("SSDT"));
        let power = Power::new(&fadt, dsdt.iter().chain(&ssdts).map(Vec::as_slice));
        Self { host, entries, power }
    }

    /// Whether the machine can be turned off.
    pub(crate) const fn can_turn_off(&self) -> bool {
        self.power.can_turn_off()
    }

    fn open_root(&self, path: &str) -> Result<Opened<Open>> {
        match path.strip_suffix('/').unwrap_or(path) {
            "" => Ok(Opened::stream(Open::Root)),
            "power" => Ok(Opened::stream(Open::Power)),
            "tables" => Ok(Opened::stream(Open::Tables)),
            path => self.open_table(path.strip_prefix("tables/").ok_or(Error::new(ENOENT))?),
        }
    }

    fn open_table(&self, name: &str) -> Result<Opened<Open>> {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        let entry = entry.ok_or(Error::new(ENOENT))?;
        let bytes = tables::read(&self.host, entry.address).ok_or(Error::new(EIO))?;
        Ok(Opened::file(Open::Table { name: name.to_owned(), bytes }))
    }

    /// Does what was written to `power`.
    fn command(&self, command: &[u8], context: &Context) -> Result<()> {
        if context.uid != 0 {
            return Err(Error::new(EPERM));
        }
        let mut bus = self.host.bus();
        match command.trim_ascii() {
            b"poweroff" if !self.can_turn_off() => Err(Error::new(ENODEV)),
            b"poweroff" => {
                self.power.turn_off(&mut bus);
                // The machine takes a moment to go.
                bus.wait();
                Err(Error::new(EIO))
            }
            b"reboot" => {
                self.power.reset(&mut bus);
                Err(Error::new(EIO))
            }
            _ => Err(Error::new(EINVAL)),
        }
    }
}

impl<H: Host> Scheme for Acpi<H> {
    type Open = Open;

    fn open(&mut self, path: &str, _context: &Context) -> Result<Opened<Open>> {
        self.open_root(path)
    }

    fn open_at(
        &mut self,
        directory: &mut Open,
        path: &str,
        _context: &Context,
    ) -> Result<Opened<Open>> {
        match directory {
            Open::Root => self.open_root(path),
            Open::Tables if path.is_empty() => Ok(Opened::stream(Open::Tables)),
            Open::Tables => self.open_table(path),
            Open::Power | Open::Table { .. } => Err(Error::new(ENOTDIR)),
        }
    }

    fn read(
        &mut self,
        open: &mut Open,
        buf: &mut [u8],
        offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        match open {
            Open::Table { bytes, .. } => {
                let skip = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = bytes.iter().skip(skip);
                Ok(buf.iter_mut().zip(rest).map(|(to, from)| *to = *from).count())
            }
            Open::Power => Ok(0),
            Open::Root | Open::Tables => Err(Error::new(EISDIR)),
        }
    }

    fn write(
        &mut self,
        open: &mut Open,
        buf: &[u8],
        _offset: u64,
        context: &Context,
    ) -> Result<usize> {
        match open {
            Open::Power => self.command(buf, context).map(|()| buf.len()),
            Open::Root | Open::Tables => Err(Error::new(EISDIR)),
            Open::Table { .. } => Err(Error::new(EPERM)),
        }
    }

    fn stat(&mut self, open: &mut Open) -> Result<Stat> {
        let (mode, size) = match open {
            Open::Root | Open::Tables => (MODE_DIR | 0o555, 0),
            Open::Power => (MODE_FILE | 0o200, 0),
            Open::Table { bytes, .. } => (MODE_FILE | 0o444, bytes.len()),
        };
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        Ok(Stat { st_mode: mode, st_size: size, st_nlink: 1, st_blksize: 4096, ..Stat::default() })
    }

    fn path(&mut self, open: &mut Open) -> Result<String> {
        Ok(match open {
            Open::Root => String::new(),
            Open::Power => "power".to_owned(),
            Open::Tables => "tables".to_owned(),
            Open::Table { name, .. } => format!("tables/{name}"),
        })
    }

    fn list(&mut self, open: &mut Open, position: u64, entries: &mut Entries<'_>) -> Result<()> {
        let first = usize::try_from(position).unwrap_or(usize::MAX);
        let names: Vec<(&str, DirentKind)> = match open {
            Open::Root => vec![("power", DirentKind::Regular), ("tables", DirentKind::Directory)],
            Open::Tables => {
                let names = self.entries.iter().map(|entry| entry.name.as_str());
                names.map(|name| (name, DirentKind::Regular)).collect()
            }
            Open::Power | Open::Table { .. } => return Err(Error::new(ENOTDIR)),
        };
        for (next, (name, kind)) in (1..).zip(names).skip(first) {
            if !entries.push(next, next, kind, name) {
                break;
            }
        }
        Ok(())
    }
}
