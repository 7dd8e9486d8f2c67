//! Logging in with a token, and out.

use std::time::Instant;

use axum::extract::{ConnectInfo, Form, Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::access::{COOKIE_SECONDS, Refused, cookie_name};
use super::board::Board;
use super::gate::{LOGIN, Posted, see_other, turn_away};
use super::listen::Peer;
use super::pages::login_page;
use crate::telemetry::{AdminLoggedIn, AdminRefused, Event};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Next {
    next: String,
}

#[derive(Deserialize)]
pub(super) struct Login {
    token: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn page(State(board): State<Board>, Query(Next { next }): Query<Next>) -> Response {
    if !board.access.has_login() {
        return see_other("/");
    }
    login_page(within(&next), None).into_response()
}

pub(super) async fn log_in(
    State(board): State<Board>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    Form(login): Form<Login>,
) -> Response {
    if !board.access.has_login() {
        return see_other("/");
    }
    // Who logs in again leaves no session behind.
    board.access.log_out(&headers);
    match board.access.log_in(login.token.trim(), peer.address, Instant::now()) {
        Ok((token, cookie)) => {
            AdminLoggedIn { name: &token.name, role: token.role.label(), client: peer.address }.emit();
            let mut response = see_other(within(&login.next));
            set_cookie(&mut response, &cookie, COOKIE_SECONDS, board.access.is_secure(&headers, &peer));
            response
        }
        Err(Refused::WrongToken) => {
            AdminRefused { why: "wrong-token", path: LOGIN, client: peer.address }.emit();
            (StatusCode::FORBIDDEN, login_page(within(&login.next), Some("That is no token of this dashboard."))).into_response()
        }
        Err(refused) => turn_away(&board, &peer, LOGIN, "/", &refused),
    }
}

pub(super) async fn log_out(
    State(board): State<Board>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    _posted: Posted<Nothing>,
) -> Response {
    board.access.log_out(&headers);
    let mut response = see_other(LOGIN);
    set_cookie(&mut response, "", 0, board.access.is_secure(&headers, &peer));
    response
}

fn set_cookie(response: &mut Response, value: &str, seconds: u64, secure: bool) {
    let more = if secure { "; Secure" } else { "" };
    let cookie = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{more}", cookie_name(secure));
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// A place of this dashboard: nobody is led elsewhere by a link to the login.
fn within(next: &str) -> &str {
    let is_place = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    if is_place { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for place in ["/", "/records/3-118", "/search?rule=drop-table"] {
            assert_eq!(within(place), place);
        }
        for place in ["", "https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example"] {
            assert_eq!(within(place), "/", "{place}");
        }
    }
}
