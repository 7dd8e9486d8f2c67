//! What an approver says on the dashboard: read from his form, and written to the log under the name that he is known by.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::access::{By, Visitor};
use super::board::{Board, now};
use super::gate::{Posted, see_other};
use super::listen::Peer;
use super::pages::{Failed, approval_again};
use crate::audit::approval::{self, Approval, MOST_USES, Request, Revocation};
use crate::audit::record::DecisionId;
use crate::config::units;
use crate::store::StoreError;
use crate::telemetry::{AdminDecided, Event};

/// What the page is told afterwards, in its address.
pub(super) const APPROVED: &str = "approved";
pub(super) const REVOKED: &str = "revoked";

/// An approval as it was written into the form. Numbers come as text, so that what is wrong with them can be told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Draft {
    pub(super) reason: String,
    pub(super) expires: String,
    pub(super) uses: String,
    pub(super) seen: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Back {
    word: String,
    #[serde(default)]
    reason: String,
}

/// Why nothing was written.
pub(super) enum Wrong {
    /// The form is; how.
    Form(String),
    /// Somebody else has said something since the page was made: look again. So is the second of two clicks.
    Meanwhile,
    /// There is no such statement, or no store.
    Page(Failed),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(why) => write!(f, "Nothing was written: {why}."),
            Self::Meanwhile => {
                f.write_str("Nothing was written: somebody (or your first click) has said something since you opened the page. It stands below.")
            }
            Self::Page(_) => Ok(()),
        }
    }
}

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Self {
        Self::Page(error.into())
    }
}

/// What somebody saw of a statement when he decided: how many had said something, and how many of them had taken it back.
pub(super) struct Seen(usize, usize);

impl Seen {
    pub(super) fn of(request: &Request) -> Self {
        Self(request.words.len(), request.words.iter().filter(|word| word.revoked).count())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl maud::Render for Seen {
    fn render(&self) -> maud::Markup {
        maud::html! { (self.to_string()) }
    }
}

impl Draft {
    /// As it is written to the log.
    fn approval(&self, fingerprint: &str, visitor: &Visitor, now: i64) -> Result<Approval, String> {
        let (by, known_by) = signer(visitor)?;
        let named = |name: &'static str| move |why: String| format!("{name} {why}");
        let expires = if self.expires.trim().is_empty() { Ok(approval::USUAL) } else { units::duration(self.expires.trim()) };
        let expires = expires.and_then(approval::lasting).map_err(named("the time"))?;
        let uses = if self.uses.trim().is_empty() { Ok(1) } else { self.uses.trim().parse() };
        let uses =
            uses.ok().filter(|uses| (1..=MOST_USES).contains(uses)).ok_or_else(|| format!("the runs are not a number from 1 to {MOST_USES}"))?;
        Ok(Approval {
            fingerprint: fingerprint.to_owned(),
            by,
            known_by: known_by.to_owned(),
            reason: approval::reason(&self.reason).map_err(named("the reason"))?,
            expires_unix_micros: now.saturating_add(micros(expires)),
            uses,
        })
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Who says it, and how that is known; as [`Approval::known_by`] has it.
fn signer(visitor: &Visitor) -> Result<(String, &'static str), String> {
    let known_by = match visitor.by {
        By::Bearer | By::Cookie => "token",
        By::Certificate => "certificate",
        By::Proxy => "header",
        By::Nothing => return Err("it is not known who you are".into()),
    };
    let name = visitor.name.clone().ok_or("it is not known who you are")?;
    Ok((name, known_by))
}

/// The statement with this fingerprint, or the one whose fingerprint begins so.
pub(super) async fn request(board: &Board, fingerprint: &str) -> Result<Request, Failed> {
    let fingerprint = approval::fingerprint(fingerprint).map_err(|why| Failed::wrong(format!("The fingerprint {why}.")))?;
    let mut found = board.store.request(fingerprint.clone()).await?;
    match (found.len(), found.pop()) {
        (1, Some(request)) => Ok(request),
        (0, _) => Err(Failed::nothing(format!("No statement of the fingerprint {fingerprint} was refused, as far as this log goes back."))),
        _ => Err(Failed::wrong(format!("Several fingerprints begin with {fingerprint}; give more digits."))),
    }
}

pub(super) async fn approve(
    State(board): State<Board>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(fingerprint): Path<String>,
    Posted { by, form }: Posted<Draft>,
) -> Response {
    let work = {
        let (board, fingerprint, by, form) = (board.clone(), fingerprint.clone(), by.clone(), form.clone());
        async move {
            let entry = write_approval(&board, &fingerprint, &by, &form).await?;
            tell(APPROVED, &fingerprint, entry, &by, &peer);
            Ok(())
        }
    };
    match by_turn(&board, work).await {
        Ok(()) => see_other(&format!("/approvals/{fingerprint}?said={APPROVED}")),
        Err(wrong) => approval_again(&board, &by, &fingerprint, &form, &wrong).await,
    }
}

async fn write_approval(board: &Board, fingerprint: &str, by: &Visitor, draft: &Draft) -> Result<DecisionId, Wrong> {
    let request = request(board, fingerprint).await.map_err(Wrong::Page)?;
    let approval = draft.approval(&request.fingerprint, by, now()).map_err(Wrong::Form)?;
    // A program that sends a token need not have seen a page.
    let has_seen = draft.seen == Seen::of(&request).to_string() || by.by == By::Bearer && draft.seen.is_empty();
    if !has_seen {
        return Err(Wrong::Meanwhile);
    }
    Ok(board.store.approve(approval).await?)
}

pub(super) async fn revoke(
    State(board): State<Board>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(fingerprint): Path<String>,
    Posted { by, form }: Posted<Back>,
) -> Response {
    let work = {
        let (board, fingerprint, by) = (board.clone(), fingerprint.clone(), by.clone());
        async move {
            let entry = write_revocation(&board, &fingerprint, &by, &form).await?;
            tell(REVOKED, &fingerprint, entry, &by, &peer);
            Ok(())
        }
    };
    match by_turn(&board, work).await {
        Ok(()) => see_other(&format!("/approvals/{fingerprint}?said={REVOKED}")),
        Err(wrong) => approval_again(&board, &by, &fingerprint, &Draft::default(), &wrong).await,
    }
}

async fn write_revocation(board: &Board, fingerprint: &str, by: &Visitor, back: &Back) -> Result<DecisionId, Wrong> {
    let request = request(board, fingerprint).await.map_err(Wrong::Page)?;
    let (by, known_by) = signer(by).map_err(Wrong::Form)?;
    let reason = approval::reason(&back.reason).map_err(|why| Wrong::Form(format!("the reason {why}")))?;
    let word = request.words.iter().find(|word| word.id.to_string() == back.word);
    let word = word.ok_or_else(|| Wrong::Form("that is no approval of this statement".into()))?;
    if word.revoked {
        return Err(Wrong::Meanwhile);
    }
    Ok(board.store.revoke(Revocation { approval: word.id, by, known_by: known_by.to_owned(), reason }).await?)
}

/// One after the other: two clicks are one approval. What is begun comes to its end before the next, also when the browser has gone, or the page takes
/// longer than anybody waits.
async fn by_turn(board: &Board, work: impl Future<Output = Result<(), Wrong>> + Send + 'static) -> Result<(), Wrong> {
    let turn = Arc::clone(&board.deciding).lock_owned().await;
    let ended = tokio::spawn(async move {
        let ended = work.await;
        drop(turn);
        ended
    });
    ended.await.unwrap_or_else(|_| Err(Wrong::Form("it ended unexpectedly; look at this page again".into())))
}

fn tell(what: &'static str, fingerprint: &str, entry: DecisionId, by: &Visitor, peer: &Peer) {
    AdminDecided { what, fingerprint, entry, name: by.name.as_deref().unwrap_or_default(), client: peer.address }.emit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::admin::Role;

    fn visitor(by: By) -> Visitor {
        Visitor { name: (by != By::Nothing).then(|| "adam".to_owned()), role: Role::Approver, by, csrf: String::new() }
    }

    fn draft(reason: &str, expires: &str, uses: &str) -> Draft {
        Draft { reason: reason.into(), expires: expires.into(), uses: uses.into(), seen: "0-0".into() }
    }

    #[test]
    fn an_approval_is_of_whom_the_dashboard_knows_and_says_how() {
        for (by, known_by) in [(By::Bearer, "token"), (By::Cookie, "token"), (By::Proxy, "header"), (By::Certificate, "certificate")] {
            let approval = draft(" unread ", "1h", "3").approval("f", &visitor(by), 5).unwrap();
            assert_eq!((approval.by.as_str(), approval.known_by.as_str(), approval.reason.as_str()), ("adam", known_by, "unread"));
            assert_eq!((approval.expires_unix_micros, approval.uses), (3_600_000_005, 3));
        }
        assert!(draft("unread", "", "").approval("f", &visitor(By::Nothing), 5).is_err());
        let usual = draft("unread", "", "").approval("f", &visitor(By::Cookie), 0).unwrap();
        assert_eq!((usual.expires_unix_micros, usual.uses), (24 * 3_600_000_000, 1));
    }

    #[test]
    fn what_is_wrong_with_a_form_is_told() {
        let cases = [
            (" ", "24h", "1", "the reason is empty"),
            ("r", "0s", "1", "the time is not between"),
            ("r", "91d", "1", "the time is not between"),
            ("r", "soon", "1", "is not a duration"),
            ("r", "24h", "0", "the runs are not a number from 1 to 100"),
            ("r", "24h", "101", "the runs"),
            ("r", "24h", "two", "the runs"),
        ];
        for (reason, expires, uses, why) in cases {
            let told = draft(reason, expires, uses).approval("f", &visitor(By::Cookie), 0).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
