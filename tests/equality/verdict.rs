//! Whether one migration, sent in one shape, came to the same on both sides.
//!
//! * A statement that the proxy refuses is, for the direct run, one that fails in its place.
//! * Where something failed after a COMMIT, it was told, and once the rows are mended `deferred run` leads to the schema of the whole migration.
//! * Everything else: the same answers, the same schema, the same rows.

use std::collections::BTreeMap;

use super::case::Case;
use super::lane::{Lane, Run};
use super::shape::{Piece, Shape};
use super::support::frontend::Reply;
use super::tally::Tally;

/// Direct runs of a case, by what was sent.
pub(super) type Known = BTreeMap<(Shape, Vec<Piece>), Run>;

/// What is counted, and what is wrong.
pub(super) async fn judge(lane: &Lane, case: &Case, shape: Shape, known: &mut Known) -> (Tally, Result<(), String>) {
    let run = match lane.through_the_proxy(case, shape).await {
        Ok(run) => run,
        Err(why) => return (Tally::default(), Err(why)),
    };
    let mut tally = Tally::of(case, shape, &run.replies);
    let failed_late = run.replies.iter().any(is_told_late);
    let result = if failed_late { late(lane, case, shape, &run).await } else { same(lane, case, shape, &run, known).await };
    tally.late = usize::from(failed_late);
    let promised = lane.promised().await;
    lane.forget();
    (tally, result.and_then(|()| if promised.is_empty() { Ok(()) } else { Err(format!("left in the store: {}", promised.join("\n"))) }))
}

async fn same(lane: &Lane, case: &Case, shape: Shape, run: &Run, known: &mut Known) -> Result<(), String> {
    let is_refused = |reply: &Reply| is_refused(reply) || shape == Shape::OneBatch && wants_no_block(reply);
    let pieces = replaced(shape.pieces(&case.migration), &run.replies, is_refused);
    let key = (shape, pieces.clone());
    if !known.contains_key(&key) {
        let direct = lane.directly(case, shape, &pieces).await?;
        known.insert(key.clone(), direct);
    }
    let direct = &known[&key];
    if shape == Shape::OneBatch && direct.replies.iter().any(wants_a_block) {
        return Ok(());
    }
    let (mut wrong, mut is_later) = (Vec::new(), false);
    for (at, piece) in shape.pieces(&case.migration).iter().enumerate() {
        let sql = piece.join("; ");
        let (ours, native) = (&run.replies[at], &direct.replies[at]);
        if is_found_later(&run.replies[..=at], native) {
            // Something else has ended the transaction, so that nobody ever looked.
            if run.replies.last().is_some_and(|last| last.tags == ["ROLLBACK"] || !last.errors.is_empty()) {
                is_later = true;
                break;
            }
            return late(lane, case, shape, run).await;
        }
        if !is_refused(ours) && heard(ours) != heard(native) && !is_another_fault(&sql, shape, ours, native) {
            wrong.push(format!("{sql}\n  directly: {}\n  proxy:    {}", heard(native), heard(ours)));
        }
    }
    // In a batch that is refused as a whole something may have spoken before.
    let refused_as_a_whole = shape == Shape::OneBatch && run.replies.iter().any(is_refused);
    if !is_later && !refused_as_a_whole {
        wrong.extend(difference(&said(&direct.replies), &said(&run.replies)));
    }
    wrong.extend(difference(&meant(&direct.catalog, case), &meant(&run.catalog, case)));
    wrong.extend(difference(&direct.contents, &run.contents));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Rows that are not allowed, of which the proxy says nothing yet: what would have found them was left for after the COMMIT, here or before.
fn is_found_later(ours: &[Reply], native: &Reply) -> bool {
    let deferred = ours.iter().flat_map(|reply| &reply.notices).any(|notice| notice.starts_with("pgairlock [") && notice.contains("after COMMIT: "));
    deferred && (is_about_rows(native) || is_too_early(native)) && !ours.last().is_some_and(is_about_rows)
}

/// Both have failed. Which of several faults is found first is nobody's promise: in a transaction rows are searched before the server sees the
/// statement, and of what a statement asks for another part may be looked at first.
fn is_another_fault(sql: &str, shape: Shape, ours: &Reply, native: &Reply) -> bool {
    let several = sql.contains(", ADD ") || sql.contains(", ALTER ") || sql.contains(", VALIDATE ");
    let of_key = sql.contains("PRIMARY KEY") && (is_about_rows(ours) || is_about_rows(native));
    let searched = !matches!(shape, Shape::Autocommit | Shape::Extended) && is_about_rows(ours);
    let both_fail = !ours.errors.is_empty() && !native.errors.is_empty();
    both_fail && (searched || several || of_key)
}

/// At the head of a batch the server refuses what needs a transaction (SAVEPOINT, LOCK TABLE); behind another statement of the batch, be it a
/// question of ours, some versions take it. What a batch does then is not to be compared.
fn wants_a_block(reply: &Reply) -> bool {
    reply.errors.iter().any(|(sqlstate, _)| sqlstate == "25P01")
}

/// And what it takes only there (VACUUM, REINDEX of what is partitioned) it refuses behind a question of ours: as a refusal, nothing of the batch is done.
fn wants_no_block(reply: &Reply) -> bool {
    reply.errors.iter().any(|(sqlstate, _)| sqlstate == "25001")
}

/// Rows of the same transaction wait to be checked, and what would lock their table for good cannot run: after the COMMIT it can.
fn is_too_early(reply: &Reply) -> bool {
    reply.errors.iter().any(|(sqlstate, _)| sqlstate == "55006")
}

/// Integrity constraint violation.
fn is_about_rows(reply: &Reply) -> bool {
    reply.errors.iter().any(|(sqlstate, _)| sqlstate.starts_with("23"))
}

/// Directly such a migration would have failed. So it is compared with one without rows, in which what failed for other reasons fails too.
async fn late(lane: &Lane, case: &Case, shape: Shape, run: &Run) -> Result<(), String> {
    let settled = lane.settle().await?;
    let pieces = replaced(shape.pieces(&case.migration), &run.replies, |reply| !reply.errors.is_empty() && !is_told_late(reply));
    let pieces: Vec<Piece> = pieces.into_iter().map(|piece| piece.iter().map(|sql| without_rows(sql)).collect()).collect();
    let direct = lane.directly_without_rows(case, shape, &pieces).await?;
    let wrong = difference(&meant(&direct.catalog, case), &meant(&settled, case));
    if wrong.is_empty() {
        return Ok(());
    }
    let heard: Vec<String> = run.replies.iter().zip(&direct.replies).map(|(ours, native)| format!("{} / {}", heard(native), heard(ours))).collect();
    Err(format!("after a late failure, mended:\n{}\n{}", wrong.join("\n"), heard.join("\n")))
}

/// In place of what failed stands what fails anywhere.
fn replaced(pieces: Vec<Piece>, replies: &[Reply], failed: impl Fn(&Reply) -> bool) -> Vec<Piece> {
    pieces.into_iter().zip(replies).map(|(piece, reply)| if failed(reply) { vec!["SELECT 1 / 0".to_owned()] } else { piece }).collect()
}

/// A statement that writes rows does nothing.
fn without_rows(sql: &str) -> String {
    if ["INSERT ", "UPDATE ", "DELETE "].iter().any(|word| sql.starts_with(word)) { "SELECT 1".to_owned() } else { sql.to_owned() }
}

/// What a tool hears: tags, rows, SQLSTATEs, the transaction's state.
fn heard(reply: &Reply) -> String {
    let errors: Vec<&str> = reply.errors.iter().map(|(sqlstate, _)| sqlstate.as_str()).collect();
    format!("{:?} {:?} {errors:?} {}", reply.tags, reply.rows, char::from(reply.status))
}

/// What the server says on the side, of all statements together: that of a deferred one comes with the COMMIT.
fn said(replies: &[Reply]) -> String {
    let is_left_out = |notice: &String| notice.starts_with("pgairlock") || LEFT_OUT.iter().any(|words| notice.contains(words));
    let notices: Vec<String> =
        replies.iter().flat_map(|reply| &reply.notices).filter(|notice| !is_left_out(notice)).map(|notice| format!("NOTICE: {notice}")).collect();
    notices.join("\n")
}

/// What the server says of how it was asked: the proxy has had a text read more often, has asked a question before it in the same batch, which then
/// counts as a transaction, has dropped the foreign keys of a table before it, or rebuilds CONCURRENTLY. What came of it is compared in any case.
const LEFT_OUT: &[&str] = &["\" will be truncated to \"", " can only be used in transaction blocks", "drop cascades to ", " has no indexes "];

/// By policy, or because of what waits for the COMMIT.
pub(super) fn is_refused(reply: &Reply) -> bool {
    let ours = |(sqlstate, message): &(String, String)| message.starts_with("pgairlock [") || message.starts_with("pgairlock") && sqlstate == "0A000";
    reply.errors.iter().any(ours)
}

const LATE: &str = "pgairlock: the migration is committed, but";

fn is_told_late(reply: &Reply) -> bool {
    reply.notices.iter().chain(reply.errors.iter().map(|(_, message)| message)).any(|text| text.starts_with(LATE))
}

/// From 18 on the NOT NULL of a primary key counts as the partition's own, too, where the partition's key was built beforehand (docs/partitions.md).
fn meant(catalog: &str, case: &Case) -> String {
    if !case.migration.iter().any(|sql| sql.contains("PRIMARY KEY")) {
        return catalog.to_owned();
    }
    let of_key = |line: &str| line.starts_with("inherited constraint ") && line.contains(" type=n own=t ");
    catalog.lines().map(|line| if of_key(line) { line.replace(" own=t ", " own=f ") } else { line.to_owned() } + "\n").collect()
}

/// Lines that one has and the other has not.
fn difference(direct: &str, proxied: &str) -> Vec<String> {
    let only = |sign: &'static str, left: &str, right: &str| -> Vec<String> {
        let mut others: Vec<&str> = right.lines().collect();
        let mut only = Vec::new();
        for line in left.lines() {
            match others.iter().position(|other| *other == line) {
                Some(at) => drop(others.swap_remove(at)),
                None => only.push(format!("{sign} {line}")),
            }
        }
        only
    };
    [only("only directly:", direct, proxied), only("only by proxy:", proxied, direct)].concat()
}
