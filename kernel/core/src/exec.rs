//! Loading ELF64 programs by their header and program headers; every number is checked.
//!
//! Format: System V ABI, chapter 4 and 5; layouts by `goblin`. Nothing else of a file is read.

use goblin::elf64::header::{EM_X86_64, ET_DYN, ET_EXEC, Header};
use goblin::elf64::program_header::{PT_LOAD, ProgramHeader};
use plain::Plain;

use crate::prelude::*;

/// Most program headers that a file may have.
const MAX_HEADERS: u16 = 64;
/// Bytes of the largest header.
const LARGEST: usize = size_of::<Header>();
/// Where position-independent programs are put.
const DYNAMIC_BASE: u64 = 0x5555_5555_0000;

/// Reads a header of the file.
///
/// # Errors
///
/// `ENOEXEC`: it is not in it, or not readable.
fn read<T: Plain + Default>(memory: &mut Memory<impl Machine>, file: Window, at: u64) -> Result<T> {
    let (mut raw, mut header) = ([0; LARGEST], T::default());
    let raw = raw.get_mut(..size_of::<T>()).ok_or(ENOEXEC)?;
    let part = file.part(at, wide(raw.len())).ok_or(ENOEXEC)?;
    memory.load(part, raw).map_err(|_errno| ENOEXEC)?;
    plain::copy_from_bytes(&mut header, raw).map_err(|_short| ENOEXEC)?;
    Ok(header)
}

/// Maps a program's segments; gives its entry.
///
/// # Errors
///
/// `ENOEXEC`: not a static ELF64 for x86-64, or numbers in it contradict each other;
/// `ENOMEM`. The space is to be dropped then.
pub(crate) fn load(
    memory: &mut Memory<impl Machine>,
    space: &mut Space,
    file: Window,
) -> Result<u64> {
    let header: Header = read(memory, file, 0)?;
    // 64-bit, little-endian, version 1.
    let known = header.e_ident.starts_with(b"\x7fELF\x02\x01\x01")
        && matches!(header.e_type, ET_EXEC | ET_DYN)
        && header.e_machine == EM_X86_64
        && usize::from(header.e_phentsize) == size_of::<ProgramHeader>()
        && (1..=MAX_HEADERS).contains(&header.e_phnum);
    if !known {
        return Err(ENOEXEC);
    }
    let base = if header.e_type == ET_DYN { DYNAMIC_BASE } else { 0 };
    for number in 0..header.e_phnum {
        let skipped = u64::from(number).saturating_mul(wide(size_of::<ProgramHeader>()));
        let at = header.e_phoff.checked_add(skipped).ok_or(ENOEXEC)?;
        let segment: ProgramHeader = read(memory, file, at)?;
        if segment.p_type == PT_LOAD && segment.p_memsz != 0 {
            load_segment(memory, space, file, &segment, base)?;
        }
    }
    let entry = header.e_entry.checked_add(base).ok_or(ENOEXEC)?;
    let runs =
        space.find(entry >> 12).is_some_and(|region| region.flags.contains(MapFlags::EXECUTE));
    if runs { Ok(entry) } else { Err(ENOEXEC) }
}

fn load_segment(
    memory: &mut Memory<impl Machine>,
    space: &mut Space,
    file: Window,
    segment: &ProgramHeader,
    base: u64,
) -> Result<()> {
    let start = segment.p_vaddr.checked_add(base).ok_or(ENOEXEC)?;
    let end = start.checked_add(segment.p_memsz).ok_or(ENOEXEC)?;
    let file_end = segment.p_offset.checked_add(segment.p_filesz).ok_or(ENOEXEC)?;
    let lead = start & 0xFFF;
    if segment.p_filesz > segment.p_memsz
        || segment.p_offset & 0xFFF != lead
        || file_end > file.bytes
        || start < USER_START
        || end > USER_END
        || file.offset & 0xFFF != 0
    {
        return Err(ENOEXEC);
    }
    // The bits mean the same here as to `fmap`, but for where they are.
    let access = u64::from(segment.p_flags & 7) << 16;
    let access = MapFlags::asked(access).map_err(|_both| ENOEXEC)?;
    // Of the file, the first page begins at its own beginning; pages beyond it are zeroed.
    let offset = file.offset.checked_add(segment.p_offset & !0xFFF).ok_or(ENOEXEC)?;
    let bytes = segment.p_filesz.checked_add(lead).ok_or(ENOEXEC)?;
    let content = Some(Window { object: file.object, offset, bytes });
    let pages = (start >> 12, end.div_ceil(PAGE));
    let mapped = space.map(memory, Region::new(pages, access, content));
    mapped.map_err(|errno| if errno == ENOMEM { errno } else { ENOEXEC })
}
