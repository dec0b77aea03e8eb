//! What the loader tells the kernel: one [`BootInfo`], in memory that the kernel may keep.
//!
//! The kernel's entry is `extern "sysv64" fn _start(boot: &'static BootInfo) -> !`, reached in
//! 64-bit mode with
//!
//! - IF = 0, DF = 0, CR0.WP = 1, and EFER.NXE = 1 where the CPU has it; no handler is installed in
//!   the IDT, and the GDT is the loader's or the firmware's;
//! - RSP in a 64 KiB stack ([`BootInfo::stack_top`]), aligned as after a call; RBP = 0, return
//!   address 0;
//! - CR3 = [`BootInfo::cr3`]: the kernel's segments in 4 KiB pages, none of them writable and
//!   executable; the direct map at [`BootInfo::hhdm`] over the first 4 GiB and over all RAM above it,
//!   writable, never executable; and, to be dropped, two identity pages of the loader in the lower
//!   half. The direct map is in huge pages and write-back even where devices lie, so it is good
//!   enough only to get started: the kernel builds its own tables.
//!
//! Every address named `…phys` is physical; `hhdm + phys` reaches it. All of the loader's own
//! memory is [`RegionKind::LOADER`] and may be reused as soon as the kernel has its own tables,
//! stack and copy of this struct.

use core::fmt;

/// First word of every [`BootInfo`]: "ANODEBI" and a zero, little endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"ANODEBI\0");
/// Version of the layout below; a kernel refuses any other.
pub const VERSION: u32 = 1;
/// Capacity of [`BootInfo::region_table`].
pub const MAX_REGIONS: usize = 1024;
/// Longest command line, in bytes.
pub const MAX_COMMAND_LINE: usize = 512;
/// Bytes of the boot stack.
pub const BOOT_STACK: u64 = 64 * 1024;
/// Where the direct map of physical memory begins (four levels of paging or five).
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
/// Where the kernel's image begins, unless it is moved by a slide.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

/// How the machine was started; a newtype, as a later loader may know more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct BootMethod(pub u32);

impl BootMethod {
    /// A PC BIOS.
    pub const BIOS: Self = Self(1);
    /// UEFI firmware; its boot services are over.
    pub const UEFI: Self = Self(2);
    /// A hypervisor's direct start of a kernel (PVH).
    pub const PVH: Self = Self(3);
}

/// What a [`Region`] of physical memory is; a kernel leaves a kind that it does not know alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct RegionKind(pub u32);

impl RegionKind {
    /// RAM that nobody uses.
    pub const USABLE: Self = Self(1);
    /// Not to be touched: firmware's, or unknown.
    pub const RESERVED: Self = Self(2);
    /// ACPI tables: RAM once they have been read.
    pub const ACPI: Self = Self(3);
    /// ACPI non-volatile storage: kept for the firmware.
    pub const NVS: Self = Self(4);
    /// RAM with errors.
    pub const BAD: Self = Self(5);
    /// The loader's memory (page tables, stack, this struct): RAM when the kernel has left it.
    pub const LOADER: Self = Self(6);
    /// Code and data of UEFI runtime services.
    pub const RUNTIME: Self = Self(7);
    /// The kernel's image.
    pub const KERNEL: Self = Self(8);
    /// The boot bundle, with init and the initfs in it: RAM once both have been taken.
    pub const BUNDLE: Self = Self(9);
    /// Device registers.
    pub const MMIO: Self = Self(10);

    /// Whether this is RAM that the kernel manages now or later.
    #[must_use]
    pub const fn is_ram(self) -> bool {
        matches!(self, Self::USABLE | Self::ACPI | Self::LOADER | Self::KERNEL | Self::BUNDLE)
    }
}

/// A range of physical memory of one kind, in whole 4 KiB pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Region {
    /// First byte.
    pub base: u64,
    /// Length in bytes; `base + len` does not wrap.
    pub len: u64,
    /// What lies there.
    pub kind: RegionKind,
    /// The firmware's own number for it (E820 or UEFI type); 0 for what the loader made.
    pub raw: u32,
}

impl Region {
    /// The first byte after the region.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.base.saturating_add(self.len)
    }
}

/// A range of physical memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Extent {
    /// First byte, physical.
    pub phys: u64,
    /// Length in bytes.
    pub len: u64,
}

/// One colour of a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Channel {
    /// Lowest bit within the pixel.
    pub position: u8,
    /// Number of bits.
    pub size: u8,
}

/// The firmware's linear framebuffer; `phys` is 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Framebuffer {
    /// First byte, physical; it is not RAM, and is to be mapped write-combining.
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
    /// Zero.
    pub padding: u16,
}

/// All that the loader knows; see the module for the state of the machine at the kernel's entry.
#[repr(C)]
pub struct BootInfo {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Bytes of this struct.
    pub size: u32,
    /// Who started the loader.
    pub method: BootMethod,
    /// Levels of the page tables in use: 4 or 5.
    pub levels: u32,
    /// Virtual address of physical address 0 in the direct map.
    pub hhdm: u64,
    /// The root of the loader's page tables, physical.
    pub cr3: u64,
    /// The end of the boot stack, virtual (direct map).
    pub stack_top: u64,
    /// One page below 640 KiB for the start of other CPUs, physical; 0 if there is none. It is
    /// [`RegionKind::LOADER`] too, so keep it until all CPUs run.
    pub low_page: u64,
    /// The kernel's image as it runs.
    pub kernel: Extent,
    /// Where the image begins, virtual.
    pub kernel_virt: u64,
    /// The whole boot bundle.
    pub bundle: Extent,
    /// The kernel's ELF file inside the bundle, for symbols.
    pub kernel_elf: Extent,
    /// init's ELF file inside the bundle, page aligned.
    pub init: Extent,
    /// The initfs image inside the bundle, page aligned.
    pub initfs: Extent,
    /// The screen.
    pub framebuffer: Framebuffer,
    /// ACPI's root pointer structure, physical; 0 if there is none.
    pub rsdp: u64,
    /// The SMBIOS entry point, physical; 0 if there is none.
    pub smbios: u64,
    /// UEFI's system table, physical; 0 with another firmware.
    pub efi_system_table: u64,
    /// Time stamp counter when the loader began.
    pub tsc_start: u64,
    /// Time stamp counter just before the kernel's entry.
    pub tsc_handover: u64,
    /// Seconds since 1970-01-01 UTC by the machine's clock when the loader ran; 0 if it could not
    /// be read.
    pub wall_seconds: u64,
    /// Randomness from RDRAND, the firmware and the time stamp counter; the weakest is the counter
    /// alone.
    pub seed: [u64; 4],
    /// Number of the slot that was booted: 0 or 1.
    pub slot: u32,
    /// Tries that this slot has left, this one not counted; `u32::MAX` if it has proven itself.
    pub tries_left: u32,
    /// Generation of the slot that was booted.
    pub generation: u64,
    /// GUID of the boot partition as in its GPT entry.
    pub partition_guid: [u8; 16],
    /// GUID of the disk as in its GPT header.
    pub disk_guid: [u8; 16],
    /// Bytes of the command line.
    pub command_line_len: u32,
    /// Used entries of the region table.
    pub region_count: u32,
    /// The command line, UTF-8 as far as the image's maker kept to it.
    pub command_line: [u8; MAX_COMMAND_LINE],
    /// Physical memory: sorted, without overlaps, neighbours of one kind merged. What is not listed
    /// is not RAM.
    pub region_table: [Region; MAX_REGIONS],
}

impl BootInfo {
    /// An empty one, to be filled in: all zeros.
    pub const EMPTY: Self = Self {
        magic: 0,
        version: 0,
        size: 0,
        method: BootMethod(0),
        levels: 0,
        hhdm: 0,
        cr3: 0,
        stack_top: 0,
        low_page: 0,
        kernel: Extent { phys: 0, len: 0 },
        kernel_virt: 0,
        bundle: Extent { phys: 0, len: 0 },
        kernel_elf: Extent { phys: 0, len: 0 },
        init: Extent { phys: 0, len: 0 },
        initfs: Extent { phys: 0, len: 0 },
        framebuffer: Framebuffer {
            phys: 0,
            len: 0,
            width: 0,
            height: 0,
            pitch: 0,
            bits_per_pixel: 0,
            red: Channel { position: 0, size: 0 },
            green: Channel { position: 0, size: 0 },
            blue: Channel { position: 0, size: 0 },
            padding: 0,
        },
        rsdp: 0,
        smbios: 0,
        efi_system_table: 0,
        tsc_start: 0,
        tsc_handover: 0,
        wall_seconds: 0,
        seed: [0; 4],
        slot: 0,
        tries_left: 0,
        generation: 0,
        partition_guid: [0; 16],
        disk_guid: [0; 16],
        command_line_len: 0,
        region_count: 0,
        command_line: [0; MAX_COMMAND_LINE],
        region_table: [Region { base: 0, len: 0, kind: RegionKind(0), raw: 0 }; MAX_REGIONS],
    };

    /// Whether this is a `BootInfo` of the layout that this crate knows.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.magic == MAGIC && self.version == VERSION && self.size as usize == size_of::<Self>()
    }

    /// The memory map.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        self.region_table.get(..self.region_count as usize).unwrap_or(&self.region_table)
    }

    /// The command line; the part before the first byte that is not UTF-8, if there is one.
    #[must_use]
    pub fn command_line(&self) -> &str {
        let bytes =
            self.command_line.get(..self.command_line_len as usize).unwrap_or(&self.command_line);
        match bytes.utf8_chunks().next() {
            Some(chunk) => chunk.valid(),
            None => "",
        }
    }

    /// Whether `word` stands on the command line between blanks.
    #[must_use]
    pub fn has_option(&self, word: &str) -> bool {
        self.command_line().split_ascii_whitespace().any(|option| option == word)
    }

    /// The value of `name=value` on the command line; of several, the last.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        let options = self.command_line().split_ascii_whitespace();
        options.filter_map(|option| option.strip_prefix(name)?.strip_prefix('=')).next_back()
    }
}

// By hand, as the derived one puts the tables on the stack.
impl fmt::Debug for BootInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("BootInfo");
        out.field("method", &self.method).field("kernel", &self.kernel).field("slot", &self.slot);
        out.field("command_line", &self.command_line()).finish_non_exhaustive()
    }
}

const _: () = assert!(size_of::<Region>() == 24);
const _: () = assert!(size_of::<Framebuffer>() == 40);
const _: () =
    assert!(size_of::<BootInfo>() == 320 + MAX_COMMAND_LINE + MAX_REGIONS * size_of::<Region>());
// The loader places it in page-aligned memory and knows that a zeroed one is valid.
const _: () = assert!(align_of::<BootInfo>() == 8);

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{BootInfo, MAX_REGIONS};
    use std::boxed::Box;

    fn with_command_line(line: &[u8]) -> Box<BootInfo> {
        let mut info = Box::new(BootInfo::EMPTY);
        info.command_line[..line.len()].copy_from_slice(line);
        info.command_line_len = u32::try_from(line.len()).unwrap();
        info
    }

    #[test]
    fn options_are_whole_words_and_the_last_value_counts() {
        let info = with_command_line(b"nokaslr log=warn  log=debug logo=1");

        assert!(info.has_option("nokaslr"));
        assert!(!info.has_option("nokasl"));
        assert_eq!(info.option("log"), Some("debug"));
        assert_eq!(info.option("lo"), None);
    }

    #[test]
    fn a_command_line_that_is_not_utf8_ends_at_the_bad_byte() {
        let info = with_command_line(b"good \xff bad");

        assert_eq!(info.command_line(), "good ");
    }

    #[test]
    fn lengths_that_lie_do_not_reach_past_the_tables() {
        let mut info = Box::new(BootInfo::EMPTY);
        info.region_count = u32::MAX;
        info.command_line_len = u32::MAX;

        assert_eq!(info.regions().len(), MAX_REGIONS);
        assert_eq!(info.command_line().len(), info.command_line.len());
    }
}
