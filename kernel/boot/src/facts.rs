//! What only the firmware's side knows, and the texts that are made of it.

use crate::field::{Text, put};
use crate::gpt::Partition;
use anode_abi::args::{ABI_VERSION, MAGIC};
use anode_abi::number::NONE;
use core::fmt::{self, Write};

/// Bytes of the header of init's args object.
const HEADER: usize = size_of::<anode_abi::args::Header>();

/// How the machine was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootMethod {
    /// By a PC BIOS.
    #[default]
    Bios,
    /// By UEFI firmware.
    Uefi,
}

/// One colour of a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// Lowest bit within the pixel.
    pub position: u8,
    /// Number of bits.
    pub size: u8,
}

/// The firmware's linear framebuffer; `phys` is 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framebuffer {
    /// First byte, physical; it is not RAM.
    pub phys: u64,
    /// Length in bytes: at least `pitch * height`.
    pub len: u64,
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bytes from one line to the next.
    pub pitch: u32,
    /// Bits of a pixel, a multiple of 8.
    pub bits_per_pixel: u32,
    /// Where red is.
    pub red: Channel,
    /// Where green is.
    pub green: Channel,
    /// Where blue is.
    pub blue: Channel,
}

/// What only the firmware's side knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Who started the loader.
    pub method: BootMethod,
    /// Time stamp counter when the loader began.
    pub tsc_start: u64,
    /// The root pointer of ACPI, physical, or 0.
    pub rsdp: u64,
    /// The SMBIOS entry point, physical, or 0.
    pub smbios: u64,
    /// UEFI's system table, physical, or 0.
    pub efi_system_table: u64,
    /// A free page below 640 KiB, or 0.
    pub low_page: u64,
    /// Seconds since 1970, or 0.
    pub wall_seconds: u64,
    /// The screen.
    pub framebuffer: Framebuffer,
    /// Randomness.
    pub seed: [u64; 4],
}

/// Which slot was booted, and from where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) slot: u32,
    pub(crate) generation: u64,
    pub(crate) tries_left: u32,
    pub(crate) partition: Partition,
}

impl Facts {
    /// Writes the text of `sys:boot`.
    pub(crate) fn write(&self, origin: &Origin, to: &mut impl Write) -> fmt::Result {
        let method = match self.method {
            BootMethod::Bios => 1,
            BootMethod::Uefi => 2,
        };
        let Origin { slot, generation, tries_left, partition } = origin;
        writeln!(to, "method {method}\nslot {slot}\ngeneration {generation}\ntries {tries_left}")?;
        writeln!(to, "partition {:032x}", u128::from_be_bytes(partition.guid))?;
        writeln!(to, "disk {:032x}", u128::from_be_bytes(partition.disk))?;
        writeln!(to, "rsdp {:#x}\nsmbios {:#x}", self.rsdp, self.smbios)?;
        writeln!(to, "efi {:#x}", self.efi_system_table)?;
        let Framebuffer { phys, width, height, pitch, bits_per_pixel, red, green, blue, .. } =
            self.framebuffer;
        write!(to, "framebuffer {phys:#x} {width} {height} {pitch} {bits_per_pixel}")?;
        writeln!(to, " {} {} {}", red.position, green.position, blue.position)
    }
}

/// The words of a command line; it ends at the first byte that is not UTF-8.
fn words(line: &[u8]) -> impl Iterator<Item = &str> {
    let text = line.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    text.split_ascii_whitespace()
}

/// How much of the log is wanted: the last `log=…` of the command line, else everything but debug
/// and trace.
pub(crate) fn log_level(line: &[u8]) -> u32 {
    let value = words(line).filter_map(|word| word.strip_prefix("log=")).last();
    let names = ["off", "error", "warn", "info", "debug", "trace"];
    let level = names.iter().position(|name| Some(*name) == value).unwrap_or(3);
    u32::try_from(level).unwrap_or(0)
}

/// Makes init's args object in `page`: its name as the one argument, `name=value` words of the
/// command line as its environment. Gives its length.
pub(crate) fn write_args(line: &[u8], page: &mut [u8]) -> u64 {
    let mut envc = 0_u64;
    let mut body = Text::new(page.get_mut(HEADER..).unwrap_or_default());
    body.push("/sbin/init\0");
    let env = body.len();
    for word in words(line).filter(|word| word.contains('=')) {
        if body.push(word) && body.push("\0") {
            envc = envc.saturating_add(1);
        }
    }
    let cwd = body.len();
    body.push("/\0");
    let start = u64::try_from(HEADER).unwrap_or(0);
    let at = |offset: u64| start.saturating_add(offset);
    let (bytes, none) = (at(body.len()), u64::try_from(NONE).unwrap_or(u64::MAX));
    let header = [MAGIC, ABI_VERSION, bytes, 1, at(0), envc, at(env), at(cwd), none, 0o22];
    for (word, place) in header.iter().zip((0..).step_by(8)) {
        put(page, place, &word.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Facts, Framebuffer, Origin, log_level, write_args};
    use crate::field::u64_at;
    use crate::gpt::Partition;
    use std::string::String;

    #[test]
    fn options_are_whole_words_and_the_last_value_counts() {
        assert_eq!(log_level(b"nokaslr log=warn  log=debug logo=off"), 4);
        assert_eq!(log_level(b"xlog=warn"), 3);
        assert_eq!(log_level(b"log=nonsense"), 3);
        assert_eq!(log_level(b"log=off \xff log=trace"), 0);
    }

    #[test]
    fn init_gets_its_name_and_the_settings_of_the_command_line() {
        let mut page = [0; 4096];

        let len = write_args(b"nokaslr log=warn a=b \xff c=d", &mut page);

        let text = |word: usize| {
            let at = usize::try_from(u64_at(&page, word * 8).unwrap()).unwrap();
            String::from_utf8_lossy(&page[at..usize::try_from(len).unwrap()]).into_owned()
        };
        assert_eq!(&page[..8], b"ANODEARG");
        assert_eq!(u64_at(&page, 16), Some(len));
        assert_eq!((u64_at(&page, 24), u64_at(&page, 40)), (Some(1), Some(2)));
        assert_eq!(text(4), "/sbin/init\0log=warn\0a=b\0/\0");
        assert_eq!(text(6), "log=warn\0a=b\0/\0");
        assert_eq!(text(7), "/\0");
        assert_eq!(u64_at(&page, 72), Some(0o22));
    }

    #[test]
    fn every_fact_is_a_line_of_its_own() {
        let facts = Facts {
            rsdp: 0xf_5ad0,
            framebuffer: Framebuffer { phys: 0xfd00_0000, width: 1280, ..Framebuffer::default() },
            ..Facts::default()
        };
        let partition = Partition { first: 1, sectors: 2, guid: [0x11; 16], disk: [0x22; 16] };
        let origin = Origin { slot: 1, generation: 7, tries_left: 3, partition };
        let mut text = String::new();

        facts.write(&origin, &mut text).unwrap();

        let lines: std::vec::Vec<_> = text.lines().collect();
        assert_eq!(lines[..4], ["method 1", "slot 1", "generation 7", "tries 3"]);
        assert!(lines.contains(&"rsdp 0xf5ad0"));
        assert!(lines.contains(&"disk 22222222222222222222222222222222"));
        assert_eq!(lines.last(), Some(&"framebuffer 0xfd000000 1280 0 0 0 0 0 0"));
    }
}
