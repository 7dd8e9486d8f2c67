//! docs/metrics.md is the table of metrics; a test writes it where the environment says so.

use std::path::Path;

use super::*;
use crate::server::UPSTREAM_ERRORS;
use crate::server::login_error::LoginError;

const WRITTEN: &str = "Written from src/telemetry/names.rs. To renew it: PGAIRLOCK_WRITE_DOCS=1 cargo test --lib docs_of_the_metrics";

const BEGIN: &str = "\
`/metrics` on `[admin] address` exposes these, in Prometheus's text format. All of them are there from the start, as 0 where nothing has happened yet, so that
`rate()` and `increase()` see the first event too; labels have the values that stand here and no others: no SQL, role or database is ever one. What they are
good for, with a dashboard and alerts: [observability.md](observability.md).

Histograms have `_bucket`, `_sum` and `_count`. Units are base units.
";

#[test]
fn the_docs_of_the_metrics_are_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let wanted = page();
    if std::env::var_os("PGAIRLOCK_WRITE_DOCS").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    }
    assert!(std::fs::read_to_string(&file).is_ok_and(|found| found == wanted), "docs/metrics.md is stale. {WRITTEN}");
}

fn page() -> String {
    let mut text = format!("<!-- {WRITTEN} -->\n# Metrics\n\n{BEGIN}\n| metric | type | unit | labels | |\n| --- | --- | --- | --- | --- |\n");
    for metric in TABLE {
        let (kind, unit) = (kind(metric.kind), unit(metric.unit));
        let labels: Vec<String> = metric.labels.iter().map(label).collect();
        text += &format!("| `{}` | {kind} | {unit} | {} | {} |\n", metric.name, labels.join("; "), metric.help);
    }
    text
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "",
        Unit::Seconds => "seconds",
        Unit::Time => "seconds since 1970",
        Unit::Bytes => "bytes",
        Unit::Truth => "0 or 1",
    }
}

fn label(label: &Label) -> String {
    let listed = |values: &[&str]| values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    let values = match label.values {
        Values::Listed(values) => listed(values),
        Values::Listeners => "the names of `[[listener]]`".to_owned(),
        Values::Upstreams => "the names of `[[upstream]]`".to_owned(),
        Values::Rules => "the ids of the [rules](rules/README.md)".to_owned(),
        Values::RulesOrNone => "the ids of the [rules](rules/README.md), `none`".to_owned(),
        Values::LoginFailures => listed(LoginError::KINDS),
        Values::UpstreamErrors => listed(UPSTREAM_ERRORS),
        Values::StoreErrors => listed(StoreError::KINDS),
        Values::Webhooks => "names of `[[webhook]]`".to_owned(),
        Values::Version => "the version".to_owned(),
    };
    format!("`{}`: {values}", label.name)
}
