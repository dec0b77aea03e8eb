//! Loads a kernel: an ELF64 static PIE whose every number has been checked.
//!
//! [`Plan::new`] looks at the file only and refuses; [`Plan::load`] copies the segments into an
//! image and relocates it. Only `R_X86_64_RELATIVE` is known: that is all a static PIE in Rust
//! needs.

use crate::PAGE;
use crate::regions::{round_down, round_up};
use core::fmt;
use goblin::elf64::dynamic::{
    DT_JMPREL, DT_NEEDED, DT_NULL, DT_REL, DT_RELA, DT_RELAENT, DT_RELASZ, DT_TEXTREL, Dyn,
};
use goblin::elf64::header::{
    EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2LSB, ELFMAG, EM_X86_64, ET_DYN, Header,
};
use goblin::elf64::program_header::{
    PF_W, PF_X, PT_DYNAMIC, PT_GNU_RELRO, PT_INTERP, PT_LOAD, PT_TLS, ProgramHeader,
};
use goblin::elf64::reloc::{R_X86_64_NONE, R_X86_64_RELATIVE, Rela, r_type};
use plain::Plain;

/// Most program headers that are looked at.
const MAX_HEADERS: u64 = 64;
/// Largest image.
pub const MAX_IMAGE: u64 = 512 * 1024 * 1024;
/// `DT_RELR`, which goblin does not name: packed relocations.
const DT_RELR: u64 = 36;

/// Bytes of a program header, of a `Rela` and of a `Dyn`.
const PHDR: u64 = 56;
const RELA: u64 = 24;
const DYN: u64 = 16;

/// Why a file is not a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// Not a 64-bit x86 ELF file.
    Kind,
    /// Not position independent.
    Fixed,
    /// A program header lies outside the file, or a number in it is wrong.
    Header,
    /// Segments overlap, share a page or are too many.
    Layout,
    /// A segment is writable and executable.
    WritableCode,
    /// It asks for an interpreter, a library or thread-local storage.
    Dynamic,
    /// A relocation is of another kind or points outside the image.
    Relocation,
    /// The entry is not in an executable segment.
    Entry,
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "it is not an ELF file for x86-64",
            Self::Fixed => "it is not position independent",
            Self::Header => "its program headers are damaged",
            Self::Layout => "its segments share pages or are too many",
            Self::WritableCode => "a segment is writable and executable",
            Self::Dynamic => "it asks for an interpreter, a library or thread-local storage",
            Self::Relocation => "a relocation is not supported",
            Self::Entry => "its entry is not code",
        })
    }
}

/// A part of the image with one set of rights, in whole pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// First byte, from the image's begin.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
}

/// A loadable part of the file, checked.
struct Load {
    pages: Segment,
    /// Where the bytes go, from the image's begin.
    to: u64,
    /// Where they lie in the file.
    from: u64,
    /// How many there are.
    len: u64,
}

/// A kernel that has been checked and can be loaded.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    file: &'a [u8],
    /// Where the program headers lie, and how many.
    headers: u64,
    count: u64,
    /// What becomes read-only after relocation: begin and end, in the file's own addresses.
    relro: (u64, u64),
    /// Offset of the dynamic section in the file, and its length.
    dynamic: Option<(u64, u64)>,
    /// Address of the first segment's page, in the file's own addresses.
    base: Option<u64>,
    entry: u64,
    span: u64,
}

impl fmt::Debug for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("span", &self.span)
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}

/// The `T` at `offset`, wherever it is aligned.
fn read<T: Plain + Default>(bytes: &[u8], offset: u64) -> Option<T> {
    let mut value = T::default();
    let bytes = bytes.get(usize::try_from(offset).ok()?..)?;
    plain::copy_from_bytes(&mut value, bytes).ok()?;
    Some(value)
}

/// The `len` bytes at `start`.
fn range(bytes: &[u8], start: u64, len: u64) -> Option<&[u8]> {
    let end = start.checked_add(len)?;
    bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

impl Load {
    /// Checks a `PT_LOAD` of `file`, whose first segment's page is at `base`.
    fn new(header: &ProgramHeader, file: &[u8], base: u64) -> Result<Self, ElfError> {
        range(file, header.p_offset, header.p_filesz).ok_or(ElfError::Header)?;
        (header.p_filesz <= header.p_memsz).then_some(()).ok_or(ElfError::Header)?;
        let to = header.p_vaddr.checked_sub(base).ok_or(ElfError::Layout)?;
        let end = to.checked_add(header.p_memsz).and_then(|end| end.checked_next_multiple_of(PAGE));
        let end = end.filter(|&end| end <= MAX_IMAGE).ok_or(ElfError::Layout)?;
        let write = header.p_flags & PF_W != 0;
        let execute = header.p_flags & PF_X != 0;
        (!(write && execute)).then_some(()).ok_or(ElfError::WritableCode)?;
        let pages = Segment { start: round_down(to, PAGE), end, write, execute };
        Ok(Self { pages, to, from: header.p_offset, len: header.p_filesz })
    }
}

impl<'a> Plan<'a> {
    /// Checks `file`.
    ///
    /// # Errors
    ///
    /// Each of [`ElfError`] but for faults in the relocations, which [`Self::load`] finds.
    pub fn new(file: &'a [u8]) -> Result<Self, ElfError> {
        let header: Header = read(file, 0).ok_or(ElfError::Kind)?;
        let ident = |index: usize| header.e_ident.get(index).copied();
        let kind = header.e_ident.starts_with(ELFMAG)
            && ident(EI_CLASS) == Some(ELFCLASS64)
            && ident(EI_DATA) == Some(ELFDATA2LSB)
            && header.e_machine == EM_X86_64;
        kind.then_some(()).ok_or(ElfError::Kind)?;
        (header.e_type == ET_DYN).then_some(()).ok_or(ElfError::Fixed)?;
        let (headers, count) = (header.e_phoff, u64::from(header.e_phnum));
        let sound = u64::from(header.e_phentsize) == PHDR && (1..=MAX_HEADERS).contains(&count);
        sound.then_some(()).ok_or(ElfError::Header)?;
        let (relro, dynamic, base) = ((0, 0), None, None);
        let mut plan = Self { file, headers, count, relro, dynamic, base, entry: 0, span: 0 };
        for index in 0..count {
            let header = plan.header(index).ok_or(ElfError::Header)?;
            plan.add(&header)?;
        }
        plan.entry =
            plan.base.and_then(|base| header.e_entry.checked_sub(base)).ok_or(ElfError::Entry)?;
        let code = |segment: Segment| {
            segment.execute && (segment.start..segment.end).contains(&plan.entry)
        };
        plan.segments().any(code).then_some(plan).ok_or(ElfError::Entry)
    }

    /// Program header `index`.
    fn header(&self, index: u64) -> Option<ProgramHeader> {
        read(self.file, index.checked_mul(PHDR)?.checked_add(self.headers)?)
    }

    /// Takes one program header in.
    fn add(&mut self, header: &ProgramHeader) -> Result<(), ElfError> {
        match header.p_type {
            PT_LOAD if header.p_memsz > 0 => {
                let base = *self.base.get_or_insert(round_down(header.p_vaddr, PAGE));
                let pages = Load::new(header, self.file, base)?.pages;
                // In ascending order, so that none shares a page with another.
                (pages.start >= self.span).then_some(()).ok_or(ElfError::Layout)?;
                self.span = pages.end;
            }
            PT_DYNAMIC => {
                range(self.file, header.p_offset, header.p_filesz).ok_or(ElfError::Header)?;
                self.dynamic = Some((header.p_offset, header.p_filesz));
            }
            PT_GNU_RELRO => {
                let end = header.p_vaddr.checked_add(header.p_memsz).ok_or(ElfError::Header)?;
                self.relro = (header.p_vaddr, end);
            }
            PT_INTERP => return Err(ElfError::Dynamic),
            PT_TLS if header.p_memsz > 0 => return Err(ElfError::Dynamic),
            _ => {}
        }
        Ok(())
    }

    /// The loadable parts, which [`Self::new`] has checked.
    fn loads(&self) -> impl Iterator<Item = Load> + '_ {
        let headers = (0..self.count).filter_map(|index| self.header(index));
        let loads = headers.filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0);
        loads.filter_map(|header| Load::new(&header, self.file, self.base?).ok())
    }

    /// Bytes of the image, in whole pages.
    #[must_use]
    pub const fn span(&self) -> u64 {
        self.span
    }

    /// The address that the file gives to the image's begin.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base.unwrap_or(0)
    }

    /// The entry, from the image's begin.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.entry
    }

    /// The segments, ascending; what must not change once it is relocated is read-only.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let base = self.base.unwrap_or(0);
        let (from, to) = (self.relro.0.saturating_sub(base), self.relro.1.saturating_sub(base));
        self.loads().flat_map(move |load| {
            // Before, inside and behind the read-only part; empty ones fall out. Where that part
            // begins with the segment, the rest of the first page is nobody's.
            let all = load.pages;
            let first = if from <= load.to { all.start } else { round_up(from, PAGE) };
            let last = round_down(to, PAGE);
            let start = first.clamp(all.start, all.end);
            let end = last.clamp(start, all.end);
            let before = Segment { end: start, ..all };
            let frozen = Segment { start, end, write: false, ..all };
            let behind = Segment { start: end, ..all };
            [before, frozen, behind].into_iter().filter(|part| part.start < part.end)
        })
    }

    /// Copies the segments into `image`, which is zeroed and `span` bytes long, and relocates it to
    /// run at `at`.
    ///
    /// # Errors
    ///
    /// `Relocation`; the image is then useless. `Header` if it is too short.
    pub fn load(&self, image: &mut [u8], at: u64) -> Result<(), ElfError> {
        for load in self.loads() {
            let from = range(self.file, load.from, load.len).ok_or(ElfError::Header)?;
            let end = load.to.checked_add(load.len).and_then(|end| usize::try_from(end).ok());
            let start = usize::try_from(load.to).ok();
            let to = start.zip(end).and_then(|(start, end)| image.get_mut(start..end));
            to.ok_or(ElfError::Header)?.copy_from_slice(from);
        }
        let Some((offset, len)) = self.relocations()? else { return Ok(()) };
        let table = self.in_file(offset, len).ok_or(ElfError::Relocation)?;
        let count = len.checked_div(RELA).unwrap_or(0);
        for index in 0..count {
            let rela = index
                .checked_mul(RELA)
                .and_then(|at| read::<Rela>(table, at))
                .ok_or(ElfError::Relocation)?;
            match r_type(rela.r_info) {
                R_X86_64_NONE => {}
                R_X86_64_RELATIVE => self.relocate(image, &rela, at).ok_or(ElfError::Relocation)?,
                _ => return Err(ElfError::Relocation),
            }
        }
        Ok(())
    }

    /// Applies one `R_X86_64_RELATIVE`.
    fn relocate(&self, image: &mut [u8], rela: &Rela, at: u64) -> Option<()> {
        let place = rela.r_offset.checked_sub(self.base?)?;
        let end = place.checked_add(8)?;
        let target = u64::try_from(rela.r_addend).ok()?.checked_sub(self.base?)?;
        let inside = |load: Load| load.pages.start <= place && end <= load.pages.end;
        // A pointer may point just behind the last object.
        let known = target <= self.span && self.loads().any(inside);
        let value = at.checked_add(target).filter(|_| known)?;
        let word = image.get_mut(usize::try_from(place).ok()?..usize::try_from(end).ok()?)?;
        word.copy_from_slice(&value.to_le_bytes());
        Some(())
    }

    /// Address and length of the relocation table, if there is one.
    fn relocations(&self) -> Result<Option<(u64, u64)>, ElfError> {
        let Some((offset, len)) = self.dynamic else { return Ok(None) };
        let table = range(self.file, offset, len).ok_or(ElfError::Header)?;
        let (mut address, mut size, mut entry) = (None, 0, RELA);
        for index in 0..len.checked_div(DYN).unwrap_or(0) {
            let item: Dyn =
                index.checked_mul(DYN).and_then(|at| read(table, at)).ok_or(ElfError::Header)?;
            match item.d_tag {
                DT_NULL => break,
                DT_RELA => address = Some(item.d_val),
                DT_RELASZ => size = item.d_val,
                DT_RELAENT => entry = item.d_val,
                DT_NEEDED => return Err(ElfError::Dynamic),
                DT_REL | DT_JMPREL | DT_RELR | DT_TEXTREL => return Err(ElfError::Relocation),
                _ => {}
            }
        }
        let sound = entry == RELA && size.is_multiple_of(RELA);
        sound
            .then_some(address.map(|address| (address, size)).filter(|_| size > 0))
            .ok_or(ElfError::Relocation)
    }

    /// The file's bytes for `len` bytes at `address`, which lie in one segment.
    fn in_file(&self, address: u64, len: u64) -> Option<&'a [u8]> {
        let at = address.checked_sub(self.base?)?;
        let end = at.checked_add(len)?;
        let holds = |load: &Load| {
            load.to <= at && load.to.checked_add(load.len).is_some_and(|last| end <= last)
        };
        let load = self.loads().find(holds)?;
        range(self.file, load.from.checked_add(at.checked_sub(load.to)?)?, len)
    }
}

#[cfg(test)]
pub(crate) mod tests;
