//! The same for programs: JSON with the fields of the command line's.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::access::Visitor;
use super::board::{Board, now};
use super::live;
use super::pages::{Asked, Failed, Mark};
use crate::audit::approval;
use crate::audit::line::{Listing, Whole};
use crate::audit::record::DecisionId;
use crate::audit::time::utc;
use crate::deferred;
use crate::store::Wanted;

pub(super) fn routes() -> Router<Board> {
    Router::new()
        .route("/sessions", get(sessions))
        .route("/audit", get(audit))
        .route("/audit/{id}", get(record))
        .route("/deferred", get(deferred))
        .route("/approvals", get(approvals))
        .route("/rules", get(rules))
}

async fn sessions(State(board): State<Board>) -> Response {
    let sessions = (board.sessions)();
    Json(live::Listing::of(&sessions, now())).into_response()
}

#[derive(Serialize)]
struct Page<'a> {
    #[serde(flatten)]
    listing: Listing<'a>,
    /// The `before` of the next page; null behind the last.
    next: Option<String>,
}

async fn audit(State(board): State<Board>, Extension(visitor): Extension<Visitor>, query: Result<Query<Asked>, QueryRejection>) -> Response {
    answer(&visitor, audit_page(&board, query).await)
}

async fn audit_page(board: &Board, query: Result<Query<Asked>, QueryRejection>) -> Result<Response, Failed> {
    let Query(asked) = query.map_err(|error| Failed::wrong(error.body_text()))?;
    let search = asked.search(now()).map_err(Failed::wrong)?;
    let most = search.most;
    let found = board.store.search(search).await?;
    Ok(Json(Page { listing: Listing::of(&found), next: asked.next(&found, most) }).into_response())
}

async fn record(State(board): State<Board>, Extension(visitor): Extension<Visitor>, Path(id): Path<String>) -> Response {
    answer(&visitor, whole(&board, &id).await)
}

async fn whole(board: &Board, id: &str) -> Result<Response, Failed> {
    let id: DecisionId = id.parse().map_err(Failed::wrong)?;
    let story = board.store.story(id).await?.ok_or_else(|| Failed::nothing(format!("the log has no decision {id}")))?;
    Ok(Json(Whole::of(&story)).into_response())
}

async fn deferred(State(board): State<Board>, Extension(visitor): Extension<Visitor>) -> Response {
    let pending = board.store.pending(Wanted::All).await;
    let made = pending.map(|pending| Json(deferred::listing::Listing::of(&pending, utc)).into_response());
    answer(&visitor, made.map_err(Failed::from))
}

/// How many statements are listed when nothing else is said.
const APPROVALS: u32 = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct From {
    before: String,
}

#[derive(Serialize)]
struct Requests<'a> {
    #[serde(flatten)]
    listing: approval::Listing<'a>,
    /// The `before` of the next page; null behind the last.
    next: Option<String>,
}

async fn approvals(State(board): State<Board>, Extension(visitor): Extension<Visitor>, Query(From { before }): Query<From>) -> Response {
    answer(&visitor, requests(&board, &before).await)
}

async fn requests(board: &Board, before: &str) -> Result<Response, Failed> {
    let before = Mark::read(before).map_err(Failed::wrong)?;
    let found = board.store.requests(before.map(|Mark(at, id)| (at, id)), APPROVALS).await?;
    let is_full = found.len() >= usize::try_from(APPROVALS).unwrap_or(usize::MAX);
    let next = found.last().filter(|_| is_full).map(|last| Mark(last.at_unix_micros, last.decision).to_string());
    Ok(Json(Requests { listing: approval::Listing::of(&found), next }).into_response())
}

async fn rules(State(board): State<Board>) -> Response {
    ([(CONTENT_TYPE, "application/json")], board.rules.to_string()).into_response()
}

fn answer(visitor: &Visitor, made: Result<Response, Failed>) -> Response {
    made.unwrap_or_else(|failed| failed.answer(visitor, "/api/"))
}
