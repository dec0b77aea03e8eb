//! Time: the time stamp counter, measured against the PIT.

use core::arch::x86_64::_rdtsc;
use core::sync::atomic::{AtomicU64, Ordering};

use raw_cpuid::CpuId;
use x86_64::instructions::port::Port;

const PIT_HZ: u64 = 1_193_182;
/// Ticks of the PIT that a measurement takes: about 3 ms.
const WINDOW: u16 = 4096;
/// How often the PIT is looked at in vain before it counts as missing.
const PATIENCE: u32 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// Counter at `now() == 0`, and the counter's ticks in a second; written once, at boot.
static ZERO: AtomicU64 = AtomicU64::new(0);
static HZ: AtomicU64 = AtomicU64::new(SECOND);
/// Nanoseconds of a tick, times 2^32.
static SCALE: AtomicU64 = AtomicU64::new(1 << 32);

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

/// `part / whole * 2^32`; `whole` is not 0.
pub(crate) fn scale_of(part: u64, whole: u64) -> u64 {
    let ratio = (u128::from(part) << 32).checked_div(u128::from(whole)).unwrap_or(0);
    u64::try_from(ratio).unwrap_or(u64::MAX)
}

/// Time since boot in ns.
pub(crate) fn now() -> u64 {
    let ticks = count().saturating_sub(ZERO.load(Ordering::Relaxed));
    scaled(ticks, SCALE.load(Ordering::Relaxed))
}

/// Starts the clock: `zero` is the counter's value at `now() == 0`.
pub(crate) fn start(zero: u64) {
    let measured = median(measure).or_else(by_cpuid);
    let hz = measured.unwrap_or(SECOND).max(1);
    if measured.is_none() {
        log::warn!("neither PIT nor CPU tell the clock's rate: 1 GHz is assumed");
    }
    HZ.store(hz, Ordering::Relaxed);
    SCALE.store(scale_of(SECOND, hz), Ordering::Relaxed);
    ZERO.store(zero, Ordering::Relaxed);
}

/// Ticks of the counter in a second.
pub(crate) fn hertz() -> u64 {
    HZ.load(Ordering::Relaxed)
}

/// The middle one of three measurements: a pause of the (virtual) CPU spoils but one.
pub(crate) fn median(measure: impl Fn() -> Option<u64>) -> Option<u64> {
    let mut results = [measure()?, measure()?, measure()?];
    results.sort_unstable();
    let [_, middle, _] = results;
    Some(middle)
}

fn by_cpuid() -> Option<u64> {
    let id = CpuId::new();
    let exact = id.get_tsc_info().and_then(|info| info.tsc_frequency());
    let nominal = || Some(u64::from(id.get_processor_frequency_info()?.processor_base_frequency()));
    exact.or_else(|| nominal()?.checked_mul(1_000_000)).filter(|hz| *hz > 0)
}

/// Hertz by channel 2 of the PIT, which makes no interrupt.
fn measure() -> Option<u64> {
    let (mut command, mut data, mut gate) =
        (Port::<u8>::new(0x43), Port::<u8>::new(0x42), Port::<u8>::new(0x61));
    // SAFETY: these are the ports of the PIT and of the speaker's gate on every PC; the kernel
    // alone uses them, now.
    unsafe {
        let old = gate.read();
        gate.write((old & !2) | 1);
        command.write(0b1011_0000);
        data.write(0xFF);
        data.write(0xFF);
    }
    let mut look = || {
        // SAFETY: as above; the value is latched, then read low byte first.
        let value = unsafe {
            command.write(0b1000_0000);
            u16::from_le_bytes([data.read(), data.read()])
        };
        (value, count())
    };
    let (first, begin) = look();
    for _ in 0..PATIENCE {
        let (value, end) = look();
        let ticks = first.wrapping_sub(value);
        if ticks >= WINDOW {
            let took = end.wrapping_sub(begin);
            return took.checked_mul(PIT_HZ)?.checked_div(u64::from(ticks)).filter(|hz| *hz > 0);
        }
    }
    None
}

/// Waits for that many ns.
pub(crate) fn wait(ns: u64) {
    let ticks = scaled(ns, scale_of(hertz(), SECOND));
    let begin = count();
    while count().wrapping_sub(begin) < ticks {
        core::hint::spin_loop();
    }
}
