//! `time:`: the clocks, each open of which has an alarm.
//!
//! A read gives the time as a `TimeSpec`, a write of one arms the alarm at that time, and whoever
//! watches the handle is told when it is due. A read takes a due alarm back.

use std::collections::BTreeMap;

use anode_abi::info::ready;
use anode_abi::number::FOREVER;
use anode_scheme::{Context, Control, Opened, Scheme};
use redox::error::{EINVAL, ENOENT, Error, Result};
use redox::flag::{CLOCK_MONOTONIC, CLOCK_REALTIME};

use crate::kernel::Kernel;

const SECOND: u64 = 1_000_000_000;

/// An alarm that is armed.
#[derive(Clone, Copy, Debug)]
struct Alarm {
    /// When it is due, in monotonic ns.
    at: u64,
    /// Whether that was told.
    told: bool,
}

/// The scheme.
#[derive(Debug)]
pub(crate) struct Clocks<K> {
    kernel: K,
    control: Option<Control>,
    /// By the description's id.
    alarms: BTreeMap<u64, Alarm>,
}

/// An open clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    id: u64,
    is_wall: bool,
}

impl<K: Kernel> Clocks<K> {
    pub(crate) const fn new(kernel: K) -> Self {
        Self { kernel, control: None, alarms: BTreeMap::new() }
    }

    /// Whether the alarm of a description is due.
    fn is_due(&self, id: u64) -> bool {
        self.alarms.get(&id).is_some_and(|alarm| alarm.at <= self.kernel.monotonic())
    }
}

/// The words of a `TimeSpec`; the upper half of the second is padding.
fn to_bytes(ns: u64) -> [u8; 16] {
    let words = [ns / SECOND, ns % SECOND].map(u64::to_le_bytes);
    std::array::from_fn(|at| words.as_flattened().get(at).copied().unwrap_or(0))
}

/// Nanoseconds of a `TimeSpec`; huge times saturate.
fn from_bytes(bytes: &[u8]) -> Result<u64> {
    let ([seconds, nanos, ..], _) = bytes.as_chunks() else { return Err(Error::new(EINVAL)) };
    let seconds = u64::try_from(i64::from_le_bytes(*seconds));
    let nanos = u64::from_le_bytes(*nanos) & 0xFFFF_FFFF;
    match seconds {
        Ok(seconds) if nanos < SECOND => Ok(seconds.saturating_mul(SECOND).saturating_add(nanos)),
        _ => Err(Error::new(EINVAL)),
    }
}

impl<K: Kernel> Scheme for Clocks<K> {
    type Open = Clock;

    fn start(&mut self, control: Control) -> Result<()> {
        self.control = Some(control);
        Ok(())
    }

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<Clock>> {
        let is_wall = match path.parse() {
            Ok(CLOCK_REALTIME) => true,
            Ok(CLOCK_MONOTONIC) => false,
            _ => return Err(Error::new(ENOENT)),
        };
        Ok(Opened::stream(Clock { id: context.id, is_wall }))
    }

    fn close(&mut self, clock: Clock) {
        self.alarms.remove(&clock.id);
    }

    fn read(&mut self, clock: &mut Clock, buf: &mut [u8], _: u64, _: &Context) -> Result<usize> {
        let now = if clock.is_wall { self.kernel.wall_time() } else { self.kernel.monotonic() };
        let time = to_bytes(now);
        buf.get_mut(..time.len()).ok_or(Error::new(EINVAL))?.copy_from_slice(&time);
        if self.is_due(clock.id) {
            self.alarms.remove(&clock.id);
        }
        Ok(time.len())
    }

    fn write(&mut self, clock: &mut Clock, buf: &[u8], _: u64, _: &Context) -> Result<usize> {
        let mut at = from_bytes(buf)?;
        if clock.is_wall {
            let ahead = at.saturating_sub(self.kernel.wall_time());
            at = self.kernel.monotonic().saturating_add(ahead);
        }
        // One that has passed is told in the next turn, which follows at once.
        self.alarms.insert(clock.id, Alarm { at, told: false });
        Ok(size_of::<[u64; 2]>())
    }

    fn readiness(&mut self, clock: &mut Clock, wanted: u64, _: &Context) -> Result<u64> {
        Ok(if self.is_due(clock.id) { wanted & ready::READ } else { 0 })
    }

    fn path(&mut self, clock: &mut Clock) -> Result<String> {
        Ok((if clock.is_wall { CLOCK_REALTIME } else { CLOCK_MONOTONIC }).to_string())
    }

    fn turn(&mut self) {
        let now = self.kernel.monotonic();
        for (id, alarm) in
            self.alarms.iter_mut().filter(|(_, alarm)| !alarm.told && alarm.at <= now)
        {
            alarm.told = true;
            if let Some(control) = &self.control {
                control.ready(*id, 1);
            }
        }
    }

    fn deadline(&mut self) -> u64 {
        let armed = self.alarms.values().filter(|alarm| !alarm.told);
        armed.map(|alarm| alarm.at).min().unwrap_or(FOREVER)
    }
}
