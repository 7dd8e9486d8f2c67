//! `[telemetry] otlp_endpoint`.

use super::{host, optional};
use crate::config::file;
use crate::config::problem::Problems;
use crate::config::settings::Collector;

const KEY: &str = "[telemetry] otlp_endpoint";
/// Of OTLP over HTTP.
const PORT: u16 = 4318;

pub(super) fn read(written: Option<file::Telemetry>, problems: &mut Problems<'_>) -> Option<Collector> {
    let (text, span) = optional(written?.otlp_endpoint, KEY, problems)?;
    parse(&text).map_err(|message| problems.at(&span, format!("{KEY}: {message}"))).ok()
}

fn parse(text: &str) -> Result<Collector, String> {
    let wrong = || "is not a URL of a collector, such as \"http://collector.example:4318\"".to_owned();
    let (tls, rest) = match text.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        // Not repeated: it may hold a password.
        _ => return Err(wrong()),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') || path.contains(|c: char| c.is_whitespace() || c.is_control() || c == '?' || c == '#' || !c.is_ascii()) {
        return Err(wrong());
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(name, _)| !name.contains(':') || name.ends_with(']'));
    let address = if has_port { authority.to_owned() } else { format!("{authority}:{PORT}") };
    host(&address)?;
    let base = path.trim_end_matches('/');
    let base = if base.is_empty() { String::new() } else { format!("/{base}") };
    Ok(Collector { tls, address, path: format!("{base}/v1/traces") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_behind_which_the_path_of_traces_comes() {
        for (text, tls, address, path) in [
            ("http://collector.example:4318", false, "collector.example:4318", "/v1/traces"),
            ("http://collector.example/", false, "collector.example:4318", "/v1/traces"),
            ("https://[::1]:443/otlp/", true, "[::1]:443", "/otlp/v1/traces"),
            ("https://[::1]", true, "[::1]:4318", "/v1/traces"),
        ] {
            assert_eq!(parse(text), Ok(Collector { tls, address: address.into(), path: path.into() }), "{text}");
        }
        for text in [
            "collector:4318",
            "grpc://collector:4317",
            "http://",
            "http://u:secret@c:4318",
            "http://c:0",
            "http://c/a b",
            "http://c/?x",
            "http://a:b:c",
        ] {
            let error = parse(text).expect_err(text);
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
