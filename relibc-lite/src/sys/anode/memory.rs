//! Mappings.

use super::raw::call;
use crate::c::word;
use crate::sys::Commit;
use anode_abi::number::{NONE, SYS_FMAP, SYS_FUNMAP, SYS_MPROTECT};
use core::ffi::c_int;
use relibc_core::consts::{
    MAP_ANON, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PAGE, PROT_READ, PROT_WRITE,
};
use relibc_core::errno::{EINVAL, ENODEV, ENOMEM, Result};

/// The kernel's `Map`, of 32 bytes.
#[repr(C)]
struct Map {
    offset: usize,
    size: usize,
    flags: usize,
    address: usize,
}

/// No memory is committed until it is touched.
const LAZY: usize = 0x10;

/// Protection stands 16 bits up in the kernel's flags.
fn prot_bits(prot: c_int) -> usize {
    word(prot) << 16
}

/// # Safety
///
/// With `MAP_FIXED`, what lies in the range may go.
unsafe fn fmap(fd: usize, map: &Map) -> Result<*mut u8> {
    // SAFETY: the caller's promise; the struct is the kernel's own.
    let start = unsafe { call(SYS_FMAP, [fd, core::ptr::from_ref(map).addr(), size_of::<Map>()]) }?;
    Ok(core::ptr::with_exposed_provenance_mut(start))
}

fn whole_pages(length: usize) -> Result<usize> {
    length.checked_next_multiple_of(PAGE).ok_or(ENOMEM)
}

/// Maps memory or a file.
///
/// # Safety
///
/// With `MAP_FIXED`, what lies in the range may go.
pub(crate) unsafe fn map(
    address: usize,
    length: usize,
    prot: c_int,
    flags: c_int,
    (fd, offset): (c_int, i64),
) -> Result<*mut u8> {
    let kept = flags & (MAP_SHARED | MAP_PRIVATE | MAP_FIXED);
    let lazy = if prot == 0 { LAZY } else { 0 };
    let request = Map {
        offset: usize::try_from(offset).ok().ok_or(EINVAL)?,
        size: whole_pages(length)?,
        flags: word(kept) | prot_bits(prot) | lazy,
        address: if flags & MAP_FIXED == 0 { 0 } else { address },
    };
    if flags & MAP_ANON != 0 {
        // SAFETY: the caller's promise.
        return unsafe { fmap(NONE, &Map { offset: 0, ..request }) };
    }
    // SAFETY: the caller's promise.
    match unsafe { fmap(word(fd), &request) } {
        // Nothing that could be mapped lies behind the handle: a private copy does for all but
        // a shared mapping that is written to.
        Err(ENODEV) if flags & MAP_PRIVATE != 0 || prot & PROT_WRITE == 0 => {
            // SAFETY: the caller's promise.
            unsafe { copy(request, prot, (fd, offset)) }
        }
        result => result,
    }
}

/// Reads a file into memory of its own.
///
/// # Safety
///
/// As [`map`].
unsafe fn copy(request: Map, prot: c_int, (fd, offset): (c_int, i64)) -> Result<*mut u8> {
    let fixed = request.flags & word(MAP_FIXED);
    let flags = fixed | word(MAP_PRIVATE) | prot_bits(PROT_READ | PROT_WRITE);
    let size = request.size;
    // SAFETY: the caller's promise.
    let start = unsafe { fmap(NONE, &Map { offset: 0, flags, ..request }) }?;
    // SAFETY: the mapping is `size` bytes and ours.
    let read = unsafe { fill(start, size, (fd, offset)) }.and_then(|()| {
        // SAFETY: nobody has it yet.
        unsafe { protect(start.addr(), size, prot) }
    });
    read.map(|()| start).inspect_err(|_| {
        // SAFETY: nobody has it.
        let _gone = unsafe { unmap(start.addr(), size) };
    })
}

/// Reads as much of the file as there is, at most `size` bytes.
///
/// # Safety
///
/// `to` is valid for writes of `size` bytes.
pub(super) unsafe fn fill(to: *mut u8, size: usize, (fd, offset): (c_int, i64)) -> Result<()> {
    let mut done = 0_usize;
    while done < size {
        let at =
            i64::try_from(done).ok().and_then(|done| offset.checked_add(done)).ok_or(EINVAL)?;
        let left = size.saturating_sub(done);
        // SAFETY: the caller's promise: `done` bytes of `size` are filled.
        match unsafe { super::pread(fd, to.wrapping_add(done), left, at) }? {
            0 => break,
            more => done = done.saturating_add(more),
        }
    }
    Ok(())
}

/// Fresh zeroed memory, readable and writable.
pub(crate) fn map_anonymous(length: usize, commit: Commit) -> Result<*mut u8> {
    let flags = word(MAP_PRIVATE) | prot_bits(PROT_READ | PROT_WRITE);
    let flags = if commit == Commit::Lazy { flags | LAZY } else { flags };
    let request = Map { offset: 0, size: whole_pages(length)?, flags, address: 0 };
    // SAFETY: a new mapping overlaps nothing.
    unsafe { fmap(NONE, &request) }
}

/// Maps all of a memory object, shared, to write to it.
pub(super) fn map_object(fd: c_int, size: usize) -> Result<*mut u8> {
    let flags = word(MAP_SHARED) | prot_bits(PROT_READ | PROT_WRITE);
    let request = Map { offset: 0, size: whole_pages(size)?, flags, address: 0 };
    // SAFETY: a new mapping overlaps nothing.
    unsafe { fmap(word(fd), &request) }
}

/// # Safety
///
/// Nothing uses the range any more.
pub(crate) unsafe fn unmap(address: usize, length: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { call(SYS_FUNMAP, [address, whole_pages(length)?]) }.map(drop)
}

/// # Safety
///
/// Whoever uses the range can do with the new protection.
pub(crate) unsafe fn protect(address: usize, length: usize, prot: c_int) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { call(SYS_MPROTECT, [address, whole_pages(length)?, prot_bits(prot)]) }.map(drop)
}

/// Shared writable mappings are of memory objects only, and those are always in step.
///
/// # Safety
///
/// None is needed; the signature is that of the seam.
pub(crate) unsafe fn sync(_address: usize, _length: usize, _flags: c_int) -> Result<()> {
    Ok(())
}

/// Advice that the kernel has no use for.
///
/// # Safety
///
/// None is needed; the signature is that of the seam.
pub(crate) unsafe fn advise(_address: usize, _length: usize, advice: c_int) -> Result<()> {
    if (0..=4).contains(&advice) { Ok(()) } else { Err(EINVAL) }
}
