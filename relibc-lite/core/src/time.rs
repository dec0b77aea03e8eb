//! Arithmetic on times: checked, normalised, saturating instead of wrapping.

use crate::abi::Timespec;

/// Nanoseconds of a second.
pub const SECOND: i64 = 1_000_000_000;

/// Whether `tv_nsec` is in range, which every call that takes a time demands.
#[must_use]
pub fn is_valid(time: Timespec) -> bool {
    (0..SECOND).contains(&time.tv_nsec)
}

/// A time as nanoseconds, at most `u64::MAX`; times before zero are zero.
#[must_use]
pub fn to_nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(SECOND.unsigned_abs()).saturating_add(rest)
}

/// Nanoseconds as a time.
#[must_use]
pub fn from_nanos(nanos: u64) -> Timespec {
    let seconds = nanos.checked_div(SECOND.unsigned_abs()).unwrap_or(0);
    let rest = nanos.checked_rem(SECOND.unsigned_abs()).unwrap_or(0);
    Timespec {
        tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(rest).unwrap_or(0),
    }
}

/// Nanoseconds from `now` until `deadline`; `None` when it has passed.
#[must_use]
pub fn until(deadline: Timespec, now: Timespec) -> Option<u64> {
    to_nanos(deadline).checked_sub(to_nanos(now)).filter(|left| *left > 0)
}

#[cfg(test)]
mod tests {
    use super::{from_nanos, is_valid, to_nanos, until};
    use crate::abi::Timespec;

    fn at(tv_sec: i64, tv_nsec: i64) -> Timespec {
        Timespec { tv_sec, tv_nsec }
    }

    #[test]
    fn nanoseconds_and_times_are_inverse() {
        for nanos in [0, 1, 999_999_999, 1_000_000_000, 1_764_000_000_123_456_789] {
            assert_eq!(to_nanos(from_nanos(nanos)), nanos);
        }
    }

    #[test]
    fn huge_and_negative_times_saturate() {
        assert_eq!(to_nanos(at(i64::MAX, 0)), u64::MAX);
        assert_eq!(to_nanos(at(-5, 7)), 7);
        assert!(!is_valid(at(0, 1_000_000_000)));
        assert!(!is_valid(at(0, -1)));
    }

    #[test]
    fn a_deadline_that_is_now_has_passed() {
        assert_eq!(until(at(5, 1), at(5, 0)), Some(1));
        assert_eq!(until(at(5, 0), at(5, 0)), None);
        assert_eq!(until(at(4, 0), at(5, 0)), None);
    }
}
