//! `dirent.h`: reading directories.

use crate::fcntl::open_at;
use crate::{c, errno, malloc, sys};
use core::ffi::{c_char, c_int};
use core::ptr;
use relibc_core::abi::Dirent;
use relibc_core::consts::{AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_RDONLY, S_IFDIR, S_IFMT};
use relibc_core::dirent;
use relibc_core::errno::{ENOMEM, ENOTDIR, Result};

const BUFFER: usize = 4096;

/// `DIR`: an open directory.
#[derive(Debug)]
struct Dir {
    fd: c_int,
    /// Where the records in the buffer begin that were not given out, and where they end.
    unread: (usize, usize),
    /// Position after the last record that was given out.
    position: u64,
    /// Position after the last record in the buffer.
    read_to: u64,
    entry: Dirent,
    buffer: [u8; BUFFER],
}

impl Dir {
    fn open(fd: c_int) -> Result<*mut Self> {
        let dir = malloc::allocate(size_of::<Self>()).ok_or(ENOMEM)?.cast::<Self>().as_ptr();
        // SAFETY: the block is new and large enough; all-zero bytes are a valid `Dir`.
        unsafe {
            dir.write_bytes(0, 1);
            (*dir).fd = fd;
        }
        Ok(dir)
    }

    /// The next entry; `None` at the end.
    fn next(&mut self) -> Result<Option<*mut Dirent>> {
        let (start, end) = self.unread;
        if start >= end {
            let length = sys::getdents(self.fd, &mut self.buffer, self.read_to)?;
            self.unread = (0, length);
            if length == 0 {
                return Ok(None);
            }
        }
        let (start, end) = self.unread;
        let Some(entry) = dirent::read(self.buffer.get(start..end).unwrap_or_default())? else {
            return Ok(None);
        };
        self.entry = dirent::to_c(&entry);
        self.position = entry.next;
        self.read_to = entry.next;
        self.unread = (start.saturating_add(entry.length), end);
        Ok(Some(&raw mut self.entry))
    }

    fn seek(&mut self, position: u64) {
        self.position = position;
        self.read_to = position;
        self.unread = (0, 0);
    }
}

/// POSIX `opendir`.
#[unsafe(no_mangle)]
unsafe extern "C" fn opendir(name: *const c_char) -> *mut Dir {
    let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    // SAFETY: C contract.
    let dir = unsafe { open_at(AT_FDCWD, name, flags, 0) }.and_then(|fd| {
        let fd = c::int(fd);
        Dir::open(fd).inspect_err(|_| {
            // The handle is fresh: nothing can be lost by closing it.
            let _closed = sys::close(fd);
        })
    });
    errno::pointer(dir)
}

/// POSIX `fdopendir`: the handle is the directory's from now on.
#[unsafe(no_mangle)]
extern "C" fn fdopendir(fd: c_int) -> *mut Dir {
    let is_dir = sys::fstat(fd).map(|stat| stat.st_mode & S_IFMT == S_IFDIR);
    errno::pointer(is_dir.and_then(|is_dir| if is_dir { Dir::open(fd) } else { Err(ENOTDIR) }))
}

/// POSIX `readdir`: null at the end, with errno as it was.
#[unsafe(no_mangle)]
unsafe extern "C" fn readdir(dir: *mut Dir) -> *mut Dirent {
    // SAFETY: C contract.
    errno::pointer(unsafe { &mut *dir }.next().map(|entry| entry.unwrap_or(ptr::null_mut())))
}

/// POSIX `readdir_r`.
#[unsafe(no_mangle)]
unsafe extern "C" fn readdir_r(dir: *mut Dir, entry: *mut Dirent, to: *mut *mut Dirent) -> c_int {
    // SAFETY: C contract.
    let next = unsafe { &mut *dir }.next();
    errno::code(next.map(|next| {
        // SAFETY: C contract; `next` points into the directory.
        unsafe {
            match next {
                Some(next) => {
                    entry.copy_from(next, 1);
                    to.write(entry);
                }
                None => to.write(ptr::null_mut()),
            }
        }
    }))
}

/// POSIX `closedir`.
#[unsafe(no_mangle)]
unsafe extern "C" fn closedir(dir: *mut Dir) -> c_int {
    // SAFETY: C contract; `Dir::open` allocated it.
    let fd = unsafe {
        let fd = (*dir).fd;
        malloc::free(dir.cast());
        fd
    };
    errno::status(sys::close(fd))
}

/// POSIX `dirfd`.
#[unsafe(no_mangle)]
unsafe extern "C" fn dirfd(dir: *mut Dir) -> c_int {
    // SAFETY: C contract.
    unsafe { (*dir).fd }
}

/// POSIX `rewinddir`.
#[unsafe(no_mangle)]
unsafe extern "C" fn rewinddir(dir: *mut Dir) {
    // SAFETY: C contract.
    unsafe { &mut *dir }.seek(0);
}

/// POSIX `telldir`.
#[unsafe(no_mangle)]
unsafe extern "C" fn telldir(dir: *mut Dir) -> i64 {
    // SAFETY: C contract.
    unsafe { (*dir).position.cast_signed() }
}

/// POSIX `seekdir`.
#[unsafe(no_mangle)]
unsafe extern "C" fn seekdir(dir: *mut Dir, position: i64) {
    // SAFETY: C contract.
    unsafe { &mut *dir }.seek(position.cast_unsigned());
}
