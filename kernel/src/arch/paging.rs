//! The kernel's own page tables: they are made once, at boot, and every address space shares
//! their upper half.
//!
//! ```text
//!  direct map     (hhdm)                 RAM that is not the kernel's image; never executable
//!  the image      (where it was loaded)  4 KiB pages, none writable and executable at once
//!  device area    0xffff_ffff_e000_0000  pages of device registers, uncached
//! ```

use anode_abi::boot_info::{BootInfo, RegionKind};
use anode_kernel::num::{size, wide};
use x86_64::registers::control::Cr3;
use x86_64::structures::paging::PageTableFlags as Flags;

use super::gdt::{STACK, boot_stack_area};
use crate::memory::Block;

/// Where the device area begins.
const DEVICES: u64 = 0xFFFF_FFFF_E000_0000;
const PAGE: u64 = 4096;
const HUGE: u64 = 2 << 20;
/// The address in an entry.
const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

/// Page tables under construction, at an address of the direct map.
pub(crate) struct Tables {
    /// The top-level table, physical.
    pub(crate) root: u64,
    levels: u32,
    hhdm: u64,
    next_device: u64,
}

impl Tables {
    /// Maps all that the kernel uses, and switches to it.
    ///
    /// # Errors
    ///
    /// A sentence: too little memory, or the loader's tables are not as agreed.
    pub(crate) fn new(info: &BootInfo, block: &mut Block) -> Result<Self, &'static str> {
        let root = block.take(1)?;
        let mut tables = Self { root, levels: info.levels, hhdm: info.hhdm, next_device: DEVICES };
        // All top-level entries of the upper half exist from the start: spaces copy them.
        for slot in 256..512u64 {
            let shift = tables.shift(tables.levels);
            tables.entry(block, (u64::MAX << 48) | slot << shift, tables.levels.wrapping_sub(1))?;
        }
        let data = Flags::PRESENT | Flags::WRITABLE | Flags::NO_EXECUTE | Flags::GLOBAL;
        let kinds = [RegionKind::USABLE, RegionKind::LOADER, RegionKind::BUNDLE];
        for region in info.regions().iter().filter(|region| kinds.contains(&region.kind)) {
            let at = info.hhdm.wrapping_add(region.base);
            tables.map(block, at, region.base, region.len, data)?;
        }
        tables.copy_image(info, block)?;
        // SAFETY: the new tables hold all that the kernel uses at the addresses it had: image,
        // stack (in the image) and RAM.
        unsafe { write_root(root) };
        Ok(tables)
    }

    /// Maps the kernel's image as the loader has, but for the pages that guard the stacks.
    fn copy_image(&mut self, info: &BootInfo, block: &mut Block) -> Result<(), &'static str> {
        let (stacks, len) = boot_stack_area();
        for offset in (0..info.kernel.len).step_by(size(PAGE)) {
            let at = info.kernel_virt.wrapping_add(offset);
            let into = size(at.wrapping_sub(stacks));
            if into < len && into.is_multiple_of(STACK) {
                continue;
            }
            let entry = self.look_up(info.cr3, at);
            let flags = Flags::from_bits_truncate(entry & !ADDRESS);
            if flags.contains(Flags::WRITABLE) && !flags.contains(Flags::NO_EXECUTE) {
                return Err("the loader mapped code of the kernel writable");
            }
            let kept = flags & (Flags::PRESENT | Flags::WRITABLE | Flags::NO_EXECUTE);
            self.map(block, at, entry & ADDRESS, PAGE, kept | Flags::GLOBAL)?;
        }
        Ok(())
    }

    /// Maps a page of device registers; gives the virtual address of `phys`.
    ///
    /// # Errors
    ///
    /// A sentence: too little memory.
    pub(crate) fn map_device(&mut self, block: &mut Block, phys: u64) -> Result<u64, &'static str> {
        let at = self.next_device;
        self.next_device = at.wrapping_add(PAGE);
        let flags = Flags::PRESENT | Flags::WRITABLE | Flags::NO_EXECUTE | Flags::GLOBAL;
        let uncached = flags | Flags::NO_CACHE | Flags::WRITE_THROUGH;
        self.map(block, at, phys & ADDRESS, PAGE, uncached)?;
        Ok(at | phys & (PAGE - 1))
    }

    fn map(
        &self,
        block: &mut Block,
        virt: u64,
        phys: u64,
        len: u64,
        flags: Flags,
    ) -> Result<(), &'static str> {
        let mut done = 0;
        while done < len {
            let (at, frame) = (virt.wrapping_add(done), phys.wrapping_add(done));
            let is_huge = (at | frame).is_multiple_of(HUGE) && len.wrapping_sub(done) >= HUGE;
            let (level, step) = if is_huge { (2, HUGE) } else { (1, PAGE) };
            let huge = if is_huge { Flags::HUGE_PAGE } else { Flags::empty() };
            // SAFETY: `entry` gives a word of a table that only we use.
            unsafe { self.entry(block, at, level)?.write(frame | (flags | huge).bits()) };
            done = done.wrapping_add(step);
        }
        Ok(())
    }

    fn shift(&self, level: u32) -> u32 {
        level.wrapping_mul(9).wrapping_add(3)
    }

    /// The word for `virt` in the table at physical address `table`.
    fn word(&self, table: u64, virt: u64, level: u32) -> *mut u64 {
        let place = (virt >> self.shift(level) & 511).wrapping_mul(8);
        let at = self.hhdm.wrapping_add(table).wrapping_add(place);
        core::ptr::with_exposed_provenance_mut(size(at))
    }

    /// The entry for `virt` of that level, the tables above it made where they are missing.
    fn entry(&self, block: &mut Block, virt: u64, level: u32) -> Result<*mut u64, &'static str> {
        let mut table = self.root;
        for above in (level.wrapping_add(1)..=self.levels).rev() {
            let word = self.word(table, virt, above);
            // SAFETY: the tables lie in frames of the block, which the direct map reaches.
            unsafe {
                if word.read() == 0 {
                    word.write(block.take(1)? | (Flags::PRESENT | Flags::WRITABLE).bits());
                }
                table = word.read() & ADDRESS;
            }
        }
        Ok(self.word(table, virt, level))
    }

    /// The entry for a page of 4 KiB in the loader's tables; 0 if there is none.
    fn look_up(&self, root: u64, virt: u64) -> u64 {
        (1..=self.levels).rev().fold(root | Flags::PRESENT.bits(), |entry, level| {
            // SAFETY: the loader's tables lie in RAM, which the direct map reaches, and map the
            // kernel in pages of 4 KiB.
            let next = |entry| unsafe { self.word(entry & ADDRESS, virt, level).read() };
            if entry & Flags::PRESENT.bits() == 0 { 0 } else { next(entry) }
        })
    }
}

/// Switches this CPU to the page tables with that (physical) root; drops what it had cached of
/// the lower half.
///
/// # Safety
///
/// The upper half of the tables is that of [`Tables`].
pub(crate) unsafe fn write_root(root: u64) {
    let flags = x86_64::registers::control::Cr3Flags::empty();
    let frame = x86_64::structures::paging::PhysFrame::containing_address(
        x86_64::PhysAddr::new_truncate(root),
    );
    // SAFETY: the caller's word.
    unsafe { Cr3::write(frame, flags) };
}

/// A register of a device, in a page that [`Tables::map_device`] mapped.
pub(crate) fn device_word(page: u64, offset: u32) -> *mut u32 {
    core::ptr::with_exposed_provenance_mut(size(page.wrapping_add(offset.into())))
}

/// The upper half of a top-level table, in the direct map.
pub(crate) fn upper_half(hhdm: u64, root: u64) -> *mut [u64; 256] {
    let at = hhdm.wrapping_add(root).wrapping_add(wide(256 * 8));
    core::ptr::with_exposed_provenance_mut(size(at))
}
