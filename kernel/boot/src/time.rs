//! Dates into seconds, and the registers of a PC's clock into a date.

/// A date and time of day, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// As in 2026.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// 0 to 23.
    pub hour: u64,
    /// 0 to 59.
    pub minute: u64,
    /// 0 to 60.
    pub second: u64,
}

impl DateTime {
    /// Seconds since 1970-01-01; `None` if a number is out of range or the year before 1970 or
    /// after 9999.
    #[must_use]
    pub fn seconds(&self) -> Option<u64> {
        let sound = (1970..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60;
        sound.then_some(())?;
        // Count years from March, so that the leap day is the last one.
        let shifted = self.month.checked_add(9)?.checked_rem(12)?;
        let year = if self.month <= 2 { self.year.checked_sub(1)? } else { self.year };
        let leap_days = (year / 4).checked_sub(year / 100)?.checked_add(year / 400)?;
        let day_of_year = (shifted.checked_mul(153)?.checked_add(2)? / 5).checked_add(self.day)?;
        let days = year.checked_mul(365)?.checked_add(leap_days)?.checked_add(day_of_year)?;
        // 719,469 is the same count for 1970-01-01.
        let hours = days.checked_sub(719_469)?.checked_mul(24)?.checked_add(self.hour)?;
        hours.checked_mul(60)?.checked_add(self.minute)?.checked_mul(60)?.checked_add(self.second)
    }
}

/// What the clock chip's registers hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Second, minute, hour, day, month, year of the century, century (0 if there is no such
    /// register).
    pub registers: [u8; 7],
    /// Status register B: bit 1 is set for hours from 0 to 23, bit 2 for binary numbers.
    pub status_b: u8,
}

impl Clock {
    /// The date that the registers mean; the clock runs in UTC. `None` if they mean none.
    #[must_use]
    pub fn date(&self) -> Option<DateTime> {
        let binary = self.status_b & 4 != 0;
        let number = |value: u8| -> Option<u64> {
            let (high, low) = (u64::from(value >> 4), u64::from(value & 15));
            match binary {
                true => Some(u64::from(value)),
                false => (high < 10 && low < 10).then_some(high.checked_mul(10)?.checked_add(low)?),
            }
        };
        let [second, minute, hour, day, month, year, century] = self.registers;
        let hour = match self.status_b & 2 {
            0 => {
                let twelve =
                    number(hour & 0x7f).filter(|hour| (1..=12).contains(hour))?.checked_rem(12)?;
                if hour & 0x80 == 0 { twelve } else { twelve.checked_add(12)? }
            }
            _ => number(hour)?,
        };
        let century = number(century).filter(|century| (19..=99).contains(century)).unwrap_or(20);
        let year = number(year)?.checked_add(century.checked_mul(100)?)?;
        let (month, day) = (number(month)?, number(day)?);
        Some(DateTime { year, month, day, hour, minute: number(minute)?, second: number(second)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, DateTime};

    fn date(year: u64, month: u64, day: u64) -> DateTime {
        DateTime { year, month, day, hour: 0, minute: 0, second: 0 }
    }

    #[test]
    fn known_dates_have_their_seconds() {
        assert_eq!(date(1970, 1, 1).seconds(), Some(0));
        assert_eq!(date(2000, 2, 29).seconds(), Some(951_782_400));
        assert_eq!(date(2000, 3, 1).seconds(), Some(951_868_800));
        assert_eq!(date(2026, 11, 24).seconds(), Some(1_795_478_400));
        let last = DateTime { hour: 23, minute: 59, second: 59, ..date(2099, 12, 31) };
        assert_eq!(last.seconds(), Some(4_102_444_799));
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut expected = 0;
        let months = (1970..2200).flat_map(|year| (1..).zip(days).map(move |month| (year, month)));
        for (year, (month, length)) in months {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for day in 1..=length + u64::from(leap && month == 2) {
                assert_eq!(
                    date(year, month, day).seconds(),
                    Some(expected),
                    "{year}-{month}-{day}"
                );
                expected += 86_400;
            }
        }
    }

    #[test]
    fn the_clock_is_read_in_each_of_its_four_forms() {
        let expected =
            Some(DateTime { year: 2026, month: 11, day: 24, hour: 13, minute: 5, second: 59 });
        let read = |registers, status_b| Clock { registers, status_b }.date();

        assert_eq!(read([0x59, 0x05, 0x13, 0x24, 0x11, 0x26, 0x20], 2), expected);
        assert_eq!(read([0x59, 0x05, 0x81, 0x24, 0x11, 0x26, 0x20], 0), expected);
        assert_eq!(read([59, 5, 13, 24, 11, 26, 20], 6), expected);
        assert_eq!(read([59, 5, 0x81, 24, 11, 26, 0], 4), expected);
    }

    #[test]
    fn midnight_is_twelve_in_the_morning() {
        let midnight = Clock { registers: [0, 0, 0x12, 1, 1, 0x26, 0x20], status_b: 0 };
        assert_eq!(midnight.date().map(|date| date.hour), Some(0));
    }

    #[test]
    fn a_clock_of_nonsense_has_no_time() {
        for status_b in 0..8 {
            let time =
                Clock { registers: [0xff; 7], status_b }.date().and_then(|date| date.seconds());
            assert_eq!(time, None);
        }
    }
}
