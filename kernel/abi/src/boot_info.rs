//! What the loader tells the kernel, and the state in which it hands a CPU over.
//!
//! All that is done once and needs no kernel is done by the loader, before the kernel's first
//! instruction. What it finds out lies in one [`BootInfo`], in the page in front of the kernel's
//! image, mapped read-only and for good. A CPU enters the kernel's ELF entry with
//!
//! - RDI = [`MAGIC`]; CR3 = tables that also map the loader's last instructions, one to one: the
//!   kernel is to switch to those of [`BootInfo::root`] at once;
//! - RSP at the end of its first stack ([`BootInfo::stacks`]) with a return address of 0, RBP = 0,
//!   IF = DF = 0;
//! - CR0, CR4, EFER, PAT and XCR0 final: paging with NX, WP and global pages, SMEP, SMAP, UMIP and
//!   XSAVE (with AVX) where the CPU has them; SYSCALL on; the user cannot change FS or GS base;
//! - a GDT with kernel code (8) and data (16), user data ([`USER_DATA`]) and code ([`USER_CODE`]),
//!   and a task segment with its stacks: 0 for traps, 1 for NMI, 2 for double faults, 3 for machine
//!   checks; the data segments are null, both GS bases 0;
//! - an IDT whose gates lead to stubs of 16 bytes each, 256 of them, that end at the kernel's
//!   entry; only breakpoints may be raised by the user;
//! - LSTAR [`SYSCALL`] bytes behind the entry; SFMASK clears IF, DF, TF, NT and AC;
//! - the local APIC on, all it can raise masked but its timer, which is stopped and has the vector
//!   [`TIMER`]; all lines of the I/O APICs masked and for the first CPU; the 8259s masked.
//!
//! The page tables are final as well. They map the image in pages of 4 KiB, none writable and
//! executable; at [`BootInfo::direct_map`] all RAM but the firmware's and what only the kernel has
//! mapped (its image, its stacks), writable, never executable; the registers of the interrupt
//! controllers, uncached; and a CPU's four stacks, the first page of each left out. The lower half
//! is empty.

/// "ANODEBI" and the version of this contract: a kernel refuses any other.
pub const MAGIC: u64 = u64::from_le_bytes(*b"ANODEBI\x02");
/// Most CPUs that are told of.
pub const MAX_CPUS: usize = 8;
/// Most I/O APICs.
pub const MAX_CHIPS: usize = 4;
/// Lines whose wiring is told.
pub const MAX_LINES: usize = 64;
/// Bytes from the start of one stack to the next; the first page of each is not mapped. A CPU has
/// four, one after the other.
pub const STACK: usize = 0x8000;
/// Bytes from the kernel's entry to the one of SYSCALL.
pub const SYSCALL: u64 = 64;
/// Vector of the local timer.
pub const TIMER: u8 = 0xFD;
/// Selector of the user's data.
pub const USER_DATA: u16 = 0x1B;
/// Selector of the user's code.
pub const USER_CODE: u16 = 0x23;

/// A range of physical memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Extent {
    /// First byte, physical.
    pub phys: u64,
    /// Length in bytes.
    pub len: u64,
}

/// Frames of RAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FrameRange {
    /// Number of the first frame, not 0.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// An I/O APIC; one without lines is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Chip {
    /// Virtual address of its registers.
    pub address: u64,
    /// Its first line (GSI).
    pub first: u32,
    /// How many lines it has.
    pub count: u32,
}

/// A function of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Symbol {
    /// Where it begins, virtual.
    pub address: u64,
    /// Where its name begins in [`BootInfo::names`].
    pub name: u32,
    /// Bytes of the name.
    pub len: u32,
}

/// All that the loader knows. Texts are UTF-8; what the kernel may keep, it keeps for good.
#[expect(missing_debug_implementations, reason = "nobody prints a page of numbers")]
#[repr(C)]
pub struct BootInfo {
    /// Virtual address of physical address 0 in the direct map.
    pub direct_map: u64,
    /// Root of the final page tables, physical.
    pub root: u64,
    /// Where the stacks of the first CPU begin, virtual; those of the others follow.
    pub stacks: u64,
    /// Registers of the local APIC, virtual.
    pub apic: u64,
    /// CR4 of every CPU.
    pub cr4: u64,
    /// Time stamp counter when the loader began.
    pub tsc_start: u64,
    /// Nanoseconds of a tick of that counter, times 2^32.
    pub tick_ns: u64,
    /// Ticks of the local timer in a nanosecond, times 2^32.
    pub timer_ticks: u64,
    /// Time at `tsc_start`, ns since 1970-01-01 UTC; 0 if it could not be read.
    pub wall_ns: u64,
    /// Randomness from RDRAND, the firmware and the time stamp counter.
    pub seed: [u64; 4],
    /// One page below 640 KiB for the start of other CPUs, physical; 0 if there is none.
    pub low_page: u64,
    /// What of the log is wanted: 0 nothing, 1 errors, to 5 all.
    pub log_level: u32,
    /// CPUs that can be used, and the local APIC ids of those that there is room for: this one's
    /// first.
    pub cpu_count: u32,
    /// See `cpu_count`.
    pub cpus: [u32; MAX_CPUS],
    /// The I/O APICs.
    pub chips: [Chip; MAX_CHIPS],
    /// Polarity and trigger mode of each line where the firmware tells them, as the bits in its
    /// redirection entry.
    pub wiring: [u32; MAX_LINES],
    /// Memory for the kernel's heap: whole pages, zeroed, at least 8 MiB.
    pub heap: Extent,
    /// Memory for the registers of threads: whole pages, zeroed.
    pub contexts: Extent,
    /// [`FrameRange`]s: RAM that nobody uses; ascending, apart from each other.
    pub free: Extent,
    /// [`FrameRange`]s: that RAM and what lies in `init`, `initfs` and `args`; largest first.
    pub ram: Extent,
    /// [`Symbol`]s, ascending.
    pub symbols: Extent,
    /// Names of functions.
    pub names: Extent,
    /// Text of `sys:boot`: lines `key value`.
    pub facts: Extent,
    /// Lines for the log.
    pub notes: Extent,
    /// Lines for the log, as warnings.
    pub warnings: Extent,
    /// init's ELF file, from a page's begin on.
    pub init: Extent,
    /// The initfs image, from a page's begin on.
    pub initfs: Extent,
    /// init's args object (see [`crate::args`]), from a page's begin on.
    pub args: Extent,
}

// It has to fit into its page.
const _: () = assert!(size_of::<BootInfo>() <= 4096);
