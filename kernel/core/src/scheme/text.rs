//! `sys:` and `proc:`: what the kernel tells about itself, as text; and directories.

use core::fmt::Write;

use crate::prelude::*;

const SYS_FILES: [(&str, SysFile); 9] = [
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

const PROC_FILES: [(&str, ProcFile); 3] =
    [("stat", ProcFile::Stat), ("signal", ProcFile::Signal), ("", ProcFile::Directory)];

/// The name of a file in a table; a directory itself has none.
fn name_in<T: PartialEq>(table: &[(&'static str, T)], file: T) -> &'static str {
    table.iter().find(|(_, other)| *other == file).map_or("", |(name, _)| name)
}

/// Kind of a directory in directory records.
const DT_DIR: u8 = 4;
/// Kind of a plain file.
const DT_REG: u8 = 8;
/// Bytes of a record before its name.
const HEADER: usize = 19;

/// A text of which only `skip..skip + buffer` is kept.
struct Text<'a> {
    buffer: &'a mut [u8],
    skip: usize,
    len: usize,
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let skipped = self.skip.min(text.len());
        self.skip = self.skip.saturating_sub(skipped);
        let places = self.buffer.iter_mut().skip(self.len);
        for (place, byte) in places.zip(text.bytes().skip(skipped)) {
            *place = byte;
            self.len = self.len.saturating_add(1);
        }
        Ok(())
    }
}

/// The file of `sys:` of that name.
pub(crate) fn sys_file(name: &str) -> Result<Target> {
    let found = SYS_FILES.iter().find(|(other, _)| *other == name);
    found.map(|(_, file)| Target::Sys(*file)).ok_or(ENOENT)
}

/// The file of a process of that name.
pub(crate) fn process_file(pid: u32, name: &str) -> Result<Target> {
    let found = PROC_FILES.iter().find(|(other, _)| *other == name);
    found.map(|(_, file)| Target::Process(pid, *file)).ok_or(ENOENT)
}

impl<M: Machine> Kernel<M> {
    /// `PID`, `PID/stat` or `PID/signal` beneath `proc:`.
    pub(crate) fn proc_file(&self, path: &str) -> Result<Target> {
        let (pid, rest) = path.split_once('/').unwrap_or((path, ""));
        let pid = pid.parse().map_err(|_word| ENOENT)?;
        self.process_by_pid(pid).map_err(|_gone| ENOENT)?;
        process_file(pid, rest)
    }

    pub(crate) fn read_text(&mut self, target: Target, transfer: &Transfer) -> Outcome {
        let range = transfer.range.cut(SCRATCH);
        let len = self.with_scratch(|kernel, scratch| {
            let buffer = scratch.get_mut(..range.len()).unwrap_or_default();
            if target == Target::Sys(SysFile::Log) {
                return Ok(kernel.memory.machine.log_read(transfer.offset, buffer));
            }
            let mut text = Text { buffer, skip: size(transfer.offset), len: 0 };
            kernel.write_text(transfer.me, target, &mut text).map(|()| text.len)
        })?;
        self.store_scratch(transfer.me, range.cut(len))?;
        self.advance(transfer, len)
    }

    fn write_text(&self, me: ThreadId, target: Target, out: &mut Text<'_>) -> Result<()> {
        let frames = &self.memory.frames;
        let written = match target {
            Target::Sys(SysFile::Uname) => {
                writeln!(out, "Anode {} x86_64", env!("CARGO_PKG_VERSION"))
            }
            Target::Sys(SysFile::Counters) => {
                let mut list = self.counters.list();
                list.try_for_each(|(name, value)| writeln!(out, "{name} {value}"))
            }
            Target::Sys(SysFile::Memory) => writeln!(
                out,
                "page_size 4096\ntotal_pages {}\nfree_pages {}\npromised_pages {}\nobjects {}",
                frames.total(),
                frames.free(),
                frames.promised(),
                self.memory.objects.len()
            ),
            Target::Sys(SysFile::Cpu) => writeln!(out, "cpus {}", self.memory.machine.cpus()),
            Target::Sys(SysFile::Uptime) => writeln!(out, "{}", self.memory.machine.now()),
            Target::Sys(SysFile::Exe) => {
                let process = self.owner(me)?;
                write!(out, "{}", self.processes.get(process).ok_or(ESRCH)?.name)
            }
            Target::Sys(SysFile::Boot) => out.write_str(self.facts),
            Target::Process(pid, ProcFile::Stat) => self.write_stat(pid, out)?,
            Target::Sys(SysFile::Power) => Ok(()),
            Target::Sys(_) | Target::Process(..) => return Err(EISDIR),
            _ => return Err(EINVAL),
        };
        written.map_err(|_never| EINVAL)
    }

    fn write_stat(&self, pid: u32, out: &mut Text<'_>) -> Result<core::fmt::Result> {
        let id = self.process_by_pid(pid)?;
        let process = self.processes.get(id).ok_or(ESRCH)?;
        let threads = || self.threads.iter().map(|(_, t)| t).filter(|t| t.process == id);
        let state = match process.life {
            Life::Ended(_) => 'Z',
            Life::Alive if threads().all(|t| matches!(t.state, State::Blocked(_))) => 'S',
            Life::Alive => 'R',
        };
        Ok(writeln!(
            out,
            "pid={} ppid={} pgid={} uid={} gid={} state={} threads={} pages={} cpu_ns={} prio={} handles={} name={}",
            process.pid,
            process.parent,
            process.group,
            process.uid,
            process.gid,
            state,
            process.threads,
            process.space.as_ref().map_or(0, |space| space.resident),
            self.cpu_time(id),
            process.priority,
            process.handles.iter().count(),
            process.name,
        ))
    }

    /// A short text that was written to a handle.
    fn word(&mut self, transfer: &Transfer) -> Result<&str> {
        let len = self.take_path(
            transfer.me,
            transfer.range.start(),
            wide(transfer.range.len().min(64)),
        )?;
        Ok(self.path(0..len)?.trim())
    }

    pub(crate) fn write_power(&mut self, transfer: &Transfer) -> Outcome {
        let power = match self.word(transfer)? {
            "reboot" => Power::Reboot,
            "poweroff" => Power::Off,
            _ => return Err(EINVAL),
        };
        if self.process(transfer.me)?.uid != 0 {
            return Err(EPERM);
        }
        self.memory.machine.power(power);
        Err(EIO)
    }

    /// A signal number written to `proc:PID/signal`.
    pub(crate) fn write_signal(&mut self, pid: u32, transfer: &Transfer) -> Outcome {
        let signal: u32 = self.word(transfer)?.parse().map_err(|_word| EINVAL)?;
        let id = self.process_by_pid(pid)?;
        self.may_act(transfer.me, id)?;
        if signal >= 32 {
            return Err(EINVAL);
        }
        self.send(id, signal);
        self.give(transfer.me, wide(transfer.range.len()))
    }

    /// Directory records from position `from` on.
    pub(crate) fn list(
        &mut self,
        me: ThreadId,
        target: Target,
        range: UserSlice,
        from: u64,
    ) -> Outcome {
        let mut at = size(from);
        let mut done = 0usize;
        while let Some((name, kind)) = self.entry(target, at)? {
            let bytes = name.as_bytes();
            let len = HEADER.saturating_add(bytes.len()).saturating_add(1);
            let room = range.len().saturating_sub(done);
            if len > room && done == 0 {
                return Err(EINVAL);
            }
            if len > room {
                break;
            }
            at = at.saturating_add(1);
            let mut record = [0u8; HEADER + 32];
            let fields = (wide(at).to_le_bytes().into_iter())
                .chain(wide(at).to_le_bytes())
                .chain(u16::try_from(len).unwrap_or(0).to_le_bytes())
                .chain([kind])
                .chain(bytes.iter().copied());
            for (to, byte) in record.iter_mut().zip(fields) {
                *to = byte;
            }
            let record = record.get(..len).unwrap_or_default();
            self.store(me, record, range.skip(done).start())?;
            done = done.saturating_add(len);
        }
        self.give(me, wide(done))
    }

    /// Entry number `at` of a directory.
    fn entry(&self, target: Target, at: usize) -> Result<Option<(Name, u8)>> {
        let cut = |name: &str| Name::cut(name.as_bytes());
        Ok(match target {
            Target::Names(namespace) => {
                let namespace = self.namespaces.get(namespace).ok_or(ENOENT)?;
                namespace.iter().nth(at).map(|(name, _)| (*name, DT_DIR))
            }
            Target::Sys(SysFile::Directory) => {
                SYS_FILES.get(at).map(|(name, _)| (cut(name), DT_REG))
            }
            Target::Process(_, ProcFile::Directory) => {
                ["stat", "signal"].get(at).map(|name| (cut(name), DT_REG))
            }
            Target::Directory(Builtin::Proc) => {
                let alive = self.processes.iter().filter(|(_, p)| p.life == Life::Alive);
                alive.map(|(_, p)| (number(p.pid), DT_DIR)).nth(at)
            }
            Target::Directory(_) => {
                self.irqs.iter().map(|(_, irq)| (number(irq.line), DT_REG)).nth(at)
            }
            _ => return Err(ENOTDIR),
        })
    }

    /// The canonical path of a kernel scheme's handle.
    pub(crate) fn write_path(&mut self, me: ThreadId, target: Target, range: UserSlice) -> Outcome {
        let len = self.with_scratch(|kernel, scratch| {
            let mut text = Text { buffer: scratch, skip: 0, len: 0 };
            kernel.describe_path(target, &mut text).map(|()| text.len)
        });
        let range = range.cut(len.map_err(|_never| EACCES)?);
        self.store_scratch(me, range)?;
        self.give(me, wide(range.len()))
    }

    fn describe_path(&self, target: Target, out: &mut Text<'_>) -> core::fmt::Result {
        match target {
            Target::Memory(window) => {
                let object = self.memory.objects.get(window.object);
                let address = object.and_then(|object| object.address());
                let bytes = self.size_of(target).unwrap_or(0);
                match address {
                    Some(address) => {
                        let address = address.saturating_add(window.offset);
                        write!(out, "memory:dma/{address:x}/{bytes:x}")
                    }
                    None => write!(out, "/scheme/memory"),
                }
            }
            Target::Irq(id) => match self.irqs.get(id).and_then(|irq| irq.message) {
                Some((address, data)) => write!(out, "irq:msi/{address:x}/{data:x}"),
                None => write!(out, "irq:{}", self.irqs.get(id).map_or(0, |irq| irq.line)),
            },
            Target::Pipe(..) => out.write_str("/scheme/pipe"),
            Target::Queue(_) => out.write_str("/scheme/event"),
            Target::Clock(clock, _) => write!(out, "/scheme/time/{clock}"),
            Target::Rand => out.write_str("/scheme/rand"),
            Target::Debug => out.write_str("/scheme/debug"),
            Target::Sys(file) => {
                write!(out, "/scheme/sys/{}", name_in(&SYS_FILES, file))
            }
            Target::Process(pid, ProcFile::Directory) => write!(out, "/scheme/proc/{pid}"),
            Target::Process(pid, file) => {
                write!(out, "/scheme/proc/{pid}/{}", name_in(&PROC_FILES, file))
            }
            Target::Directory(Builtin::Proc) => out.write_str("/scheme/proc"),
            Target::Directory(_) => out.write_str("/scheme/irq"),
            Target::Names(_) => out.write_str("/scheme"),
            Target::Ports(first, count) => write!(out, "memory:io/{first:x}/{count:x}"),
            _ => out.write_str("/scheme"),
        }
    }
}

/// A number as a name.
fn number(value: u32) -> Name {
    let mut digits = [0u8; 10];
    let mut window = Text { buffer: &mut digits, skip: 0, len: 0 };
    // Ten digits hold every u32, and the window never fails.
    let written = write!(window, "{value}");
    debug_assert!(written.is_ok());
    let len = window.len;
    Name::cut(digits.get(..len).unwrap_or_default())
}
