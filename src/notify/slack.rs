//! The body for people: what an incoming webhook of Slack takes. Others that do as Slack does show `text` alone, so all that matters stands there too.
//!
//! Names and SQL come from whoever may connect. `&`, `<` and `>` are escaped, so that `<!channel>` and links are only letters; an `@` in prose gets
//! an invisible neighbour, for those who read `@here` in plain text; backticks neither begin code nor end what they stand in.

use serde_json::{Value, json};

use super::event::{AfterCommitFailed, ApprovalWanted, Event, Finished, Notification, Refused, RunResult, Started, Who};

/// Slack refuses a text of a block that is longer than 3000 characters.
const LONGEST: usize = 2900;
/// A name in a sentence.
const NAME: usize = 200;
/// So much SQL is worth to be read in a channel.
const SQL: usize = 1500;
/// So many migrations are named.
const MOST_NAMED: usize = 10;
/// Nobody sees it, and it parts what it stands in.
const APART: char = '\u{200b}';

/// A message before it is laid out. Everything in it is escaped.
struct Card {
    head: String,
    lines: Vec<String>,
    code: Option<String>,
    foot: String,
}

pub(super) fn body(notification: &Notification) -> String {
    let card = match &notification.event {
        Event::MigrationStarted(started) => of_started(started),
        Event::MigrationFinished(finished) => of_finished(finished),
        Event::Refused(refused) => of_refused(refused),
        Event::ApprovalWanted(wanted) => of_wanted(wanted),
        Event::AfterCommitFailed(failed) => of_failed(failed),
        Event::Test(test) => Card {
            head: format!("✅ pgairlock: a test of the webhook {}", name(&test.webhook)),
            lines: vec!["Messages of pgairlock arrive here.".into()],
            code: None,
            foot: String::new(),
        },
    };
    card.laid_out().to_string()
}

fn of_started(started: &Started) -> Card {
    let by = started.tool.as_deref().map_or_else(String::new, |tool| format!(" by {}", name(tool)));
    Card {
        head: format!("▶️ *Migration started*{by} in {}", name(&started.who.database)),
        lines: Vec::new(),
        code: Some(code(&started.sql)),
        foot: foot(&started.who, &format!("run {}", started.run)),
    }
}

fn of_finished(finished: &Finished) -> Card {
    let (mark, how) = match finished.result {
        RunResult::Ok => ("✅", "finished"),
        RunResult::Failed => ("❌", "failed"),
    };
    let by = finished.tool.as_deref().map_or_else(String::new, |tool| format!(" by {}", name(tool)));
    let mut counts = vec![plural(finished.statements, "statement"), format!("in {}", took(finished.duration_ms))];
    for (number, what) in [(finished.failed, "failed"), (finished.refused, "refused"), (finished.after_commit_failed, "failed after COMMIT")] {
        if number > 0 {
            counts.push(format!("{number} {what}"));
        }
    }
    let mut lines: Vec<String> = finished.reason.iter().map(|reason| format!("Why: {}", prose(reason, LONGEST))).collect();
    lines.extend(finished.migrations.iter().take(MOST_NAMED).map(|migration| {
        let called = migration.name.as_deref().map_or_else(String::new, |called| format!(" {}", name(called)));
        let done = if migration.done { "" } else { ", not done" };
        let direction = if migration.direction == "unknown" { String::new() } else { format!(" {}", prose(&migration.direction, NAME)) };
        format!("• {}{called}{direction}{done}", name(&migration.version))
    }));
    if finished.migrations.len() > MOST_NAMED {
        lines.push(format!("• … and {} more", finished.migrations.len() - MOST_NAMED));
    }
    lines.push(counts.join(", "));
    let which = format!("run {}", finished.run);
    Card { head: format!("{mark} *Migration {how}*{by} in {}", name(&finished.who.database)), lines, code: None, foot: foot(&finished.who, &which) }
}

fn of_refused(refused: &Refused) -> Card {
    let by = if refused.rules.is_empty() { String::new() } else { format!(" by {}", names(&refused.rules)) };
    let on = refused.table.as_deref().map_or_else(String::new, |table| format!(" on {}", name(table)));
    let head = if refused.repeated == 0 {
        format!("⛔ *Refused*{by}{on} in {}", name(&refused.who.database))
    } else {
        format!("⛔ … *and {} more refused*{by} in {}, the last{on}", refused.repeated, name(&refused.who.database))
    };
    Card {
        head,
        lines: vec![prose(&refused.message, LONGEST / 2), prose(&refused.way_through, LONGEST / 2)],
        code: Some(code(&refused.sql)),
        foot: foot(&refused.who, &format!("decision {}", refused.decision)),
    }
}

fn of_wanted(wanted: &ApprovalWanted) -> Card {
    let on = wanted.table.as_deref().map_or_else(String::new, |table| format!(" on {}", name(table)));
    let by = if wanted.rules.is_empty() { String::new() } else { format!(" ({})", names(&wanted.rules)) };
    let mut lines = vec![prose(&wanted.message, LONGEST / 2), format!("To approve: {}", prose(&wanted.approve, LONGEST / 3))];
    lines.push(if wanted.waits { "It waits for that.".to_owned() } else { "Then the migration is to be run again.".to_owned() });
    Card {
        head: format!("✋ *Approval wanted*{on} in {}{by}", name(&wanted.who.database)),
        lines,
        code: Some(code(&wanted.sql)),
        foot: foot(&wanted.who, &format!("request {}", wanted.request)),
    }
}

fn of_failed(failed: &AfterCommitFailed) -> Card {
    let on = failed.table.as_deref().map_or_else(String::new, |table| format!(" on {}", name(table)));
    let of = if failed.who.database.is_empty() { String::new() } else { format!(" in {}", name(&failed.who.database)) };
    Card {
        head: format!("⚠️ *Work after COMMIT failed*{on}{of}"),
        lines: vec![format!("{} {}", name(&failed.sqlstate), prose(&failed.error, LONGEST / 2)), prose(&failed.what_to_do, LONGEST / 2)],
        code: Some(failed.operation.join(";\n")).filter(|sql| !sql.is_empty()).map(|sql| code(&sql)),
        foot: foot(&failed.who, &format!("promise {}", failed.promise)),
    }
}

impl Card {
    fn laid_out(self) -> Value {
        let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}});
        let mut blocks = vec![section(&self.head)];
        let lines = cut(self.lines.join("\n"), LONGEST);
        if !lines.is_empty() {
            blocks.push(section(&lines));
        }
        blocks.extend(self.code.as_deref().map(section));
        if !self.foot.is_empty() {
            blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": self.foot, "verbatim": true}]}));
        }
        let text = [self.head, lines, self.code.unwrap_or_default(), self.foot].into_iter().filter(|part| !part.is_empty());
        json!({"text": text.collect::<Vec<_>>().join("\n"), "blocks": blocks, "unfurl_links": false, "unfurl_media": false})
    }
}

/// Of whom it is, and its number.
fn foot(who: &Who, number: &str) -> String {
    let mut parts = vec![prose(number, NAME)];
    if !who.role.is_empty() {
        parts.push(format!("role {}", name(&who.role)));
    }
    parts.extend(who.application_name.as_deref().map(|application| format!("application {}", name(application))));
    parts.extend(who.client.as_deref().map(|client| format!("from {}", name(client))));
    parts.join(" · ")
}

/// In a sentence, as code.
fn name(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| {
            if c == '`' {
                '\''
            } else if c.is_control() {
                ' '
            } else {
                c
            }
        })
        .collect();
    if plain.trim().is_empty() { "(none)".into() } else { format!("`{}`", escaped(plain.trim(), NAME, false)) }
}

fn names(all: &[String]) -> String {
    all.iter().map(|one| name(one)).collect::<Vec<_>>().join(", ")
}

/// A sentence of others.
fn prose(text: &str, longest: usize) -> String {
    escaped(text, longest, true)
}

/// SQL in a block of its own.
fn code(sql: &str) -> String {
    // What would end the block is parted; newlines stay.
    let parted = sql.replace("``", &format!("`{APART}`"));
    format!("```\n{}\n```", escaped(&parted, SQL, false))
}

/// Escaped as Slack wants it, and not longer than this behind that, `…` included.
fn escaped(text: &str, longest: usize, apart: bool) -> String {
    let mut out = String::new();
    let mut length = 0;
    for c in text.chars() {
        let letter = match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '@' if apart => format!("@{APART}"),
            '`' if apart => "'".to_owned(),
            c if c.is_control() && c != '\n' => " ".to_owned(),
            c => c.to_string(),
        };
        length += letter.chars().count();
        if length >= longest {
            out.push('…');
            return out;
        }
        out.push_str(&letter);
    }
    out
}

/// Of lines that are escaped already: at the end of a line.
fn cut(lines: String, longest: usize) -> String {
    if lines.chars().count() <= longest {
        return lines;
    }
    let mut length = 0;
    let kept = lines.split('\n').take_while(|line| {
        length += line.chars().count() + 1;
        length < longest
    });
    kept.chain(["…"]).collect::<Vec<_>>().join("\n")
}

fn plural(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn took(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..120_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => format!("{} min", millis / 60_000),
    }
}

#[cfg(test)]
#[path = "slack_tests.rs"]
mod tests;
