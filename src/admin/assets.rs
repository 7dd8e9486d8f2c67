//! Style and script: in the binary, under names that change with them.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};

/// A file.
pub(super) struct Asset {
    /// Where it is served.
    pub(super) path: String,
    kind: &'static str,
    text: &'static str,
}

pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| asset("style", "css", "text/css; charset=utf-8", include_str!("assets/style.css")));
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| asset("script", "js", "text/javascript; charset=utf-8", include_str!("assets/script.js")));

fn asset(name: &str, ending: &str, kind: &'static str, text: &'static str) -> Asset {
    let mut path = format!("/assets/{name}-");
    for byte in digest(&SHA256, text.as_bytes()).as_ref().iter().take(6) {
        let _ = write!(path, "{byte:02x}");
    }
    Asset { path: format!("{path}.{ending}"), kind, text }
}

/// Serves one of them; the picture in the tab is none.
pub(super) async fn serve(uri: axum::http::Uri) -> Response {
    match [&*STYLE, &*SCRIPT].into_iter().find(|asset| asset.path == uri.path()) {
        Some(asset) => ([(CONTENT_TYPE, asset.kind)], asset.text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
