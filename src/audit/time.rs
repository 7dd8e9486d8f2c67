//! Times as they are told: RFC 3339, in UTC.

/// To the second; of microseconds since 1970.
#[must_use]
pub fn utc(unix_micros: i64) -> String {
    let seconds = unix_micros.div_euclid(1_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The same to the microsecond.
#[must_use]
pub fn utc_micros(unix_micros: i64) -> String {
    let whole = utc(unix_micros);
    format!("{}.{:06}Z", whole.trim_end_matches('Z'), unix_micros.rem_euclid(1_000_000))
}

/// The Gregorian date so many days after 1970-01-01; years begin in March, so that the leap day is their last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year_of_era + era * 400 + next, month, day)
}

/// What a browser sends of a field for date and time, taken for UTC: `2026-11-29T09:30`, seconds or not; in microseconds since 1970.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let (day, time) = text.trim_end_matches('Z').split_once('T')?;
    let [year, month, day] = numbers(day, '-')?;
    let [hour, minute, second] = numbers(time, ':').or_else(|| numbers::<2>(time, ':').map(|[hour, minute]| [hour, minute, 0]))?;
    let fits = (1970..10_000).contains(&year) && (1..13).contains(&month) && (1..32).contains(&day) && hour < 24 && minute < 60 && second < 60;
    fits.then(|| (((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000)
}

fn numbers<const N: usize>(text: &str, between: char) -> Option<[i64; N]> {
    let parts: Option<Vec<i64>> =
        text.split(between).map(|part| part.parse().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()))).collect();
    parts?.try_into().ok()
}

/// From 1970-01-01 to that day; the inverse of [`date`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_can_be_read() {
        for at in [0, 951_782_400, 1_709_164_799, 1_709_164_800, 1_795_858_211, 4_102_444_799] {
            assert_eq!(parse(&utc(at * 1_000_000)), Some(at * 1_000_000));
        }
        assert_eq!(parse("2026-11-29T09:30"), parse("2026-11-29T09:30:00Z"));
        for wrong in ["", "2026-11-29", "2026-13-01T00:00", "2026-11-29T24:00", "+026-11-29T00:00", "2026-11-29T0x:00"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
