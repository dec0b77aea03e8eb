//! Time: the time stamp counter, which the loader has measured.

use core::arch::x86_64::_rdtsc;

use crate::boot::info;

/// The counter.
pub(crate) fn count() -> u64 {
    // SAFETY: every x86-64 CPU has it, and CR4.TSD is off.
    unsafe { _rdtsc() }
}

/// `value * scale / 2^32`.
#[expect(clippy::cast_possible_truncation, reason = "584 years of ns fit into 64 bits")]
pub(crate) fn scaled(value: u64, scale: u64) -> u64 {
    (u128::from(value).wrapping_mul(u128::from(scale)) >> 32) as u64
}

/// Time since boot in ns.
pub(crate) fn now() -> u64 {
    scaled(count().saturating_sub(info().tsc_start), info().tick_ns)
}

/// Waits for that many ns.
pub(crate) fn wait(ns: u64) {
    let end = now().saturating_add(ns);
    while now() < end {
        core::hint::spin_loop();
    }
}
