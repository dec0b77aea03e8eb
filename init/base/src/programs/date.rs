//! `date`, and moments as text, in UTC: there is no time zone yet.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Outcome;
use super::call::Call;
use crate::failure::Failure;

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A moment, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    seconds: i64,
    year: i64,
    /// 1 to 12.
    month: i64,
    /// 1 to 31.
    day: i64,
    /// 0 is Sunday.
    weekday: i64,
    /// 0 to 365.
    yearday: i64,
}

impl Moment {
    /// The moment so many seconds after 1970 began.
    pub(super) fn from_seconds(seconds: i64) -> Self {
        let days = seconds.div_euclid(86_400);
        // Years begin in March here, so that the leap day is a year's last. 719,468 days are
        // between 0000-03-01 and 1970-01-01; 146,097 are in 400 years.
        let since = days.saturating_add(719_468);
        let era = since.div_euclid(146_097);
        let of_era = since.rem_euclid(146_097);
        let year_of_era = (of_era
            .saturating_sub(of_era / 1460)
            .saturating_add(of_era / 36_524)
            .saturating_sub(of_era / 146_096))
            / 365;
        let before = year_of_era
            .saturating_mul(365)
            .saturating_add(year_of_era / 4)
            .saturating_sub(year_of_era / 100);
        let march_day = of_era.saturating_sub(before);
        let march_month = march_day.saturating_mul(5).saturating_add(2) / 153;
        let month_start = march_month.saturating_mul(153).saturating_add(2) / 5;
        let month = march_month.saturating_add(2).rem_euclid(12).saturating_add(1);
        let year = era
            .saturating_mul(400)
            .saturating_add(year_of_era)
            .saturating_add(i64::from(month <= 2));
        let day = march_day.saturating_sub(month_start).saturating_add(1);
        let leap =
            year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
        // 306 days lie between March 1 and the year's end.
        let yearday = if month <= 2 {
            march_day.saturating_sub(306)
        } else {
            march_day.saturating_add(59).saturating_add(i64::from(leap))
        };
        let weekday = days.saturating_add(4).rem_euclid(7);
        Self { seconds, year, month, day, weekday, yearday }
    }

    fn now() -> Self {
        let seconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX).saturating_neg()
            }
        };
        Self::from_seconds(seconds)
    }

    /// Text by a format with `%Y`, `%m` and so on; unknown ones stay as they are.
    pub(super) fn format(self, format: &str) -> String {
        let mut text = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            match chars.clone().next() {
                Some(letter) if c == '%' => {
                    chars.next();
                    text.push_str(&self.field(letter));
                }
                _ => text.push(c),
            }
        }
        text
    }

    fn field(self, letter: char) -> String {
        let of_day = self.seconds.rem_euclid(86_400);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let name = |names: &[&'static str], index: i64| {
            usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("?")
        };
        let day = name(&DAYS, self.weekday);
        let month = name(&MONTHS, self.month.saturating_sub(1));
        match letter {
            'Y' => self.year.to_string(),
            'y' => format!("{:02}", self.year.rem_euclid(100)),
            'm' => format!("{:02}", self.month),
            'd' => format!("{:02}", self.day),
            'e' => format!("{:2}", self.day),
            'H' => format!("{hour:02}"),
            'M' => format!("{minute:02}"),
            'S' => format!("{second:02}"),
            'F' => self.format("%Y-%m-%d"),
            'T' => self.format("%H:%M:%S"),
            'A' => day.to_owned(),
            'a' => day.chars().take(3).collect(),
            'B' => month.to_owned(),
            'b' | 'h' => month.chars().take(3).collect(),
            'j' => format!("{:03}", self.yearday.saturating_add(1)),
            'u' => if self.weekday == 0 { 7 } else { self.weekday }.to_string(),
            'w' => self.weekday.to_string(),
            's' => self.seconds.to_string(),
            'Z' => "UTC".to_owned(),
            'z' => "+0000".to_owned(),
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            '%' => "%".to_owned(),
            other => format!("%{other}"),
        }
    }
}

pub(super) fn date(call: &mut Call<'_>) -> Outcome {
    let options = call.options("u")?;
    let text = options.operands.first().map(|word| word.to_string_lossy());
    let format = match (text.as_deref(), options.operands.len()) {
        (None, _) => "%a %b %e %H:%M:%S UTC %Y",
        (Some(text), 1) => text
            .strip_prefix('+')
            .ok_or_else(|| Failure::Usage(format!("{text}: a format begins with `+`")))?,
        _ => return Err(Failure::Usage("only one format can be given".to_owned())),
    };
    writeln!(call.out, "{}", Moment::now().format(format))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: i64) -> String {
        Moment::from_seconds(seconds).format("%F %T %a %j")
    }

    #[test]
    fn known_moments_have_their_dates() {
        assert_eq!(text(0), "1970-01-01 00:00:00 Thu 001");
        assert_eq!(text(951_782_400), "2000-02-29 00:00:00 Tue 060");
        assert_eq!(text(951_868_800), "2000-03-01 00:00:00 Wed 061");
        assert_eq!(text(1_709_251_199), "2024-02-29 23:59:59 Thu 060");
        assert_eq!(text(1_735_689_599), "2024-12-31 23:59:59 Tue 366");
        assert_eq!(text(1_798_761_599), "2026-12-31 23:59:59 Thu 365");
        assert_eq!(text(-1), "1969-12-31 23:59:59 Wed 365");
        assert_eq!(text(4_107_542_400), "2100-03-01 00:00:00 Mon 060");
    }

    #[test]
    fn the_widest_numbers_do_not_panic() {
        for seconds in [i64::MIN, i64::MAX] {
            assert!(!text(seconds).is_empty());
        }
    }

    #[test]
    fn unknown_letters_stay() {
        assert_eq!(Moment::from_seconds(0).format("%Q%%%"), "%Q%%");
    }
}
