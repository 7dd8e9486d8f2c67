//! What every request to the dashboard passes: who it is from, whether he may do that, and what a browser is told about the answer.

use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequest, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, LOCATION, ORIGIN, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::access::{By, Refused, Visitor};
use super::board::Board;
use super::listen::Peer;
use super::pages::{self, Told};
use crate::config::admin::Role;
use crate::telemetry::{AdminRefused, Event};

/// Scripts, styles and pictures of our own files, forms to ourselves, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
/// Nobody waits longer for a page: the store may be busy, or away.
const DEADLINE: Duration = Duration::from_secs(15);

/// What was sent may have been written nevertheless.
const TOO_LATE: &str = "Look again in a moment, before you send anything a second time.";

/// Lets in who may, with his name in the request; everything else is answered here.
pub(super) async fn gate(State(board): State<Board>, ConnectInfo(peer): ConnectInfo<Peer>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = match admit(&board, &peer, &path, &mut request) {
        Ok(()) => match tokio::time::timeout(DEADLINE, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Told::new(StatusCode::SERVICE_UNAVAILABLE, "The store did not answer in time", TOO_LATE).answer(&path),
        },
        Err(answer) => *answer,
    };
    protect(response.headers_mut(), path.starts_with("/assets/"));
    response
}

fn admit(board: &Board, peer: &Peer, path: &str, request: &mut Request) -> Result<(), Box<Response>> {
    let changes = ![Method::GET, Method::HEAD].contains(request.method());
    if changes && !is_of_our_own(request.headers()) {
        AdminRefused { why: "cross-site", path, client: peer.address }.emit();
        return Err(Box::new(
            Told::new(StatusCode::FORBIDDEN, "Another site has sent this", "Nothing was changed. Use the pages of the dashboard itself.")
                .answer(path),
        ));
    }
    if is_for_everybody(path) {
        return Ok(());
    }
    let visitor = board.access.visitor(request.headers(), peer, Instant::now()).map_err(|refused| {
        let asks_for = request.uri().path_and_query().map_or("/", |uri| uri.as_str());
        Box::new(turn_away(board, peer, path, if changes { "/" } else { asks_for }, &refused))
    })?;
    if changes && visitor.role < Role::Approver && path != LOGOUT {
        AdminRefused { why: "viewer", path, client: peer.address }.emit();
        let told = Told::new(StatusCode::FORBIDDEN, "That takes the role approver", "Nothing was changed: who has the role viewer may look.");
        return Err(Box::new(told.seen_by(&visitor).answer(path)));
    }
    request.extensions_mut().insert(visitor);
    Ok(())
}

/// Where one logs in and out.
pub(super) const LOGIN: &str = "/login";
pub(super) const LOGOUT: &str = "/logout";

fn is_for_everybody(path: &str) -> bool {
    path == LOGIN || path.starts_with("/assets/")
}

/// Browsers say where a request comes from; what says nothing is no browser, and its forms say what only our pages know.
fn is_of_our_own(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let own = headers.get(HOST).map(HeaderValue::as_bytes);
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host.as_bytes());
    own.is_some() && host == own
}

/// The answer to somebody who is not let in.
pub(super) fn turn_away(board: &Board, peer: &Peer, path: &str, asks_for: &str, refused: &Refused) -> Response {
    let no_role = if let Refused::NoRole(name) = refused { format!("No [[admin.user]] of the configuration is {name}.") } else { String::new() };
    let told = match refused {
        Refused::Unknown if board.access.has_login() && !path.starts_with("/api/") => {
            let next: String = serde_urlencoded::to_string([("next", asks_for)]).unwrap_or_default();
            return see_other(&format!("{LOGIN}?{next}"));
        }
        Refused::Unknown => {
            Told::new(StatusCode::UNAUTHORIZED, "You are not known here", "Send a token, a client certificate, or come by the proxy that knows you.")
        }
        Refused::WrongToken => {
            AdminRefused { why: "wrong-token", path, client: peer.address }.emit();
            Told::new(StatusCode::UNAUTHORIZED, "That is no token of this dashboard", "pgairlock admin token makes one.")
        }
        Refused::TooOften(wait) => {
            AdminRefused { why: "too-often", path, client: peer.address }.emit();
            let mut response = Told::new(StatusCode::TOO_MANY_REQUESTS, "Too many wrong tokens", "Wait a minute, then try again.").answer(path);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
            return response;
        }
        Refused::NoRole(_) => {
            AdminRefused { why: "no-role", path, client: peer.address }.emit();
            Told::new(StatusCode::FORBIDDEN, "You are known, but have no role here", &no_role)
        }
        Refused::WrongName => {
            AdminRefused { why: "wrong-name", path, client: peer.address }.emit();
            Told::new(StatusCode::UNAUTHORIZED, "The proxy says something that is no name", "Its header must come once, with 1 to 200 bytes of text.")
        }
        Refused::WrongHost => {
            AdminRefused { why: "wrong-host", path, client: peer.address }.emit();
            Told::new(StatusCode::FORBIDDEN, "Not under this name", "Without a login the dashboard is shown as localhost or by the address only.")
        }
    };
    let mut response = told.answer(path);
    if matches!(refused, Refused::Unknown | Refused::WrongToken) {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

pub(super) fn see_other(place: &str) -> Response {
    let place = HeaderValue::try_from(place).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response()
}

/// No Strict-Transport-Security: it would count for all ports of this host, and the others are not ours.
fn protect(headers: &mut HeaderMap, may_be_kept: bool) {
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(X_FRAME_OPTIONS, "DENY");
    // Same origin, not none: with none a browser sends its forms with the origin "null".
    set(REFERRER_POLICY, "same-origin");
    set(axum::http::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(axum::http::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(CACHE_CONTROL, if may_be_kept { "public, max-age=86400, immutable" } else { "no-store" });
}

/// A form that one of our pages has sent: by whom, and what. Take this in every handler of a POST; that the visitor is an approver has been seen to
/// by then, unless it is [`LOGOUT`].
pub(super) struct Posted<T> {
    pub(super) by: Visitor,
    pub(super) form: T,
}

#[derive(Deserialize)]
struct WithCsrf<T> {
    #[serde(default)]
    csrf: String,
    #[serde(flatten)]
    form: T,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Posted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let refuse = |title: &str, text: &str| Told::new(StatusCode::FORBIDDEN, title, text).answer(&path);
        let Some(by) = request.extensions().get::<Visitor>().cloned() else { return Err(refuse("You are not known here", "Nothing was changed.")) };
        let Form(WithCsrf { csrf, form }) = Form::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        // No browser sends a bearer token by itself.
        if by.by != By::Bearer && !by.has_sent(&csrf) {
            return Err(refuse("This form is too old", "Nothing was changed. Load the page again, and send it once more."));
        }
        Ok(Self { by, form })
    }
}

impl Told<'_> {
    /// As a page, or for programs.
    pub(super) fn answer(&self, path: &str) -> Response {
        if path.starts_with("/api/") {
            let message = format!("{}: {}", self.title, self.text);
            return (self.status, Json(json!({"version": 1, "error": message}))).into_response();
        }
        (self.status, pages::told(self)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn what_another_site_sends_is_told_by_the_browser() {
        let own = |pairs: &[(&str, &str)]| {
            is_of_our_own(&pairs.iter().map(|(name, value)| (HeaderName::try_from(*name).unwrap(), value.parse().unwrap())).collect())
        };
        let host = ("host", "gate.example:9187");
        assert!(own(&[host]) && own(&[host, ("sec-fetch-site", "same-origin")]) && own(&[host, ("origin", "https://gate.example:9187")]));
        for foreign in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example"), ("origin", "null")] {
            assert!(!own(&[host, foreign]), "{foreign:?}");
        }
        assert!(!own(&[("origin", "https://gate.example")]), "without a host nothing is our own");
    }
}
