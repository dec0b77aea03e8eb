//! Opening, closing, and the calls that name things by path.

use anode_abi::number::{SYS_FLINK, SYS_FRENAME, SYS_UNLINKAT};
use redox::flag::{O_APPEND, O_NONBLOCK, O_RDONLY, O_WRONLY};

use crate::prelude::*;

/// Close-on-exec, as libc and the kernel know it.
pub(crate) const O_CLOEXEC: u64 = 0x0100_0000;
/// Read and write.
pub(crate) const O_RDWR: u64 = 0x3_0000;
/// Flags that stay with a description.
pub(crate) const STATUS_FLAGS: usize = O_NONBLOCK | O_APPEND;
/// `open(path, len, flags)` of `redox_syscall` 0.4 and 0.5: the one number of old that published
/// crates still use (winit 0.30) and that is not today's.
pub(crate) const SYS_OPEN: usize = 0x1010_0005;

impl Handle {
    /// A handle with the rights that open flags ask for.
    pub(crate) fn opened(description: DescriptionId, flags: u64) -> Self {
        let mut rights = Rights::PASS;
        rights.set(Rights::READ, flags & wide(O_RDONLY) != 0);
        rights.set(Rights::WRITE, flags & wide(O_WRONLY) != 0);
        Self { description, rights, close_on_exec: flags & O_CLOEXEC != 0 }
    }

    /// Its rights as the mode of open flags.
    pub(crate) fn mode(&self) -> u64 {
        u64::from(self.rights.bits() & 3) << 16
    }
}

impl<M: Machine> Kernel<M> {
    /// The handle of a number, if it has those rights, and its description.
    #[inline]
    pub(crate) fn described(
        &mut self,
        me: ThreadId,
        number: u64,
        needed: Rights,
    ) -> Result<(Handle, &mut Description)> {
        let handle = self.process(me)?.handles.get(number)?;
        let description = self.descriptions.get_mut(handle.description);
        let allowed = description.filter(|_| handle.rights.contains(needed));
        Ok((handle, allowed.ok_or(EBADF)?))
    }

    /// The handle of a number, if it has those rights, and what it names.
    #[inline]
    pub(crate) fn named_handle(
        &mut self,
        me: ThreadId,
        number: u64,
        needed: Rights,
    ) -> Result<(Handle, Target)> {
        self.described(me, number, needed).map(|(handle, description)| (handle, description.target))
    }

    /// The call of old.
    pub(crate) fn open(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a, b, c, .. } = call;
        self.openat(me, Call { a: wide(NONE), b: a, c: b, d: c, ..call })
    }

    pub(crate) fn openat(&mut self, me: ThreadId, call: Call) -> Outcome {
        let flags = call.d;
        self.process(me)?.handles.reserve(0)?;
        let (target, path) = self.resolve(me, call.a, (call.b, call.c))?;
        match target {
            Target::Builtin(scheme) => self.open_builtin(me, scheme, path, flags),
            Target::Scheme(open) => self.submit(
                me,
                &Request {
                    buffer: Buffer::Path(path),
                    finish: Finish::Open(flags),
                    ..Request::new(open, op::OPEN_AT, [0, 0, flags & !O_CLOEXEC, 0])
                },
            ),
            Target::Names(namespace) => {
                self.namespaces.retain(namespace);
                self.open_target(me, target, flags)
            }
            _ => Err(ENOTDIR),
        }
    }

    /// A handle on something of the kernel's own.
    pub(crate) fn open_target(&mut self, me: ThreadId, target: Target, flags: u64) -> Outcome {
        let uid = self.process(me)?.who.uid;
        let description = self.describe(target, flags & wide(STATUS_FLAGS), uid);
        let description = description.inspect_err(|_full| self.drop_target(target))?;
        self.hand_out(me, description, flags)
    }

    /// Gives the caller a handle on a new description.
    pub(crate) fn hand_out(&mut self, me: ThreadId, of: DescriptionId, flags: u64) -> Outcome {
        let mut handle = Handle::opened(of, flags);
        // These are for their process alone: `spawn` may give them away, nothing else does.
        let target = self.descriptions.get(of).ok_or(EBADF)?.target;
        handle.rights.set(Rights::PASS, !matches!(target, Target::Owner(_) | Target::Ring(_)));
        let process = self.owner(me)?;
        let number = self.install(process, None, handle)?;
        self.give(me, number)
    }

    /// Gives a process a handle, at a number or the lowest free one. The handle's reference is
    /// taken over.
    pub(crate) fn install(
        &mut self,
        process: ProcessId,
        at: Option<u64>,
        handle: Handle,
    ) -> Result<u64> {
        let handles = self.processes.get_mut(process).map(|process| &mut process.handles);
        let put = handles.ok_or(EIO).and_then(|handles| {
            let number = match at {
                Some(exact) => handles.reach(exact)?,
                None => handles.reserve(0)?,
            };
            Ok((number, handles.put(number, handle)))
        });
        let (number, old) = put.inspect_err(|_| self.drop_description(handle.description))?;
        if let Some(old) = old {
            self.drop_description(old.description);
        }
        Ok(number)
    }

    pub(crate) fn close(&mut self, me: ThreadId, call: Call) -> Outcome {
        let handle = self.process(me)?.handles.take(call.a)?;
        self.drop_description(handle.description);
        self.give(me, 0)
    }

    /// `unlinkat`, `frename`, `flink`: a path goes to the scheme that it lies in.
    pub(crate) fn path_call(&mut self, me: ThreadId, call: Call) -> Outcome {
        let number = size(call.number);
        let directory = if number == SYS_UNLINKAT { call.a } else { call.d };
        let (target, path) = self.resolve(me, directory, (call.b, call.c))?;
        let Target::Scheme(directory) = target else { return Err(EPERM) };
        let mut named = || match self.named_handle(me, call.a, Rights::empty())?.1 {
            Target::Scheme(open) if open.scheme == directory.scheme => Ok(open),
            _ => Err(EXDEV),
        };
        let (open, opcode, last) = match number {
            SYS_UNLINKAT => (directory, op::UNLINK_AT, call.d),
            SYS_FRENAME => (named()?, op::FRENAME, directory.id),
            SYS_FLINK => (named()?, op::FLINK, directory.id),
            _ => return Err(EINVAL),
        };
        let request = Request::new(open, opcode, [0, 0, last, 0]);
        self.submit(me, &Request { buffer: Buffer::Path(path), ..request })
    }
}
