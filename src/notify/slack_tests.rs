use super::*;

fn of(event: Event) -> Value {
    let notification = Notification { id: "i".into(), at_unix_micros: 0, event };
    serde_json::from_str(&body(&notification)).unwrap()
}

fn who() -> Who {
    Who { database: "app".into(), role: "deployer".into(), application_name: Some("alembic".into()), client: None, session: None }
}

fn refused(sql: &str, message: &str) -> Refused {
    Refused {
        decision: "3-118".into(),
        rules: vec!["drop-column".into()],
        table: Some("public.users".into()),
        message: message.into(),
        who: who(),
        sql: sql.into(),
        way_through: "[[exempt]] with …".into(),
        repeated: 0,
        within_seconds: 0,
    }
}

/// Every text in it.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_refusal_reads_as_a_sentence_with_its_sql() {
    let value = of(Event::Refused(refused("ALTER TABLE users DROP COLUMN plan", "it loses data")));
    assert_eq!(
        value,
        json!({
            "text": "⛔ *Refused* by `drop-column` on `public.users` in `app`\nit loses data\n[[exempt]] with …\n\
                     ```\nALTER TABLE users DROP COLUMN plan\n```\ndecision 3-118 · role `deployer` · application `alembic`",
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "verbatim": true, "text": "⛔ *Refused* by `drop-column` on `public.users` in `app`"}},
                {"type": "section", "text": {"type": "mrkdwn", "verbatim": true, "text": "it loses data\n[[exempt]] with …"}},
                {"type": "section", "text": {"type": "mrkdwn", "verbatim": true, "text": "```\nALTER TABLE users DROP COLUMN plan\n```"}},
                {"type": "context", "elements": [
                    {"type": "mrkdwn", "verbatim": true, "text": "decision 3-118 · role `deployer` · application `alembic`"}
                ]},
            ],
            "unfurl_links": false,
            "unfurl_media": false,
        })
    );
    let more = of(Event::Refused(Refused { repeated: 41, within_seconds: 60, ..refused("x", "y") }));
    assert!(more["text"].as_str().unwrap().starts_with("⛔ … *and 41 more refused* by `drop-column` in `app`, the last on `public.users`"), "{more}");
}

#[test]
fn nothing_of_others_mentions_or_links_or_ends_its_code() {
    let hostile = "<!channel> <@U1> <http://x|y> & @here `x` ```y``` \u{1b}[31m";
    let mut all = Vec::new();
    let mut strange = refused(hostile, hostile);
    strange.table = Some(hostile.into());
    strange.rules = vec![hostile.into()];
    strange.who = Who { database: hostile.into(), role: hostile.into(), application_name: Some(hostile.into()), ..Who::default() };
    let who = strange.who.clone();
    all.push(Event::Refused(strange));
    all.push(Event::MigrationStarted(Started { run: "1-1".into(), tool: Some(hostile.into()), who: who.clone(), sql: hostile.into() }));
    all.push(Event::AfterCommitFailed(AfterCommitFailed {
        promise: 1,
        rule: None,
        table: Some(hostile.into()),
        operation: vec![hostile.into()],
        sqlstate: "23505".into(),
        error: hostile.into(),
        who: who.clone(),
        what_to_do: "x".into(),
    }));
    all.push(Event::ApprovalWanted(ApprovalWanted {
        request: "1".into(),
        rules: vec![],
        table: None,
        message: hostile.into(),
        who,
        sql: hostile.into(),
        approve: hostile.into(),
        page: Some(hostile.into()),
        waits: true,
    }));
    for event in all {
        let value = of(event);
        for text in texts(&value) {
            assert!(!text.contains('<') && !text.contains('>'), "{text}");
            assert!(!text.contains('\u{1b}'), "{text:?}");
            let fences = text.matches("```").count();
            assert!(fences == 0 || fences == 2, "a block ends where it ends: {text}");
            // In prose `@` has a neighbour; in code it is what it is.
            for (at, _) in text.match_indices("@here") {
                assert_eq!(text[..at].matches('`').count() % 2, 1, "{text}");
            }
            for entity in text.split('&').skip(1) {
                assert!(["amp;", "lt;", "gt;"].iter().any(|known| entity.starts_with(known)), "{text}");
            }
        }
    }
}

#[test]
fn slacks_limits_hold_for_any_length() {
    for letter in ["x", "<", "ü", "`", "\n", "@"] {
        let long = letter.repeat(20_000);
        let mut big = refused(&long, &long);
        big.way_through = long.clone();
        big.table = Some(long.clone());
        big.who.role = long.clone();
        let value = of(Event::Refused(big));
        for block in value["blocks"].as_array().unwrap() {
            let text = block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).unwrap();
            assert!((1..=3000).contains(&text.chars().count()), "{letter:?}: {}", text.chars().count());
        }
        assert!(value["text"].as_str().unwrap().chars().count() < 40_000);
    }
}

#[test]
fn a_run_that_is_over_says_what_it_did() {
    let migration = |version: &str, done| super::super::event::Migrated { version: version.into(), name: None, direction: "up".into(), done };
    let finished = Finished {
        run: "3-118".into(),
        result: RunResult::Failed,
        reason: Some("a statement was refused".into()),
        tool: Some("alembic".into()),
        who: who(),
        migrations: vec![migration("a1", true), migration("a2", false)],
        duration_ms: 61_250,
        statements: 3,
        failed: 0,
        refused: 1,
        after_commit_failed: 0,
        decisions: vec![],
    };
    let value = of(Event::MigrationFinished(finished));
    assert_eq!(
        value["text"],
        "❌ *Migration failed* by `alembic` in `app`\nWhy: a statement was refused\n• `a1` up\n• `a2` up, not done\n3 statements, in 61.2 s, 1 refused\n\
         run 3-118 · role `deployer` · application `alembic`"
    );
}
