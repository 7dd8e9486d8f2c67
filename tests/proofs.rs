//! What the rules say of locks and work is what real servers do: each claim is measured, on every version.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "proofs/measure.rs"]
mod measure;
#[path = "proofs/scenes.rs"]
mod scenes;
mod support;

use std::future::Future;

use pgairlock::catalog::locks::{LockMode, Work};
use pgairlock::catalog::overlay::Overlay;
use pgairlock::policy::decide::{Situation, decide};
use pgairlock::policy::plan::{Certainty, Decision, Finding, Plan};
use pgairlock::policy::settings::{Mode, PolicySettings, Principal};
use pgairlock::rules;
use pgairlock::rules::rule::Rule;
use scenes::{BESIDE, SCENES, Scene, TABLES, setup};
use support::asking::{NothingPrepared, facts, script};
use support::{Cluster, Session, clusters};
use tokio::task::JoinSet;

/// Rules that are about no lock: what they forbid cannot be judged, is refused by the server, or is not for this moment.
const ABOUT_NO_LOCK: &[&str] = &[
    "protected-setting",
    "file-or-program-access",
    "large-object-access",
    "remote-access",
    "opaque-code",
    "concurrently-in-transaction",
    "after-commit-failed",
    "waits-for-commit",
    "new-enum-value",
    "unjudged-statement",
    "not-understood",
];

#[test]
fn every_rule_claims_a_lock_or_is_known_to_be_about_none() {
    let silent: Vec<&str> = rules::documented().filter(|rule| rule.lock.is_none()).map(|rule| rule.id.0).collect();
    assert_eq!(silent, ABOUT_NO_LOCK);
    assert!(rules::documented().all(|rule| rule.lock.is_some() || rule.work == Work::None));
}

/// `bad` takes the lock and does the work that its rule says, where it says that there is such a hazard; `good` does no work that anybody waits for.
#[tokio::test]
async fn the_rules_examples_do_what_the_rules_say() {
    for cluster in clusters() {
        let template = template(cluster).await;
        let claims = rules::all().iter().filter(|rule| rule.lock.is_some());
        side_by_side(claims.map(|rule| prove(cluster, copy(cluster, &template), rule))).await;
    }
}

async fn prove(cluster: &'static Cluster, session: impl Future<Output = Session>, rule: &'static Rule) {
    let (session, id) = (session.await, format!("{} on {}", rule.id.0, cluster.version));
    session.batch_execute(setup(rule.id.0)).await.unwrap();
    let findings = by_rule(rule.id.0, &decision(&session, rule.bad).await);
    if !rule.versions.contains(&major(cluster)) {
        assert!(findings.is_empty(), "{id}: {}", rule.bad);
        return;
    }
    let measured = measure::in_transaction(&session, rule.bad, "ROLLBACK").await.unwrap_or_else(|error| panic!("{id}: {error:?}"));
    assert_eq!(rule.versions.contains(&major(cluster)), !findings.is_empty(), "{id}: {}", rule.bad);
    for finding in &findings {
        assert_eq!((finding.lock, finding.work), (rule.lock, rule.work), "{id}: {}", rule.bad);
        assert_eq!(lock_of(&measured, finding), rule.lock, "{id}: {}: {measured:#?}", rule.bad);
        assert_eq!((measured.on_tables(), measured.work), (rule.lock, rule.work), "{id}: {}: {measured:#?}", rule.bad);
    }
    for (_, relation, lock, _) in BESIDE.iter().filter(|(of, _, _, since)| *of == rule.id.0 && *since <= major(cluster)) {
        assert_eq!(measured.locks.get(*relation), Some(lock), "{id}: {}: {measured:#?}", rule.bad);
    }
    for good in rule.good.iter().filter(|_| major(cluster) >= rule.good_since) {
        let decision = decision(&session, good).await;
        assert_eq!((all_findings(&decision), decision.plan), (Vec::new(), Plan::Pass), "{id}: {good}");
        harmless(&session, good, "COMMIT").await.unwrap_or_else(|error| panic!("{id}: {error}"));
    }
    if major(cluster) < rule.good_since {
        let unknown = session.error(rule.good[0]).await;
        assert_eq!(unknown.code().code(), "42601", "{id}: {unknown:?}");
    }
}

/// A read that has no use for the index locks it all the same, to be planned.
#[tokio::test]
async fn reads_wait_for_a_reindex() {
    for cluster in clusters() {
        let database = template(cluster).await;
        let (reindex, reader) = (cluster.connect(&database).await, cluster.connect(&database).await);
        reindex.batch_execute("BEGIN; REINDEX INDEX t_b_idx").await.unwrap();
        reader.batch_execute("SET lock_timeout = '50ms'").await.unwrap();
        let waited = reader.error("SELECT a FROM t WHERE id = 1").await;
        assert_eq!(waited.code().code(), "55P03", "on {}: {waited:?}", cluster.version);
    }
}

/// More than the examples: what a finding says is measured, and what it assumes is no less than that. What no rule flags does nothing that anybody
/// waits for.
#[tokio::test]
async fn findings_say_what_the_server_does() {
    for cluster in clusters() {
        let template = template(cluster).await;
        let known = SCENES.iter().filter(|scene| scene.since <= major(cluster));
        side_by_side(known.map(|scene| prove_scene(cluster, copy(cluster, &template), scene))).await;
    }
}

async fn prove_scene(cluster: &'static Cluster, session: impl Future<Output = Session>, scene: &'static Scene) {
    let session = session.await;
    session.batch_execute(scene.setup).await.unwrap();
    for (rule, sql) in scene.flagged {
        prove_flagged(&session, rule, sql, &format!("{sql} on {}", cluster.version)).await;
    }
    for sql in scene.passing {
        assert_eq!(all_findings(&decision(&session, sql).await), [], "{sql} on {}", cluster.version);
        harmless(&session, sql, "ROLLBACK").await.unwrap_or_else(|error| panic!("on {}: {error}", cluster.version));
    }
}

/// Several rules may flag one statement, each for a part of it: the strongest of what they say is what it does, and none says more of its table.
async fn prove_flagged(session: &Session, rule: &str, sql: &str, place: &str) {
    let findings = all_findings(&decision(session, sql).await);
    assert!(findings.iter().any(|finding| finding.rule.0 == rule), "{rule} does not flag {place}: {findings:#?}");
    let measured = measure::in_transaction(session, sql, "ROLLBACK").await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
    let (lock, work) = (findings.iter().filter_map(|finding| finding.lock).max(), findings.iter().map(|finding| finding.work).max().unwrap());
    if findings.iter().any(|finding| finding.certainty == Certainty::Assumed) {
        assert!(lock >= measured.on_tables() && work >= measured.work, "{place}: {findings:#?} {measured:#?}");
        return;
    }
    assert_eq!((lock, work), (measured.on_tables(), measured.work), "{place}: {findings:#?} {measured:#?}");
    for finding in &findings {
        assert!(finding.lock <= lock_of(&measured, finding), "{place}: {finding:#?} {measured:#?}");
    }
}

/// Runs it to its end; an error where it did work under a lock that others wait for.
async fn harmless(session: &Session, sql: &str, end: &str) -> Result<(), String> {
    if sql.contains("CONCURRENTLY") || sql.starts_with("VACUUM") {
        return measure::rewrites_outside(session, sql).await.map(drop).map_err(|error| format!("{sql}: {error:?}"));
    }
    let measured = measure::in_transaction(session, sql, end).await.map_err(|error| format!("{sql}: {error:?}"))?;
    let strong = measured.on_anything() >= Some(LockMode::Share);
    if strong && measured.work > Work::None { Err(format!("{sql}: {measured:#?}")) } else { Ok(()) }
}

/// The lock on what the finding is about; on any table where it is about none in particular.
fn lock_of(measured: &measure::Measured, finding: &Finding) -> Option<LockMode> {
    match finding.locked.as_ref().or(finding.relation.as_ref()) {
        Some(relation) => measured.locks.get(&relation.to_string()).copied(),
        None => measured.on_tables(),
    }
}

fn by_rule(rule: &str, decision: &Decision) -> Vec<Finding> {
    all_findings(decision).into_iter().filter(|finding| finding.rule.0 == rule).collect()
}

fn all_findings(decision: &Decision) -> Vec<Finding> {
    decision.findings.iter().map(|judged| judged.finding.clone()).collect()
}

/// What is decided of it outside of a transaction, by default settings.
async fn decision(session: &Session, sql: &str) -> Decision {
    let facts = facts(session, sql).await;
    let situation = Situation {
        promises: true,
        principal: &Principal::default(),
        settings: &PolicySettings::default(),
        mode: Mode::Enforce,
        in_transaction: false,
        in_block: false,
        failed_transaction: false,
        overlay: &Overlay::default(),
        pending: &[],
        lock_timeout_cap_ms: 2_000,
        prepared: &NothingPrepared,
        extended: false,
        allowance: &pgairlock::policy::allowance::Allowance::default(),
        system: None,
        granted: None,
    };
    decide(&script(sql), &facts, &situation).decision
}

fn major(cluster: &Cluster) -> u32 {
    cluster.version.split('.').next().unwrap().parse().unwrap()
}

/// A database with the tables that the rules' examples name.
async fn template(cluster: &Cluster) -> String {
    let name = cluster.database().await;
    cluster.connect(&name).await.batch_execute(TABLES).await.unwrap();
    name
}

/// A session in a copy of it.
fn copy(cluster: &'static Cluster, template: &str) -> impl Future<Output = Session> + use<> {
    let template = template.to_owned();
    async move { cluster.connect(&cluster.copy_of(&template).await).await }
}

/// Some of them at a time; each that fails has said why.
async fn side_by_side<F: Future<Output = ()> + Send + 'static>(proofs: impl Iterator<Item = F>) {
    let (mut running, mut failed) = (JoinSet::new(), 0);
    for proof in proofs {
        running.spawn(proof);
        if running.len() == 4 {
            failed += u32::from(running.join_next().await.unwrap().is_err());
        }
    }
    while let Some(done) = running.join_next().await {
        failed += u32::from(done.is_err());
    }
    assert_eq!(failed, 0, "proofs failed");
}
