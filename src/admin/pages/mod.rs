//! The pages. All of them are made here, on the server; what they look like is in `assets`.

mod approval;
mod approvals;
mod diff;
mod drawing;
mod layout;
mod migration;
mod migrations;
mod parts;
mod record;
mod refusals;
mod search;
mod sessions;
mod work;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Query, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::access::Visitor;
use super::board::Board;
use super::{api, assets, deciding, gate, login};
use crate::store::StoreError;
pub(super) use approval::again as approval_again;
pub(super) use layout::{Here, login_page};
pub(super) use search::{Asked, Mark};

#[cfg(test)]
pub(super) use sessions::tests::session as a_session;

/// No form is longer.
const LONGEST_FORM: usize = 64 << 10;

/// All that the gate lets through; whoever adds a page adds it here and, if it is to be found, in [`Here`].
pub(super) fn routes(board: Board) -> Router {
    Router::new()
        .route("/", get(sessions::page))
        .route("/migrations", get(migrations::page))
        .route("/migrations/{entry}", get(migration::page))
        .route("/records/{id}", get(record::page))
        .route("/work", get(work::page))
        .route("/refusals", get(refusals::page))
        .route("/approvals", get(approvals::page))
        .route("/approvals/{fingerprint}", get(approval::page))
        .route("/approvals/{fingerprint}/approve", post(deciding::approve))
        .route("/approvals/{fingerprint}/revoke", post(deciding::revoke))
        .route("/search", get(search::page))
        .route(gate::LOGIN, get(login::page).post(login::log_in))
        .route(gate::LOGOUT, post(login::log_out))
        .route("/assets/{file}", get(assets::serve))
        .nest("/api/v1", api::routes())
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .layer(from_fn_with_state(board.clone(), gate::gate))
        .with_state(board)
}

async fn nowhere(visitor: Option<Extension<Visitor>>, uri: Uri) -> Response {
    let told = Told::new(StatusCode::NOT_FOUND, "There is no such page", "The pages there are stand above.");
    match &visitor {
        Some(Extension(visitor)) => told.seen_by(visitor).answer(uri.path()),
        None => told.answer(uri.path()),
    }
}

async fn not_so(uri: Uri) -> Response {
    Told::new(StatusCode::METHOD_NOT_ALLOWED, "Not in this way", "This page does not take what was sent.").answer(uri.path())
}

/// Something that is told in place of a page.
pub(super) struct Told<'a> {
    pub(super) status: StatusCode,
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    visitor: Option<&'a Visitor>,
}

impl<'a> Told<'a> {
    pub(super) fn new(status: StatusCode, title: &'a str, text: &'a str) -> Self {
        Self { status, title, text, visitor: None }
    }

    /// With the navigation of somebody who is known.
    pub(super) fn seen_by(self, visitor: &'a Visitor) -> Self {
        Self { visitor: Some(visitor), ..self }
    }
}

pub(super) fn told(told: &Told<'_>) -> Html<String> {
    let body = html! { h1 { (told.title) } p { (told.text) } p { a href="/" { "To the sessions" } } };
    layout::page(told.title, Here::Nowhere, told.visitor, &body)
}

/// A page that could not be made.
pub(super) struct Failed(StatusCode, String);

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, format!("The store: {error}."))
    }
}

impl Failed {
    /// There is no such thing.
    pub(super) fn nothing(what: String) -> Self {
        Self(StatusCode::NOT_FOUND, what)
    }

    /// What was asked for cannot be read.
    pub(super) fn wrong(what: String) -> Self {
        Self(StatusCode::BAD_REQUEST, what)
    }

    pub(super) fn answer(&self, visitor: &Visitor, path: &str) -> Response {
        let title = match self.0 {
            StatusCode::NOT_FOUND => "Nothing was found",
            StatusCode::BAD_REQUEST => "That cannot be read",
            _ => "The store could not be read",
        };
        Told::new(self.0, title, &self.1).seen_by(visitor).answer(path)
    }
}

/// A page, or what is told in its place.
fn shown(title: &str, here: Here, visitor: &Visitor, made: Result<Markup, Failed>) -> Response {
    match made {
        Ok(body) => layout::page(title, here, Some(visitor), &body).into_response(),
        Err(failed) => failed.answer(visitor, ""),
    }
}

/// What every page is handed.
type Asks = (State<Board>, Extension<Visitor>);

/// A query string in which a field is wrong is none.
fn asked<T: Default>(query: Result<Query<T>, axum::extract::rejection::QueryRejection>) -> T {
    query.map(|Query(asked)| asked).unwrap_or_default()
}
