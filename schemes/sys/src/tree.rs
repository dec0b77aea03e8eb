//! Names, who may open what, and what writing does.

use anode_abi::info::fact;
use anode_scheme::{Context, Entries, Opened, Scheme};
use redox::data::Stat;
use redox::dirent::DirentKind;
use redox::error::{EINVAL, EISDIR, ENOENT, ENOTDIR, EPERM, Error, Result};
use redox::flag::{MODE_DIR, MODE_FILE};

use crate::kernel::Kernel;
use crate::texts::text;

/// A file of `sys:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SysFile {
    Uname,
    Counters,
    Memory,
    Cpu,
    Uptime,
    Exe,
    Log,
    Boot,
    Power,
}

const FILES: [(&str, SysFile); 9] = [
    ("uname", SysFile::Uname),
    ("counters", SysFile::Counters),
    ("memory", SysFile::Memory),
    ("cpu", SysFile::Cpu),
    ("uptime_ns", SysFile::Uptime),
    ("exe", SysFile::Exe),
    ("log", SysFile::Log),
    ("boot", SysFile::Boot),
    ("power", SysFile::Power),
];

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// `sys:`
    System,
    /// A file of it.
    File(SysFile),
    /// `proc:`
    Processes,
    /// `proc:PID`
    Process(u64),
    /// `proc:PID/stat`
    Stat(u64),
    /// `proc:PID/signal`
    Signal(u64),
    /// `irq:`
    Interrupts,
    /// `irq:LINE`
    Interrupt(u64),
}

impl Node {
    /// What a name in it names; whether that is there is not asked.
    pub(crate) fn child(self, name: &str) -> Result<Self> {
        let number = || name.parse().map_err(|_word| Error::new(ENOENT));
        match (self, name) {
            (node, "" | ".") => Ok(node),
            (Self::System, _) => {
                let found = FILES.iter().find(|(other, _)| *other == name);
                found.map(|(_, file)| Self::File(*file)).ok_or(Error::new(ENOENT))
            }
            (Self::Processes, _) => Ok(Self::Process(number()?)),
            (Self::Process(_), "..") => Ok(Self::Processes),
            (Self::Process(pid), "stat") => Ok(Self::Stat(pid)),
            (Self::Process(pid), "signal") => Ok(Self::Signal(pid)),
            (Self::Process(_), _) => Err(Error::new(ENOENT)),
            (Self::Interrupts, _) => Ok(Self::Interrupt(number()?)),
            (Self::File(_) | Self::Stat(_) | Self::Signal(_) | Self::Interrupt(_), _) => {
                Err(Error::new(ENOTDIR))
            }
        }
    }

    /// Its path beneath the scheme's root.
    fn path(self) -> String {
        match self {
            Self::System | Self::Processes | Self::Interrupts => String::new(),
            Self::File(file) => {
                let found = FILES.iter().find(|(_, other)| *other == file);
                found.map(|(name, _)| (*name).to_owned()).unwrap_or_default()
            }
            Self::Process(pid) => pid.to_string(),
            Self::Stat(pid) => format!("{pid}/stat"),
            Self::Signal(pid) => format!("{pid}/signal"),
            Self::Interrupt(line) => line.to_string(),
        }
    }
}

/// One of the schemes.
#[derive(Debug)]
pub(crate) struct System<K> {
    kernel: K,
    root: Node,
}

/// An open file or directory.
#[derive(Debug)]
pub(crate) struct Open {
    node: Node,
    /// What a directory lists depends on who opened it.
    context: Context,
    /// What it said when it was read from the start.
    text: Option<Vec<u8>>,
}

impl<K: Kernel> System<K> {
    pub(crate) const fn new(kernel: K, root: Node) -> Self {
        Self { kernel, root }
    }

    /// Whether the caller may see a process and act on it: root all, others their own and their
    /// children. The kernel asks the same of `kill`.
    fn check(&self, pid: u64, caller: &Context) -> Result<()> {
        let process = self.kernel.process(pid).map_err(|_gone| Error::new(ENOENT))?;
        let own = process.uid == u64::from(caller.uid) || process.pid == caller.pid;
        let allowed = caller.uid == 0 || own || process.parent == caller.pid;
        if allowed { Ok(()) } else { Err(Error::new(EPERM)) }
    }

    fn open_from(&self, from: Node, path: &str, context: &Context) -> Result<Opened<Open>> {
        let node = path.split('/').try_fold(from, Node::child)?;
        match node {
            Node::Process(pid) | Node::Stat(pid) | Node::Signal(pid) => self.check(pid, context)?,
            // Its text is what says whether it is there.
            Node::Interrupt(_) => drop(text(&self.kernel, node, context)?),
            Node::System | Node::File(_) | Node::Processes | Node::Interrupts => {}
        }
        Ok(Opened::file(Self::file(node, context)))
    }

    /// An open file, or directory.
    pub(crate) const fn file(node: Node, context: &Context) -> Open {
        Open { node, context: *context, text: None }
    }

    /// The processes that somebody may see.
    pub(crate) fn visible(&self, caller: &Context) -> Result<Vec<u64>> {
        let mut all = self.kernel.processes()?;
        all.retain(|pid| self.check(*pid, caller).is_ok());
        Ok(all)
    }

    /// The names in a directory.
    fn names(&self, open: &Open) -> Result<Vec<(String, DirentKind)>> {
        let file = |name: &str| (name.to_owned(), DirentKind::Regular);
        match open.node {
            Node::System => Ok(FILES.iter().map(|(name, _)| file(name)).collect()),
            Node::Processes => {
                let all = self.visible(&open.context)?;
                Ok(all.iter().map(|pid| (pid.to_string(), DirentKind::Directory)).collect())
            }
            Node::Process(_) => Ok(["stat", "signal"].map(file).into()),
            Node::Interrupts => {
                let irqs = self.kernel.info_words(fact::IRQS)?;
                Ok(irqs.as_chunks().0.iter().map(|[line, _]| file(&line.to_string())).collect())
            }
            Node::File(_) | Node::Stat(_) | Node::Signal(_) | Node::Interrupt(_) => {
                Err(Error::new(ENOTDIR))
            }
        }
    }
}

impl<K: Kernel> Scheme for System<K> {
    type Open = Open;

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<Open>> {
        self.open_from(self.root, path, context)
    }

    fn open_at(
        &mut self,
        directory: &mut Open,
        path: &str,
        context: &Context,
    ) -> Result<Opened<Open>> {
        self.open_from(directory.node, path, context)
    }

    fn read(
        &mut self,
        open: &mut Open,
        buf: &mut [u8],
        offset: u64,
        context: &Context,
    ) -> Result<usize> {
        if offset == 0 || open.text.is_none() {
            if let Node::Stat(pid) = open.node {
                self.check(pid, context)?;
            }
            open.text = Some(text(&self.kernel, open.node, context)?);
        }
        let text = open.text.as_deref().unwrap_or_default();
        let rest = usize::try_from(offset).ok().and_then(|offset| text.get(offset..));
        let bytes = buf.iter_mut().zip(rest.unwrap_or_default());
        Ok(bytes.map(|(to, from)| *to = *from).count())
    }

    /// A signal's number, or how the machine is to end.
    fn write(&mut self, open: &mut Open, buf: &[u8], _: u64, context: &Context) -> Result<usize> {
        let word = str::from_utf8(buf).map_err(|_binary| Error::new(EINVAL))?.trim();
        match open.node {
            Node::Signal(pid) => {
                let signal = word.parse().map_err(|_word| Error::new(EINVAL))?;
                self.check(pid, context)?;
                self.kernel.kill(pid, signal)?;
            }
            Node::File(SysFile::Power) => {
                if word != "reboot" {
                    return Err(Error::new(EINVAL));
                }
                if context.uid != 0 {
                    return Err(Error::new(EPERM));
                }
                self.kernel.reboot()?;
            }
            Node::System | Node::Processes | Node::Process(_) | Node::Interrupts => {
                return Err(Error::new(EISDIR));
            }
            Node::File(_) | Node::Stat(_) | Node::Interrupt(_) => return Err(Error::new(EINVAL)),
        }
        Ok(buf.len())
    }

    fn stat(&mut self, open: &mut Open) -> Result<Stat> {
        let mode = match open.node {
            Node::System | Node::Processes | Node::Process(_) | Node::Interrupts => {
                MODE_DIR | 0o555
            }
            Node::Signal(_) | Node::File(SysFile::Power) => MODE_FILE | 0o222,
            Node::File(_) | Node::Stat(_) | Node::Interrupt(_) => MODE_FILE | 0o444,
        };
        Ok(Stat { st_mode: mode, st_nlink: 1, st_blksize: 4096, ..Stat::default() })
    }

    fn path(&mut self, open: &mut Open) -> Result<String> {
        Ok(open.node.path())
    }

    fn list(&mut self, open: &mut Open, position: u64, entries: &mut Entries<'_>) -> Result<()> {
        let skipped = usize::try_from(position).map_err(|_far| Error::new(EINVAL))?;
        let names = self.names(open)?;
        for (next, (name, kind)) in (1..).zip(&names).skip(skipped) {
            if !entries.push(next, next, *kind, name) {
                break;
            }
        }
        Ok(())
    }
}
