//! Opening, closing, and the calls that name things by path.

use anode_abi::number::{NONE, SYS_FLINK, SYS_FRENAME, SYS_UNLINKAT};
use redox::flag::{O_APPEND, O_NONBLOCK, O_RDONLY, O_WRONLY};

use crate::error::EXDEV;
use crate::num::{size, wide};
use crate::scheme::route::Route;
use crate::scheme::submit::op;
use crate::{
    Binding, Call, DescriptionId, EBADF, EINVAL, ENOENT, ENOTDIR, EPERM, Errno, Finish, Handle,
    Input, Kernel, Machine, Outcome, Request, Rights, SchemeId, Target, ThreadId,
};

/// Close-on-exec, as libc and the kernel know it.
pub(crate) const O_CLOEXEC: u64 = 0x0100_0000;
/// Flags that stay with a description.
pub(crate) const STATUS_FLAGS: usize = O_NONBLOCK | O_APPEND;

/// The rights that open flags ask for.
pub(crate) fn rights_of(flags: u64) -> Rights {
    let mut rights = Rights::PASS;
    if flags & wide(O_RDONLY) != 0 {
        rights |= Rights::READ;
    }
    if flags & wide(O_WRONLY) != 0 {
        rights |= Rights::WRITE;
    }
    rights
}

impl<M: Machine> Kernel<M> {
    /// The handle of a number, if it has those rights, and its description.
    pub(crate) fn named_handle(
        &mut self,
        me: ThreadId,
        number: u64,
        needed: Rights,
    ) -> Result<(Handle, Target), Errno> {
        let handle = self.process(me)?.handles.get(number)?;
        if !handle.rights.contains(needed) {
            return Err(EBADF);
        }
        let description = self.descriptions.get(handle.description).ok_or(EBADF)?;
        Ok((handle, description.target))
    }

    pub(crate) fn openat(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a: directory, b, c, d: flags, .. } = call;
        let has_directory = directory != wide(NONE);
        let len = self.take_path(me, b, c)?;
        self.process(me)?.handles.reserve(0)?;
        match self.route(me, len, has_directory)? {
            Route::Names => {
                let namespace = self.process(me)?.namespace;
                self.retain_namespace(namespace);
                self.open_target(me, Target::Names(namespace), flags, u64::MAX)
            }
            Route::Scheme(Binding::Builtin(builtin), rest) => {
                self.open_builtin(me, builtin, rest, flags)
            }
            Route::Scheme(Binding::Scheme(scheme, root), rest) => {
                let request = Self::open_request(call, root, flags);
                self.submit(me, scheme, &Request { input: Input::Scratch(rest), ..request })
            }
            Route::Relative(_) if !has_directory => Err(ENOENT),
            Route::Relative(path) => {
                let (handle, target) = self.named_handle(me, directory, Rights::empty())?;
                match target {
                    Target::Scheme(scheme, id, _) => {
                        self.check_epoch(scheme, handle.description)?;
                        let request = Self::open_request(call, id, flags);
                        self.submit(me, scheme, &Request { input: Input::Scratch(path), ..request })
                    }
                    target => self.open_beneath(me, target, path, flags),
                }
            }
        }
    }

    fn open_request(call: Call, directory: u64, flags: u64) -> Request {
        Request {
            opcode: op::OPEN_AT,
            args: [directory, 0, 0, flags & !O_CLOEXEC, 0],
            finish: Finish::Open { flags, at: None },
            ..Request::new(call)
        }
    }

    /// A handle on something of the kernel's own.
    pub(crate) fn open_target(
        &mut self,
        me: ThreadId,
        target: Target,
        flags: u64,
        offset: u64,
    ) -> Outcome {
        let status = flags & wide(STATUS_FLAGS);
        let description = match self.describe(target, status, offset) {
            Ok(description) => description,
            Err(errno) => {
                self.drop_target(target);
                return Err(errno);
            }
        };
        let rights = rights_of(flags);
        self.install(me, description, rights, flags & O_CLOEXEC != 0)
    }

    /// Gives the caller a handle on a description whose one reference it takes over.
    pub(crate) fn install(
        &mut self,
        me: ThreadId,
        description: DescriptionId,
        rights: Rights,
        close_on_exec: bool,
    ) -> Outcome {
        let handles = &mut self.process(me)?.handles;
        match handles.reserve(0) {
            Ok(number) => {
                handles.put(number, Handle { description, rights, close_on_exec });
                self.give(me, number)
            }
            Err(errno) => {
                self.drop_description(description);
                Err(errno)
            }
        }
    }

    pub(crate) fn close(&mut self, me: ThreadId, call: Call) -> Outcome {
        let handle = self.process(me)?.handles.take(call.a)?;
        self.drop_handle(handle);
        self.give(me, 0)
    }

    /// `unlinkat`, `frename`, `flink`: a path goes to the scheme that it lies in.
    pub(crate) fn path_call(&mut self, me: ThreadId, call: Call) -> Outcome {
        let number = size(call.number);
        let unlink = number == SYS_UNLINKAT;
        let directory = if unlink { call.a } else { call.d };
        let len = self.take_path(me, call.b, call.c)?;
        let has_directory = directory != wide(NONE);
        let (scheme, id, path) = match self.route(me, len, has_directory)? {
            Route::Scheme(Binding::Scheme(scheme, root), rest) => (scheme, root, rest),
            Route::Relative(path) if has_directory => {
                let (scheme, id) = self.scheme_handle(me, directory)?;
                (scheme, id, path)
            }
            Route::Relative(_) => return Err(ENOENT),
            Route::Names | Route::Scheme(..) => return Err(EPERM),
        };
        let (opcode, args) = match number {
            SYS_UNLINKAT => (op::UNLINK_AT, [id, 0, 0, call.d, 0]),
            SYS_FRENAME | SYS_FLINK => {
                let (other, named) = self.scheme_handle(me, call.a)?;
                if other != scheme {
                    return Err(EXDEV);
                }
                let opcode = if number == SYS_FRENAME { op::FRENAME } else { op::FLINK };
                (opcode, [named, 0, 0, id, 0])
            }
            _ => return Err(EINVAL),
        };
        let request = Request { opcode, args, input: Input::Scratch(path), ..Request::new(call) };
        self.submit(me, scheme, &request)
    }

    /// The scheme and id behind a handle that a daemon opened.
    pub(crate) fn scheme_handle(
        &mut self,
        me: ThreadId,
        number: u64,
    ) -> Result<(SchemeId, u64), Errno> {
        let (handle, target) = self.named_handle(me, number, Rights::empty())?;
        let Target::Scheme(scheme, id, _) = target else { return Err(ENOTDIR) };
        self.check_epoch(scheme, handle.description)?;
        Ok((scheme, id))
    }
}
