//! Durations and sizes as PostgreSQL writes them: a whole number and a unit, without a blank.

use std::time::Duration;

/// Milliseconds of each unit of time.
const TIME: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Bytes of each unit of size; binary, as in PostgreSQL.
const SIZE: [(&str, u64); 4] = [("B", 1), ("kB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30)];

/// Reads `500ms`, `2s`, `1min`, `1h`, `1d`.
///
/// # Errors
/// With a message that shows the right form.
pub fn duration(text: &str) -> Result<Duration, String> {
    match quantity(text, &TIME) {
        Some(millis) => Ok(Duration::from_millis(millis)),
        None => Err(format!("\"{text}\" is not a duration; write a whole number and a unit (ms, s, min, h, d) without a blank, such as \"2s\"")),
    }
}

/// Reads `512kB`, `1MB`, `2GB`.
///
/// # Errors
/// With a message that shows the right form.
pub fn size(text: &str) -> Result<u64, String> {
    quantity(text, &SIZE)
        .ok_or_else(|| format!("\"{text}\" is not a size; write a whole number and a unit (B, kB, MB, GB) without a blank, such as \"1MB\""))
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1min"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3_600)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(size("17B"), Ok(17));
        assert_eq!(size("8kB"), Ok(8_192));
        assert_eq!(size("1MB"), Ok(1_048_576));
        assert_eq!(size("2GB"), Ok(2_147_483_648));
    }

    #[test]
    fn anything_else_is_refused_with_the_right_form() {
        for text in ["", "2", "s", "2 s", "-2s", "+2s", "1.5s", "2S", "2m", "٢s", "99999999999999999999s", "18446744073709551615d"] {
            assert!(duration(text).is_err_and(|message| message.contains("such as \"2s\"")), "{text}");
        }
        for text in ["", "1", "1mb", "1 MB", "1KB", "-1MB", "17179869184GB"] {
            assert!(size(text).is_err_and(|message| message.contains("such as \"1MB\"")), "{text}");
        }
    }
}
