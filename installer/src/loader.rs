//! Cuts the BIOS loader's ELF file into boot sector and stage 2.

use crate::plan::Part;
use crate::{Error, SECTOR};
use goblin::elf64::header::{ELFMAG, Header};
use goblin::elf64::program_header::{PT_LOAD, ProgramHeader};
use plain::Plain;

/// Where the two parts run, by which they are known.
const SECTOR_ADDRESS: u64 = 0x7c00;
const STAGE2_ADDRESS: u64 = 0x8000;
/// Where in the boot sector the first sector of stage 2 (eight bytes) and their number (two) are
/// written.
const PATCH: usize = 0x1a0;
/// What stage 2 has at byte 8.
const MAGIC: &[u8] = b"ANODEST2";

/// The BIOS loader, ready for the disk.
#[derive(Debug)]
pub(crate) struct BiosLoader {
    /// The boot sector's code, which knows where stage 2 lies.
    pub(crate) sector: [u8; 440],
    /// Stage 2, in whole sectors.
    pub(crate) stage2: Vec<u8>,
}

fn read<T: Plain + Default>(bytes: &[u8], offset: u64) -> Option<T> {
    let mut value = T::default();
    plain::copy_from_bytes(&mut value, bytes.get(usize::try_from(offset).ok()?..)?).ok()?;
    Some(value)
}

/// The bytes of the segment at `address`.
fn segment(file: &[u8], header: &Header, address: u64) -> Option<Vec<u8>> {
    let headers = (0..u64::from(header.e_phnum)).filter_map(|index| {
        let offset =
            index.checked_mul(u64::from(header.e_phentsize))?.checked_add(header.e_phoff)?;
        read::<ProgramHeader>(file, offset)
    });
    let mut found =
        headers.filter(|segment| segment.p_type == PT_LOAD && segment.p_paddr == address);
    let segment = found.next()?;
    let end = segment.p_offset.checked_add(segment.p_filesz)?;
    let bytes = file.get(usize::try_from(segment.p_offset).ok()?..usize::try_from(end).ok()?)?;
    Some(bytes.to_vec())
}

impl BiosLoader {
    /// Cuts `file` for a stage 2 that will lie at the start of `place`.
    pub(crate) fn cut(file: &[u8], place: Part) -> Result<Self, Error> {
        let header: Header = read(file, 0).ok_or(Error::Missing("BIOS loader"))?;
        header
            .e_ident
            .starts_with(ELFMAG)
            .then_some(())
            .ok_or(Error::Loader("it is not an ELF file"))?;
        let sector =
            segment(file, &header, SECTOR_ADDRESS).ok_or(Error::Loader("it has no boot sector"))?;
        let mut stage2 = segment(file, &header, STAGE2_ADDRESS)
            .ok_or(Error::Loader("it has no second stage"))?;
        let magic = stage2.get(8..).is_some_and(|bytes| bytes.starts_with(MAGIC));
        magic.then_some(()).ok_or(Error::Loader("its second stage is another one"))?;
        let mut sector: [u8; 440] = sector
            .try_into()
            .map_err(|_other| Error::Loader("its boot sector has another length"))?;

        let bytes = u64::try_from(stage2.len()).unwrap_or(u64::MAX).next_multiple_of(SECTOR);
        let too_large = Error::TooLarge { what: "BIOS loader", bytes, room: place.len };
        let count = (bytes <= place.len).then_some(bytes.checked_div(SECTOR)).flatten();
        let count = count.and_then(|count| u16::try_from(count).ok()).ok_or(too_large)?;
        stage2.resize(usize::from(count).saturating_mul(512), 0);
        let first = place.start.checked_div(SECTOR).unwrap_or(0);
        let patch = first.to_le_bytes().into_iter().chain(count.to_le_bytes());
        sector.iter_mut().skip(PATCH).zip(patch).for_each(|(to, from)| *to = from);
        Ok(Self { sector, stage2 })
    }
}
