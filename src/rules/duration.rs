//! Times as PostgreSQL writes them in settings.

/// Whether a value of `lock_timeout` lets a statement wait longer than `cap` milliseconds. No cap is exceeded by nothing; 0 and what cannot be
/// read exceed every cap.
#[must_use]
pub fn exceeds(value: &str, cap: u64) -> bool {
    cap > 0 && milliseconds(value).is_none_or(|found| found == 0 || found > cap)
}

/// A value of a setting whose unit is milliseconds.
#[must_use]
pub fn milliseconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let number_end = value.find(|character: char| !(character.is_ascii_digit() || character == '.')).unwrap_or(value.len());
    let number: f64 = value.get(..number_end)?.parse().ok()?;
    let factor = match value.get(number_end..)?.trim() {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let rounded = (number * factor).round_ties_even();
    // Beyond the setting's own limit the server refuses it; the text form avoids a cast that could lose digits.
    (0.0..=f64::from(i32::MAX)).contains(&rounded).then(|| format!("{rounded:.0}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_postgresql() {
        for (value, expected) in [
            ("0", Some(0)),
            ("500", Some(500)),
            (" 5s ", Some(5_000)),
            ("1.5 s", Some(1_500)),
            ("2min", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("400us", Some(0)),
            ("2500us", Some(2)),
            ("5S", None),
            ("abc", None),
            ("", None),
            ("-1", None),
            ("0x10", None),
        ] {
            assert_eq!(milliseconds(value), expected, "{value}");
        }
    }

    #[test]
    fn zero_and_the_unreadable_exceed_every_cap() {
        assert!(exceeds("0", 2_000));
        assert!(exceeds("0.1ms", 2_000));
        assert!(exceeds("0x10", 2_000));
        assert!(exceeds("3s", 2_000));
        assert!(!exceeds("2s", 2_000));
        assert!(!exceeds("0", 0));
    }
}
