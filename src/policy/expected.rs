//! How long something takes, in words.

use std::time::Duration;

use crate::catalog::estimate::{Estimate, Span};

/// `It takes about 40 s here, at most 2 min (12 M rows), and needs about 260 MB of disk …`.
pub(super) fn sentence(estimate: &Estimate) -> String {
    let (here, unmeasured) = if estimate.calibrated { (" here", "") } else { ("", "; the speed of this server was not measured") };
    let disk = match estimate.disk_bytes {
        0 => String::new(),
        bytes => format!(", and needs about {} of disk, and as much for WAL", size(bytes)),
    };
    let safe = match estimate.safe {
        Some(safe) if safe == estimate.takes => " So does its safe form.".to_owned(),
        Some(safe) => format!(" Its safe form takes {}, besides what it waits for.", span(safe, "")),
        None => String::new(),
    };
    format!("It takes {} ({}{unmeasured}){disk}.{safe}", span(estimate.takes, here), rows(estimate.rows))
}

fn span(span: Span, here: &str) -> String {
    let (likely, at_most) = (time(span.likely), time(span.at_most));
    let at_most = if likely == at_most { String::new() } else { format!(", at most {}", at_most.trim_start_matches("about ")) };
    format!("{likely}{here}{at_most}")
}

/// In two digits; a part of the next second counts.
fn time(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    match seconds {
        0..=1 => "less than 1 s".to_owned(),
        2..120 => format!("about {} s", rounded(seconds)),
        120..7_200 => format!("about {} min", rounded(seconds.div_ceil(60))),
        7_200..172_800 => format!("about {} h", seconds.div_ceil(3_600)),
        _ => format!("about {} days", seconds.div_ceil(86_400)),
    }
}

fn rounded(value: u64) -> u64 {
    if value < 100 { value } else { value.div_ceil(10) * 10 }
}

fn rows(count: u64) -> String {
    match count {
        1 => "1 row".to_owned(),
        0..10_000 => format!("{count} rows"),
        10_000..1_000_000 => format!("{} thousand rows", (count + 500) / 1_000),
        1_000_000..10_000_000 => format!("{}.{} M rows", count / 1_000_000, count % 1_000_000 / 100_000),
        _ => format!("{} M rows", (count + 500_000) / 1_000_000),
    }
}

/// As `pg_size_pretty` writes it.
pub(super) fn size(bytes: u64) -> String {
    let mut value = bytes;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value < 10 * 1024 {
            return format!("{value} {unit}");
        }
        value = value.saturating_add(512) / 1024;
    }
    format!("{value} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: u64) -> Span {
        Span { likely: Duration::from_secs(seconds), at_most: Duration::from_secs(3 * seconds) }
    }

    #[test]
    fn an_estimate_is_called_one() {
        let estimate =
            Estimate { takes: of(40), safe: Some(of(64)), rows: 12_000_000, disk_bytes: 260 << 20, wal_bytes: 260 << 20, calibrated: true };
        assert_eq!(
            sentence(&estimate),
            "It takes about 40 s here, at most 2 min (12 M rows), and needs about 260 MB of disk, and as much for WAL. \
             Its safe form takes about 64 s, at most 4 min, besides what it waits for."
        );
        let scan = Estimate { takes: of(0), safe: Some(of(0)), rows: 1, disk_bytes: 0, wal_bytes: 0, calibrated: false };
        assert_eq!(sentence(&scan), "It takes less than 1 s (1 row; the speed of this server was not measured). So does its safe form.");
    }

    #[test]
    fn times_have_two_digits() {
        let told = [0, 1, 2, 99, 119, 120, 121, 7_199, 7_200, 200_000].map(|seconds| time(Duration::from_secs(seconds)));
        let expected = ["less than 1 s", "less than 1 s", "about 2 s", "about 99 s", "about 120 s", "about 2 min", "about 3 min", "about 120 min"];
        assert_eq!(told[..8], expected);
        assert_eq!(told[8..], ["about 2 h", "about 3 days"]);
    }

    #[test]
    fn rows_are_counted_roughly() {
        assert_eq!([999, 250_400, 1_290_000, 12_400_000].map(rows), ["999 rows", "250 thousand rows", "1.2 M rows", "12 M rows"]);
    }

    #[test]
    fn sizes_read_like_postgresqls() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(8192), "8192 bytes");
        assert_eq!(size(54 << 20), "54 MB");
        assert_eq!(size(3 << 40), "3072 GB");
        assert_eq!(size(300 << 40), "300 TB");
    }
}
