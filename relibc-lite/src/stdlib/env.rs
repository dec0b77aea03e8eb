//! The environment. `environ` is the program's to replace; `setenv` copies the list once.

use crate::lock::{Lock, RawLock};
use crate::{c, errno, malloc};
use core::ffi::{CStr, c_char, c_int};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use relibc_core::errno::{EINVAL, ENOMEM, Result};

/// A list of strings that ends with null.
type List = *mut *mut c_char;

/// POSIX `environ`.
#[unsafe(no_mangle)]
static environ: AtomicPtr<*mut c_char> = AtomicPtr::new(ptr::null_mut());

/// The list that we allocated, and how many entries fit, the null included.
#[derive(Debug)]
struct Own {
    list: List,
    room: usize,
}

// SAFETY: the pointer is only followed while the lock is held.
unsafe impl Send for Own {}

static OWN: Lock<Own> = Lock::new(Own { list: ptr::null_mut(), room: 0 });

/// The lock, for `fork`.
pub(crate) fn lock() -> &'static RawLock {
    OWN.raw()
}

/// What the program was started with.
pub(crate) fn begin(list: List) {
    environ.store(list, Ordering::Relaxed);
}

/// The current list.
pub(crate) fn list() -> List {
    environ.load(Ordering::Relaxed)
}

/// The entry at `index`, null past the end or without a list.
fn entry(list: List, index: usize) -> *mut c_char {
    if list.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: every caller counts up from 0 and stops at null, which ends the list.
    unsafe { *list.add(index) }
}

fn count(list: List) -> usize {
    (0..).take_while(|index| !entry(list, *index).is_null()).count()
}

/// The value of `entry` if it sets `name`.
fn value_of(entry: *mut c_char, name: &[u8]) -> Option<*mut c_char> {
    // SAFETY: C contract: the environment holds strings.
    let text = unsafe { CStr::from_ptr(entry) }.to_bytes();
    let rest = text.strip_prefix(name)?;
    let is_it = rest.first() == Some(&b'=');
    is_it.then(|| entry.wrapping_add(name.len()).wrapping_add(1))
}

/// Index and value of a name.
fn find(list: List, name: &[u8]) -> Option<(usize, *mut c_char)> {
    let entries = (0..count(list)).map(|index| (index, entry(list, index)));
    let mut matching =
        entries.filter_map(|(index, entry)| value_of(entry, name).map(|value| (index, value)));
    matching.next()
}

/// C `getenv`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getenv(name: *const c_char) -> *mut c_char {
    // SAFETY: C contract.
    let name = unsafe { c::string(name) }.unwrap_or_default().to_bytes();
    lookup(name).unwrap_or(ptr::null_mut())
}

/// The value of a variable, which lies in the environment itself.
pub(crate) fn lookup(name: &[u8]) -> Option<*mut c_char> {
    let _own = OWN.lock();
    find(list(), name).map(|(_, value)| value)
}

/// A name that can be set: not empty and without `=`.
///
/// # Safety
///
/// C contract: `name` is a C string or null.
unsafe fn name<'a>(name: *const c_char) -> Result<&'a [u8]> {
    // SAFETY: the caller's promise.
    let name = unsafe { c::string(name) }.map_err(|_| EINVAL)?.to_bytes();
    if name.is_empty() || name.contains(&b'=') { Err(EINVAL) } else { Ok(name) }
}

/// POSIX `setenv`.
#[unsafe(no_mangle)]
unsafe extern "C" fn setenv(key: *const c_char, value: *const c_char, replace: c_int) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { name(key) }.and_then(|key| {
        // SAFETY: C contract.
        let value = unsafe { c::string(value) }?.to_bytes();
        set(key, value, if replace == 0 { Old::Stays } else { Old::Goes })
    }))
}

/// What becomes of a value that is there already.
#[derive(PartialEq, Eq)]
enum Old {
    Stays,
    Goes,
}

fn set(key: &[u8], value: &[u8], old: Old) -> Result<()> {
    let mut own = OWN.lock();
    let found = find(list(), key);
    if found.is_some() && old == Old::Stays {
        return Ok(());
    }
    let text = join(key, value)?;
    let index = found.map_or_else(|| count(list()), |(index, _)| index);
    let list = own.make_room(index)?;
    // The old text stays: someone may still hold what `getenv` gave.
    // SAFETY: `make_room` left room for the entry and, behind a new one, for the null.
    unsafe {
        if found.is_none() {
            *list.add(index.saturating_add(1)) = ptr::null_mut();
        }
        *list.add(index) = text;
    }
    Ok(())
}

/// `key=value` as a new string.
fn join(key: &[u8], value: &[u8]) -> Result<*mut c_char> {
    let length = key.len().saturating_add(value.len()).saturating_add(2);
    let block = malloc::allocate(length).ok_or(ENOMEM)?;
    // SAFETY: the block is new and that long.
    let text = unsafe { core::slice::from_raw_parts_mut(block.as_ptr(), length) };
    let parts = key.iter().chain(b"=").chain(value).chain(b"\0");
    for (to, from) in text.iter_mut().zip(parts) {
        *to = *from;
    }
    Ok(block.as_ptr().cast())
}

impl Own {
    /// The current list with room for an entry at `index` and a null after it.
    fn make_room(&mut self, index: usize) -> Result<List> {
        let now = list();
        let needed = index.saturating_add(2);
        if ptr::eq(now, self.list) && needed <= self.room {
            return Ok(now);
        }
        let used = count(now);
        let room = needed.max(used.saturating_add(2)).saturating_mul(2);
        let bytes = room.saturating_mul(size_of::<*mut c_char>());
        let new: List = malloc::allocate(bytes).ok_or(ENOMEM)?.cast().as_ptr();
        // SAFETY: the block holds `room` entries, more than the old list.
        unsafe {
            if used > 0 {
                new.copy_from_nonoverlapping(now, used);
            }
            *new.add(used) = ptr::null_mut();
        }
        // A list of ours that no one uses any more goes; one that `environ` was swapped away
        // from may come back, as `std` does around exec, and stays.
        if ptr::eq(now, self.list) {
            // SAFETY: allocated here; `environ` names the new one from now on.
            unsafe { malloc::free(self.list.cast()) };
        }
        *self = Self { list: new, room };
        environ.store(new, Ordering::Relaxed);
        Ok(new)
    }
}

/// POSIX `unsetenv`.
#[unsafe(no_mangle)]
unsafe extern "C" fn unsetenv(key: *const c_char) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { name(key) }.map(|key| {
        let _own = OWN.lock();
        let list = list();
        while let Some((index, _)) = find(list, key) {
            for at in index..count(list) {
                // SAFETY: within the list; its null moves down too.
                unsafe { *list.add(at) = *list.add(at.wrapping_add(1)) };
            }
        }
    }))
}

/// BSD `clearenv`.
#[unsafe(no_mangle)]
extern "C" fn clearenv() -> c_int {
    let _own = OWN.lock();
    environ.store(ptr::null_mut(), Ordering::Relaxed);
    0
}
