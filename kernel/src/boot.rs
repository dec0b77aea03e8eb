//! From the loader's hand-over to the first thread.

use anode_abi::boot_info::{BootInfo, Extent, MAGIC};
use anode_kernel::kernel::{Boot, Kernel};
use anode_kernel::machine::PAGE_SIZE;
use anode_kernel::num::size;
use x86_64::instructions::random::RdRand;

use crate::arch::percpu::FIRST;
use crate::arch::{clock, trap};
use crate::log::{INFO, WARN};
use crate::machine::Hardware;
use crate::{log, panic};

unsafe extern "C" {
    static __executable_start: u8;
}

/// What the loader left: it lies in the page in front of the image.
pub(crate) fn info() -> &'static BootInfo {
    let image = (&raw const __executable_start).addr();
    // SAFETY: the loader has mapped one there, read-only and for good; `start` makes sure that it
    // is one of our kind before anybody asks.
    unsafe { &*core::ptr::with_exposed_provenance(image.wrapping_sub(PAGE_SIZE)) }
}

/// Where a physical address lies in the direct map.
pub(crate) fn direct<T>(phys: u64) -> *mut T {
    core::ptr::with_exposed_provenance_mut(size(info().direct_map.wrapping_add(phys)))
}

/// Lends a table or a text that the loader left.
///
/// # Safety
///
/// `extent` is one of [`BootInfo`]'s with `T`s in it, which the kernel never writes.
pub(crate) unsafe fn lend<T>(Extent { phys, len }: Extent) -> &'static [T] {
    // SAFETY: the loader's word: it lies in the direct map for good, aligned; and the caller's.
    unsafe {
        core::slice::from_raw_parts(
            direct(phys),
            size(len).checked_div(size_of::<T>()).unwrap_or(0),
        )
    }
}

/// Lends a text that the loader left.
///
/// # Safety
///
/// As [`lend`].
unsafe fn text(extent: Extent) -> &'static str {
    // SAFETY: the caller's word.
    core::str::from_utf8(unsafe { lend(extent) }).unwrap_or_default()
}

/// Entered from entry.s on the first CPU; [`anode_abi::boot_info`] says in which state.
#[expect(clippy::large_stack_frames, reason = "the kernel's value passes through, once")]
pub(crate) unsafe extern "sysv64" fn start(magic: u64) -> ! {
    if magic != MAGIC {
        panic::give_up("the loader is of another version");
    }
    // SAFETY: once, by the first CPU, as it was handed over.
    unsafe { FIRST.settle() };
    match boot() {
        // SAFETY: once, here, when all is set up.
        Ok(kernel) => unsafe { trap::start(kernel) },
        Err(sentence) => panic::give_up(sentence),
    }
}

#[expect(clippy::large_stack_frames, reason = "the kernel's value passes through, once")]
fn boot() -> Result<Kernel<Hardware>, &'static str> {
    let info = info();
    // SAFETY: `BootInfo` says what lies in each, and nobody writes there.
    let (ram, free, [notes, warnings, facts]) = unsafe {
        (
            lend(info.ram),
            lend(info.free),
            [info.notes, info.warnings, info.facts].map(|at| text(at)),
        )
    };
    let (version, cpus) = (env!("CARGO_PKG_VERSION"), info.cpu_count);
    log::line(INFO, format_args!("Anode {version}, on 1 of {cpus} CPUs"));
    notes.lines().for_each(|line| log::line(INFO, format_args!("{line}")));
    warnings.lines().for_each(|line| log::line(WARN, format_args!("{line}")));
    // What lies in `BootInfo` for good must not tell what is drawn.
    let drawn = || RdRand::new().and_then(RdRand::get_u64).unwrap_or(0);
    let seed = info.seed.map(|word| word ^ drawn() ^ clock::count());
    let machine = Hardware { ram };
    let BootInfo { init, initfs, args, wall_ns: wall, .. } = *info;
    Kernel::boot(machine, &Boot { free, init, initfs, args, seed, wall, facts })
}
