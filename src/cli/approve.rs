//! `pgairlock approve`: lets one refused statement through, takes that back, or lists what waits for it.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;

use super::deferred::{Ended, Format, Place, now, one_line, say, utc, with_store};
use super::{FAILURE, SUCCESS, USAGE};
use crate::audit::approval::{self, Approval, Listing, MOST_USES, Request, Revocation, Word, Worth, short};
use crate::config::units;
use crate::store::Store;

/// So many statements are listed.
const LISTED: u32 = 50;

/// Flags of `approve`.
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    place: Place,
    /// The statement, as the refusal names it; without it, what was refused and may be approved is listed
    #[arg(value_name = "FINGERPRINT", value_parser = approval::fingerprint)]
    fingerprint: Option<String>,
    /// Why it may run; kept in the log
    #[arg(long, value_name = "TEXT", requires = "fingerprint", value_parser = approval::reason)]
    reason: Option<String>,
    /// Who says so [default: the user of this command]
    #[arg(long, value_name = "NAME", requires = "fingerprint", value_parser = approval::name)]
    by: Option<String>,
    /// Until when: at most 90d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = lasting)]
    expires: Duration,
    /// How often: a statement that fails or is rolled back has not used it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=MOST_USES))]
    uses: i64,
    /// Takes back what was said of this statement, as far as nobody has used it
    #[arg(long, requires = "fingerprint")]
    revoke: bool,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

fn lasting(text: &str) -> Result<Duration, String> {
    approval::lasting(units::duration(text)?)
}

/// Runs the command; returns the exit code.
pub(super) fn run(args: ApproveArgs) -> u8 {
    let place = args.place.clone();
    with_store(&place, async |store, _| match &args.fingerprint {
        None => list(&store, args.format).await,
        Some(fingerprint) => decide(&store, fingerprint, &args).await,
    })
}

async fn decide(store: &Store, fingerprint: &str, args: &ApproveArgs) -> Result<u8, Ended> {
    let Some(reason) = &args.reason else { return Err(Ended(USAGE, "--reason is missing: say why; it stands in the log".into())) };
    let request = one(store.request(fingerprint.to_owned()).await?, fingerprint)?;
    let by = args.by.clone().or_else(user).ok_or_else(|| Ended(USAGE, "it is not known who you are: give --by NAME".into()))?;
    if args.revoke { revoke(store, &request, &by, reason).await } else { approve(store, &request, by, reason, args).await }
}

fn one(mut found: Vec<Request>, fingerprint: &str) -> Result<Request, Ended> {
    match (found.len(), found.pop()) {
        (1, Some(request)) => Ok(request),
        (0, _) => Err(Ended(
            USAGE,
            format!(
                "no statement of the fingerprint {fingerprint} was refused; `pgairlock approve` alone lists those that were. Is it the store of that pgairlock?"
            ),
        )),
        _ => Err(Ended(USAGE, format!("several fingerprints begin with {fingerprint}; give more digits"))),
    }
}

/// The login name; only to know who it was, never to let anybody in.
fn user() -> Option<String> {
    ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).filter(|name| !name.is_empty())
}

async fn approve(store: &Store, request: &Request, by: String, reason: &str, args: &ApproveArgs) -> Result<u8, Ended> {
    let expires_unix_micros = now().saturating_add(i64::try_from(args.expires.as_micros()).unwrap_or(i64::MAX));
    let approval = Approval {
        fingerprint: request.fingerprint.clone(),
        by: by.clone(),
        known_by: "command".into(),
        reason: reason.to_owned(),
        expires_unix_micros,
        uses: args.uses,
    };
    let id = store.approve(approval).await?;
    let words = store.request(request.fingerprint.clone()).await?.pop().unwrap_or_else(|| request.clone());
    let missing = words.missing(now());
    let times = if args.uses == 1 { "once".to_owned() } else { format!("{} times", args.uses) };
    let mut out = format!("approved by {by} (entry {id}): {}\n", one_line(&request.head));
    let _ = writeln!(out, "as {} in {}, {times}, until {}", request.role, request.database, utc(expires_unix_micros));
    if missing > 0 {
        let _ = writeln!(out, "{missing} more {} to approve it", if missing == 1 { "person has" } else { "persons have" });
    }
    say(&out);
    Ok(SUCCESS)
}

async fn revoke(store: &Store, request: &Request, by: &str, reason: &str) -> Result<u8, Ended> {
    let now = now();
    let in_force: Vec<&Word> = request.words.iter().filter(|word| word.is_in_force(now)).collect();
    if in_force.is_empty() {
        return Err(Ended(FAILURE, format!("nothing is in force for {}", short(&request.fingerprint))));
    }
    for word in in_force {
        store.revoke(Revocation { approval: word.id, by: by.to_owned(), known_by: "command".into(), reason: reason.to_owned() }).await?;
        say(&format!("taken back: what {} said (entry {})\n", word.by, word.id));
    }
    Ok(SUCCESS)
}

async fn list(store: &Store, format: Format) -> Result<u8, Ended> {
    let requests = store.requests(None, LISTED).await?;
    match format {
        Format::Json => {
            let document = serde_json::to_string_pretty(&Listing::of(&requests));
            say(&(document.map_err(|error| Ended(USAGE, error.to_string()))? + "\n"));
        }
        Format::Text if requests.is_empty() => say("nothing was refused that may be approved\n"),
        Format::Text => say(&text(&requests, now())),
    }
    Ok(SUCCESS)
}

fn text(requests: &[Request], now: i64) -> String {
    let mut out = String::new();
    for request in requests {
        let state = match (request.is_approved(now), request.in_force(now).len()) {
            (true, _) => "approved".to_owned(),
            (false, 0) => "not approved".to_owned(),
            (false, some) => format!("approved by {some} of {}", request.people),
        };
        let _ = writeln!(out, "{}  {state}", short(&request.fingerprint));
        let times = if request.times == 1 { String::new() } else { format!(", {} times", request.times) };
        let _ = writeln!(
            out,
            "    refused {}{times} as {} in {} (decision {}): {}",
            utc(request.at_unix_micros),
            request.role,
            request.database,
            request.decision,
            request.rules
        );
        let _ = writeln!(out, "    {}", one_line(&request.head));
        for word in &request.words {
            let _ = writeln!(out, "    {}", told(word, now));
        }
    }
    out
}

fn told(word: &Word, now: i64) -> String {
    let state = match word.worth(now) {
        Worth::Revoked => match &word.taken_back {
            Some(back) => format!("taken back by {}: {}", one_line(&back.by), one_line(&back.reason)),
            None => "taken back".to_owned(),
        },
        Worth::Used => "used".to_owned(),
        Worth::Taken => "taken by a transaction that has not ended".to_owned(),
        Worth::Expired => format!("expired {}", utc(word.expires_unix_micros)),
        Worth::InForce => format!("{} of {} left, until {}", word.left, word.uses, utc(word.expires_unix_micros)),
    };
    format!("{} ({state}): {}", one_line(&word.by), one_line(&word.reason))
}
