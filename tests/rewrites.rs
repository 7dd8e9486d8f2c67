//! What is rewritten ends as the statement itself would have ended, and when it fails nothing of it stays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::time::{Duration, Instant};

use support::frontend::Reply;
use support::scene::{scenes_with, set_up};
use support::{BIG, PROTOCOLS, Protocol, Proxy, RawClient, Scene, catalog, clusters, scenes};

/// Three tables over `small_table`: `big` refers to `parent`; `keyed` has no key and a nullable id.
const TABLES: &str = "
    CREATE TABLE parent (id int PRIMARY KEY, pad text);
    INSERT INTO parent SELECT i, repeat('x', 100) FROM generate_series(1, 12000) i;
    CREATE TABLE big (id int NOT NULL, a int, b text, code int, u int, v int, parent_id int, bad int, holes int, pad text);
    INSERT INTO big SELECT i, i, 'b' || i, i, i, i, i, CASE WHEN i > 2 THEN 1 END, nullif(i, 1), repeat('x', 100) FROM generate_series(1, 12000) i;
    CREATE TABLE keyed (id int, k int NOT NULL, pad text);
    INSERT INTO keyed SELECT i, i, repeat('x', 100) FROM generate_series(1, 12000) i;";

/// Run one after the other, each on what the ones before it left; with the rule that each is rewritten by.
const REWRITTEN: &[(&str, &str)] = &[
    ("CREATE INDEX named ON big (a)", "create-index-blocking"),
    ("CREATE INDEX ON big (b)", "create-index-blocking"),
    ("CREATE INDEX ON public.big (b)", "create-index-blocking"),
    ("CREATE INDEX ON big (lower(b))", "create-index-blocking"),
    ("CREATE INDEX ON big ((a + code), upper(b), v DESC NULLS LAST)", "create-index-blocking"),
    ("CREATE UNIQUE INDEX \"Big Code\" ON big (code)", "create-index-blocking"),
    ("CREATE INDEX partial ON big USING btree (a) WITH (fillfactor = 70) WHERE a > 10", "create-index-blocking"),
    ("CREATE INDEX hashed ON big USING hash (b)", "create-index-blocking"),
    ("CREATE INDEX IF NOT EXISTS named_too ON big (a) INCLUDE (v)", "create-index-blocking"),
    ("DROP INDEX named_too", "drop-index-blocking"),
    ("DROP INDEX IF EXISTS public.hashed RESTRICT", "drop-index-blocking"),
    ("REINDEX INDEX named", "reindex-blocking"),
    ("REINDEX TABLE big", "reindex-blocking"),
    ("REINDEX (VERBOSE) INDEX \"Big Code\"", "reindex-blocking"),
    ("ALTER TABLE big ADD FOREIGN KEY (parent_id) REFERENCES parent (id)", "add-foreign-key-validating"),
    ("ALTER TABLE big ADD FOREIGN KEY (parent_id) REFERENCES parent", "add-foreign-key-validating"),
    (
        "ALTER TABLE ONLY public.big ADD CONSTRAINT \"to Parent\" FOREIGN KEY (v) REFERENCES public.parent ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
        "add-foreign-key-validating",
    ),
    ("ALTER TABLE big ADD CHECK (a >= 0)", "add-check-validating"),
    ("ALTER TABLE big ADD CHECK (a < u + 1)", "add-check-validating"),
    ("ALTER TABLE IF EXISTS big ADD CONSTRAINT few CHECK (a < 1000000) -- as agreed", "add-check-validating"),
    ("ALTER TABLE big ALTER COLUMN a SET NOT NULL", "set-not-null-scan"),
    ("ALTER TABLE big ALTER b SET NOT NULL;", "set-not-null-scan"),
    ("ALTER TABLE big ADD UNIQUE (u)", "add-unique-blocking"),
    ("ALTER TABLE big ADD UNIQUE (u) INCLUDE (a)", "add-unique-blocking"),
    ("ALTER TABLE big ADD CONSTRAINT pair UNIQUE (v, u) DEFERRABLE INITIALLY DEFERRED", "add-unique-blocking"),
    ("ALTER TABLE big ADD PRIMARY KEY (id)", "add-primary-key-blocking"),
    ("ALTER TABLE keyed ADD PRIMARY KEY (id, k)", "add-primary-key-blocking"),
    ("ALTER TABLE big ADD COLUMN email text UNIQUE", "add-column-unique"),
    ("ALTER TABLE big ADD COLUMN n int DEFAULT 5 CHECK (n > 0)", "add-column-check"),
    ("ALTER TABLE big ADD COLUMN p int DEFAULT 1 REFERENCES parent", "add-column-references"),
    ("ALTER TABLE big ADD COLUMN q int DEFAULT 1 CONSTRAINT q_parent REFERENCES parent (id) ON UPDATE CASCADE", "add-column-references"),
    (
        "ALTER TABLE big ADD COLUMN x int, ADD CONSTRAINT x_big CHECK (x IS NULL OR x > 0), ALTER COLUMN code SET NOT NULL, ADD CONSTRAINT one_code UNIQUE (code)",
        "add-check-validating",
    ),
    ("ALTER TABLE big ADD CHECK (v > 0), ADD CHECK (v > -1), ADD COLUMN w int CHECK (w > 0) CHECK (w < 9)", "add-check-validating"),
    ("ALTER TABLE big -- the table\n ADD CONSTRAINT commented CHECK (a > 0) -- why", "add-check-validating"),
    ("ALTER TABLE big ADD COLUMN c1 int -- note\n CHECK (c1 > 0) DEFAULT 5", "add-column-check"),
    ("ALTER TABLE big ADD COLUMN c2 int -- note\n CHECK (c2 > 0), ADD COLUMN c3 int", "add-column-check"),
    ("ALTER TABLE big ADD COLUMN c4 int -- u\n UNIQUE DEFAULT NULL NULL, ADD COLUMN c5 int -- note\n DEFAULT 1", "add-column-unique"),
    (
        "ALTER TABLE big ADD COLUMN c6 int DEFAULT 1 -- note\n REFERENCES -- p\n parent /* -- */ ON DELETE -- note\n CASCADE NOT NULL",
        "add-column-references",
    ),
    // It is there already, and both say so.
    ("ALTER TABLE big ADD CONSTRAINT second CHECK (u > 0), ADD CONSTRAINT third FOREIGN KEY (u) REFERENCES parent (id)", "add-check-validating"),
];

/// Allowed as they are: nothing to wait for.
const PASSED: &[&str] = &[
    // It is there already.
    "CREATE INDEX IF NOT EXISTS named ON big (a)",
    "ALTER TABLE big ADD COLUMN plain text",
    "ALTER TABLE big ADD COLUMN constant int NOT NULL DEFAULT 7",
    "ALTER TABLE big ADD COLUMN reference int REFERENCES parent",
    "ALTER TABLE big ALTER COLUMN pad SET DEFAULT ''",
    "ALTER TABLE big ADD CONSTRAINT later CHECK (a > -1) NOT VALID",
    "CREATE INDEX CONCURRENTLY beside ON big (a, b)",
    "ALTER TABLE big VALIDATE CONSTRAINT later",
    "DROP INDEX CONCURRENTLY beside",
    "CREATE VIEW seen AS SELECT a, b FROM big",
    "COMMENT ON TABLE big IS 'big'",
];

async fn run(client: &mut RawClient, protocol: Protocol, sql: &str) -> Reply {
    match protocol {
        Protocol::Simple => client.ask(sql).await,
        Protocol::Extended => client.ask_extended(sql).await,
    }
}

/// The same statements in two databases, one of them behind the proxy: the same tags and the same schema after each.
async fn compare(protocol: Protocol) {
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        let ((ours, seen), (theirs, known)) = (set_up(cluster, TABLES).await, set_up(cluster, TABLES).await);
        let mut through = RawClient::log_in(proxy.port, &ours).await;
        let mut past = RawClient::log_in(cluster.port, &theirs).await;
        let mut wrong = Vec::new();
        for (sql, rule) in REWRITTEN.iter().copied().chain(PASSED.iter().map(|sql| (*sql, ""))) {
            let (here, there) = (run(&mut through, protocol, sql).await, run(&mut past, protocol, sql).await);
            let announced = here.notices.iter().any(|text| text.starts_with(&format!("pgairlock [{rule}]: ")) && text.contains("runs as: "));
            let untouched = !here.notices.iter().any(|text| text.starts_with("pgairlock"));
            if !(if rule.is_empty() { untouched } else { announced }) {
                wrong.push(format!("{sql}: notices {:?}", here.notices));
            }
            if rule.is_empty() && !passed_as_written(&proxy, &ours, sql).await {
                wrong.push(format!("{sql}: it was not sent as it was written"));
            }
            let (made, direct) = (catalog(&seen).await, catalog(&known).await);
            if here.clone().quiet() != there.clone().quiet() {
                wrong.push(format!("{sql}: {here:?}, not {there:?}"));
            }
            if made != direct {
                let lines =
                    |one: &str, other: &str| one.lines().filter(|line| !other.lines().any(|known| known == *line)).collect::<Vec<_>>().join("\n  ");
                wrong.push(format!("{sql}:\n  {}\nnot\n  {}", lines(&made, &direct), lines(&direct, &made)));
            }
        }
        assert!(wrong.is_empty(), "{protocol:?} on {}:\n{}", cluster.version, wrong.join("\n\n"));
    }
}

/// The record says "pass", with nothing run in its place, and that the statement succeeded.
async fn passed_as_written(proxy: &Proxy, database: &str, sql: &str) -> bool {
    let rows = stored(proxy, database).await;
    rows.last().is_some_and(|row| row.sql == sql && row.decision == "pass" && row.steps == 0 && row.tag.is_some())
}

#[tokio::test]
async fn the_schema_is_as_the_statement_would_have_made_it_by_simple_query() {
    compare(Protocol::Simple).await;
}

#[tokio::test]
async fn the_schema_is_as_the_statement_would_have_made_it_by_extended_protocol() {
    compare(Protocol::Extended).await;
}

/// With data that does not fit: the error is the one that the statement itself gives, and everything is as before.
#[tokio::test]
async fn data_that_does_not_fit_leaves_nothing_behind() {
    let failing = [
        ("CREATE UNIQUE INDEX bad_once ON big (bad)", "23505"),
        ("CREATE UNIQUE INDEX ON big ((bad + 1))", "23505"),
        ("ALTER TABLE big ADD UNIQUE (bad)", "23505"),
        ("ALTER TABLE big ADD CONSTRAINT bad_once UNIQUE (bad)", "23505"),
        ("ALTER TABLE keyed ADD PRIMARY KEY (pad)", "23505"),
        ("ALTER TABLE big ADD PRIMARY KEY (holes)", "23502"),
        ("ALTER TABLE big ADD COLUMN e int DEFAULT 1 UNIQUE", "23505"),
        ("ALTER TABLE big ALTER COLUMN bad SET NOT NULL", "23502"),
        ("ALTER TABLE big ADD CHECK (bad IS NULL)", "23514"),
        ("ALTER TABLE big ADD CONSTRAINT bad_check CHECK (a < 100)", "23514"),
        ("ALTER TABLE big ADD COLUMN e int DEFAULT 1 CHECK (e > 1)", "23514"),
        ("ALTER TABLE big ADD FOREIGN KEY (gone) REFERENCES parent", "23503"),
        ("ALTER TABLE big ADD COLUMN e int DEFAULT 0 REFERENCES parent", "23503"),
        (
            "ALTER TABLE big ADD COLUMN e int, ADD CONSTRAINT fits CHECK (a > 0), ALTER COLUMN code SET NOT NULL, ADD CONSTRAINT bad_once UNIQUE (bad)",
            "23505",
        ),
        ("CREATE INDEX ON big (no_such)", "42703"),
        ("ALTER TABLE big ADD CHECK (no_such > 1)", "42703"),
        ("CREATE INDEX taken ON big (a)", "42P07"),
    ];
    let setup = format!("{TABLES} ALTER TABLE big ADD COLUMN gone int DEFAULT 0; UPDATE keyed SET pad = 'same'; CREATE INDEX taken ON keyed (k)");
    for scene in scenes(&setup).await {
        let before = catalog(&scene.direct).await;
        let (mut through, mut past) = (scene.raw().await, scene.raw_direct().await);
        let mut wrong = Vec::new();
        for (sql, sqlstate) in failing {
            let direct = past.ask(sql).await;
            assert_eq!(direct.sqlstate(), sqlstate, "{sql}");
            for protocol in PROTOCOLS {
                let reply = run(&mut through, protocol, sql).await;
                if reply.errors != direct.errors || reply.status != b'I' {
                    wrong.push(format!("{protocol:?} {sql}: {:?}, not {:?}", reply.errors, direct.errors));
                }
                let after = catalog(&scene.direct).await;
                let new: Vec<&str> = after.lines().filter(|line| !before.lines().any(|known| known == *line)).collect();
                if !new.is_empty() || after.len() != before.len() {
                    wrong.push(format!("{protocol:?} {sql} leaves {new:?}"));
                }
                let lock_timeout = through.ask("SHOW lock_timeout").await.rows;
                if lock_timeout != ["2s"] {
                    wrong.push(format!("{protocol:?} {sql} leaves lock_timeout {lock_timeout:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "on {}:\n{}", scene.cluster.version, wrong.join("\n"));
    }
}

/// The two numbers of BackendKeyData.
async fn log_in_with_key(scene: &Scene) -> (RawClient, Vec<u8>) {
    let mut client = RawClient::connect(scene.proxy.port).await;
    client.start(&[("user", "trusted"), ("database", &scene.database)]).await;
    let greeting = client.until(b'Z').await;
    let key = greeting.iter().find(|(tag, _)| *tag == b'K').unwrap().1.to_vec();
    (client, key)
}

/// Waits until a concurrent build of this session waits for older transactions.
async fn until_it_waits(scene: &Scene, pid: &[u8]) {
    let pid = u32::from_be_bytes(pid.try_into().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    let waiting = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'virtualxid' AND query ~* 'concurrently'");
    while scene.direct.value(&waiting).await != "1" {
        assert!(Instant::now() < deadline, "no build waits: {}", scene.proxy.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_cancelled_rewrite_leaves_nothing_behind() {
    let rewritten = [
        "CREATE INDEX ON big (a)",
        "ALTER TABLE big ADD UNIQUE (u)",
        "ALTER TABLE big ADD COLUMN e text UNIQUE",
        "ALTER TABLE keyed ADD PRIMARY KEY (id)",
    ];
    for scene in scenes(TABLES).await {
        let before = catalog(&scene.direct).await;
        let holder = scene.cluster.connect(&scene.database).await;
        // A snapshot: concurrent builds wait for its end.
        holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
        for sql in rewritten {
            for protocol in PROTOCOLS {
                let (mut client, key) = log_in_with_key(&scene).await;
                let cancel = async {
                    until_it_waits(&scene, &key[..4]).await;
                    let mut canceller = RawClient::connect(scene.proxy.port).await;
                    let length = u32::try_from(key.len() + 8).unwrap();
                    canceller.send(&[&length.to_be_bytes(), &80_877_102u32.to_be_bytes(), &key[..]].concat()).await;
                    canceller.rest().await;
                };
                let (reply, ()) = tokio::join!(run(&mut client, protocol, sql), cancel);
                assert_eq!((reply.sqlstate(), reply.status), ("57014", b'I'), "{protocol:?} {sql}: {reply:?}");
                assert_eq!(catalog(&scene.direct).await, before, "{protocol:?} {sql} on {}", scene.cluster.version);
                assert_eq!(client.ask("SHOW lock_timeout").await.rows, ["2s"]);
                assert_eq!(client.ask("SHOW statement_timeout").await.rows, ["0"]);
            }
        }
    }
}

#[tokio::test]
async fn a_rewrite_whose_client_went_away_comes_to_its_end() {
    for scene in scenes(TABLES).await {
        let holder = scene.cluster.connect(&scene.database).await;
        holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
        let (mut client, key) = log_in_with_key(&scene).await;
        client.send(&support::frontend::query("ALTER TABLE big ADD CONSTRAINT once UNIQUE (u)")).await;
        until_it_waits(&scene, &key[..4]).await;
        drop(client);
        holder.batch_execute("COMMIT").await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let done = "SELECT count(*) FROM pg_constraint c JOIN pg_index i ON i.indexrelid = c.conindid WHERE c.conname = 'once' AND i.indisvalid";
        while scene.direct.value(done).await != "1" {
            assert!(Instant::now() < deadline, "the constraint does not come: {}", scene.proxy.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The next run finishes what a lost connection left.
#[tokio::test]
async fn a_rewrite_whose_server_went_away_is_finished_by_the_next_run() {
    let rewritten = [
        "CREATE INDEX later ON big (a)",
        "ALTER TABLE big ADD CONSTRAINT once UNIQUE (u)",
        "ALTER TABLE big ADD UNIQUE (v)",
        "ALTER TABLE keyed ADD PRIMARY KEY (k)",
    ];
    for cluster in clusters() {
        let ((ours, direct), (_, known)) = (set_up(cluster, TABLES).await, set_up(cluster, TABLES).await);
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        for sql in rewritten {
            let holder = cluster.connect(&ours).await;
            holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
            let mut client = RawClient::log_in(proxy.port, &ours).await;
            client.send(&support::frontend::query(sql)).await;
            let deadline = Instant::now() + Duration::from_secs(60);
            let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event = 'virtualxid' AND query ~* 'concurrently'";
            while direct.value(end).await != "1" {
                assert!(Instant::now() < deadline, "no build waits: {}", proxy.log());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let error = client.until(b'E').await.pop().unwrap();
            assert_eq!(support::raw::text(&error.1, b'V'), "FATAL");
            assert_eq!(direct.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, "1", "{sql}");
            holder.batch_execute("COMMIT").await.unwrap();
            let reply = RawClient::log_in(proxy.port, &ours).await.ask(sql).await;
            assert_eq!(reply.errors, [], "{sql} again on {}", cluster.version);
            known.batch_execute(sql).await.unwrap();
            assert_eq!(catalog(&direct).await, catalog(&known).await, "{sql} on {}", cluster.version);
        }
    }
}

/// Two deploys at once: an index that another session is just building is INVALID too, but it is no debris.
#[tokio::test]
async fn an_index_that_is_being_built_is_left_to_its_builder() {
    for scene in scenes(TABLES).await {
        let holder = scene.cluster.connect(&scene.database).await;
        holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
        let (mut builder, mut second) = (scene.raw_direct().await, scene.raw().await);
        let building = builder.ask("CREATE INDEX CONCURRENTLY shared ON big (a)");
        let asking = async {
            until_waiting(&scene, "virtualxid").await;
            let reply = second.ask("CREATE INDEX shared ON big (a)");
            let release = async {
                until_waiting(&scene, "relation").await;
                holder.batch_execute("COMMIT").await.unwrap();
            };
            tokio::join!(reply, release).0
        };
        let (built, asked) = tokio::join!(building, asking);
        assert_eq!(built.tags, ["CREATE INDEX"], "{built:?}");
        assert_eq!(asked.sqlstate(), "42P07", "{asked:?}");
        assert_eq!(scene.direct.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'shared'::regclass").await, "t");
    }
}

/// A step has a deadline of its own, so that a build does not wait for a forgotten transaction for ever.
#[tokio::test]
async fn a_step_that_takes_too_long_is_cancelled_and_cleaned_up() {
    for scene in scenes_with("enforce", "[timeouts]\nstep = \"2s\"\n", TABLES).await {
        let holder = scene.cluster.connect(&scene.database).await;
        holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
        let mut client = scene.raw().await;
        let reply = client.ask("CREATE INDEX forgotten ON big (a)").await;
        assert_eq!(reply.sqlstate(), "57014", "{reply:?}");
        assert!(!scene.has("forgotten").await);
        assert_eq!(client.ask("SHOW statement_timeout").await.rows, ["0"]);
        holder.batch_execute("COMMIT").await.unwrap();
        // Nothing stands in its way now; how long a build takes here is no matter of this test.
        let patient = Proxy::in_front_of(scene.cluster, "enforce", "");
        let mut again = RawClient::log_in(patient.port, &scene.database).await;
        assert_eq!(again.ask("CREATE INDEX forgotten ON big (a)").await.tags, ["CREATE INDEX"]);
    }
}

/// Two deploys at once: one builds, the other hears what the original statement would have said, and the index stays.
#[tokio::test]
async fn two_deploys_at_once_end_with_the_index() {
    for scene in scenes(TABLES).await {
        let known = ["42P07"];
        for round in 0..3 {
            for (sql, name) in [
                (format!("CREATE INDEX race_{round} ON big (a)"), format!("race_{round}")),
                (format!("ALTER TABLE big ADD CONSTRAINT once_{round} UNIQUE (u)"), format!("once_{round}")),
            ] {
                let (mut one, mut other) = (scene.raw().await, scene.raw().await);
                let replies = tokio::join!(one.ask(&sql), other.ask(&sql));
                let mut failed: Vec<&str> =
                    [&replies.0, &replies.1].into_iter().filter(|reply| !reply.errors.is_empty()).map(Reply::sqlstate).collect();
                failed.dedup();
                assert_eq!(failed, known, "{sql}: {replies:?}");
                assert_eq!(scene.direct.value(&format!("SELECT indisvalid FROM pg_index WHERE indexrelid = '{name}'::regclass")).await, "t");
            }
        }
        let ours =
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' AND datname = current_database()";
        assert_eq!(scene.direct.value(ours).await, "0", "nothing of ours is left");
    }
}

/// What a client writes itself by the extended protocol waits for others of its own table, and for nobody else.
#[tokio::test]
async fn one_table_waits_for_no_other() {
    let constraints = "ALTER TABLE big ADD CONSTRAINT later CHECK (a > 0) NOT VALID; ALTER TABLE keyed ADD CONSTRAINT later CHECK (k > 0) NOT VALID;";
    for scene in scenes(&format!("{TABLES} {constraints}")).await {
        let holder = scene.cluster.connect(&scene.database).await;
        holder.batch_execute("BEGIN; LOCK TABLE big IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
        let (mut first, mut rewritten, mut other) = (scene.raw().await, scene.raw().await, scene.raw().await);
        let asking = async {
            until_locks_wait(&scene).await;
            assert_eq!(other.ask_extended("ALTER TABLE keyed VALIDATE CONSTRAINT later").await.tags, ["ALTER TABLE"], "it need not wait");
            let again = rewritten.ask("CREATE INDEX ON public.big (a)");
            let release = async {
                until_naps(&scene).await;
                holder.batch_execute("COMMIT").await.unwrap();
            };
            tokio::join!(again, release).0
        };
        let (validated, built) = tokio::join!(first.ask_extended("ALTER TABLE big VALIDATE CONSTRAINT later"), asking);
        assert_eq!((&validated.tags[..], &built.tags[..]), (&["ALTER TABLE".to_owned()][..], &["CREATE INDEX".to_owned()][..]));
        assert!(built.notices.iter().any(|text| text.contains("another session")), "{built:?}");
    }
}

/// Until somebody waits for the lock of a relation.
async fn until_locks_wait(scene: &Scene) {
    until(scene, "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'relation'").await;
}

/// Until a rewrite naps because another one has its table.
async fn until_naps(scene: &Scene) {
    until(scene, "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'").await;
}

/// Until this question is answered with yes.
async fn until(scene: &Scene, question: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while scene.direct.value(question).await != "t" {
        assert!(Instant::now() < deadline, "it does not come to {question}: {}", scene.proxy.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Until a concurrent build waits for something of this kind.
async fn until_waiting(scene: &Scene, event: &str) {
    let builds = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = '{event}' AND query ~* 'index concurrently'"
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    while scene.direct.value(&builds).await == "0" {
        assert!(Instant::now() < deadline, "no build waits: {}", scene.proxy.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A concurrent build, ours or the client's own, may wait longer than lock_timeout, which is as before afterwards.
#[tokio::test]
async fn a_build_waits_for_older_transactions() {
    for scene in scenes_with("enforce", "[timeouts]\nlock = \"200ms\"\n", TABLES).await {
        let holder = scene.cluster.connect(&scene.database).await;
        let builds = ["CREATE INDEX ON big (a)", "CREATE INDEX CONCURRENTLY ON big (b)"];
        for (protocol, sql) in PROTOCOLS.into_iter().flat_map(|protocol| builds.map(|sql| (protocol, sql))) {
            holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
            let (mut client, key) = log_in_with_key(&scene).await;
            client.ask("SET lock_timeout = '150ms'").await;
            let release = async {
                until_it_waits(&scene, &key[..4]).await;
                // Longer than it, by the server's own clock.
                holder.batch_execute("SELECT pg_sleep(1)").await.unwrap();
                holder.batch_execute("COMMIT").await.unwrap();
            };
            let (reply, ()) = tokio::join!(run(&mut client, protocol, sql), release);
            assert_eq!(reply.tags, ["CREATE INDEX"], "{protocol:?} {sql}: {reply:?}");
            assert_eq!(client.ask("SHOW lock_timeout").await.rows, ["150ms"]);
        }
    }
}

#[tokio::test]
async fn an_invalid_index_is_built_again() {
    for scene in scenes(TABLES).await {
        for (protocol, name) in [(Protocol::Simple, "one"), (Protocol::Extended, "two")] {
            let failed = scene.direct.run(Protocol::Simple, &format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON big (bad)")).await;
            assert_eq!(failed.unwrap_err().code().code(), "23505");
            let definition = format!("SELECT indisvalid || ' ' || pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid = '{name}'::regclass");
            assert!(scene.direct.value(&definition).await.starts_with("false"));
            let reply = run(&mut scene.raw().await, protocol, &format!("CREATE INDEX IF NOT EXISTS {name} ON big (a)")).await;
            assert_eq!(reply.tags, ["CREATE INDEX"], "{reply:?}");
            assert_eq!(scene.direct.value(&definition).await, format!("true CREATE INDEX {name} ON public.big USING btree (a)"), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn small_empty_and_new_tables_take_everything_as_it_is() {
    let setup = "CREATE TABLE small (id int, a int, b text); INSERT INTO small SELECT i, i, 'x' FROM generate_series(1, 1000) i;
        CREATE TABLE empty (id int, a int, b text)";
    for scene in scenes(setup).await {
        let session = scene.connect().await;
        for (protocol, a, b) in [(Protocol::Simple, "id", "a"), (Protocol::Extended, "a", "b")] {
            for table in ["small", "empty"] {
                for sql in [
                    format!("CREATE INDEX {table}_{a}_index ON {table} ({a})"),
                    format!("DROP INDEX {table}_{a}_index"),
                    format!("ALTER TABLE {table} ADD CONSTRAINT {table}_{a}_unique UNIQUE ({a})"),
                    format!("ALTER TABLE {table} ADD CHECK ({a} > 0), ALTER COLUMN {b} SET NOT NULL"),
                    format!("ALTER TABLE {table} ALTER COLUMN {a} TYPE bigint"),
                    format!("REINDEX TABLE {table}"),
                ] {
                    session.run(protocol, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
                }
            }
            session.run(protocol, &format!("ALTER TABLE empty RENAME COLUMN {a} TO {a}{a}")).await.unwrap();
            session.run(protocol, &format!("ALTER TABLE empty DROP COLUMN {a}{a}")).await.unwrap();
            session.run(protocol, "ALTER TABLE empty RENAME TO other").await.unwrap();
            session.run(protocol, "ALTER TABLE other RENAME TO empty").await.unwrap();
            // Loss is loss, however small.
            for sql in
                ["ALTER TABLE small DROP COLUMN b", "ALTER TABLE small RENAME COLUMN b TO c", "ALTER TABLE small RENAME TO tiny", "DROP TABLE small"]
            {
                assert_eq!(session.refusal(protocol, sql).await.0, "PA001", "{sql}");
            }
        }
        assert_eq!(session.notice_texts(), Vec::<String>::new(), "nothing was rewritten");
        session.run(Protocol::Simple, "DROP TABLE empty").await.unwrap();
        assert!(scene.has("small").await && !scene.has("empty").await);
    }
}

#[tokio::test]
async fn loss_and_renames_are_refused_with_the_way_to_do_it() {
    let refused = [
        ("DROP TABLE big", "drop-table"),
        ("DROP TABLE IF EXISTS big, parent", "drop-table"),
        ("ALTER TABLE big DROP COLUMN a", "drop-column"),
        ("ALTER TABLE big DROP COLUMN IF EXISTS a CASCADE, ADD COLUMN c int", "drop-column"),
        ("ALTER TABLE big RENAME COLUMN a TO c", "rename-column"),
        ("ALTER TABLE big RENAME TO huge", "rename-table"),
        ("ALTER TABLE big SET SCHEMA pg_temp", "rename-table"),
        ("ALTER TABLE big ALTER COLUMN a TYPE bigint", "alter-column-type"),
        ("ALTER TABLE big ADD COLUMN c uuid DEFAULT gen_random_uuid()", "add-column-rewrite"),
        ("ALTER TABLE big ADD COLUMN c serial", "add-column-rewrite"),
        ("ALTER TABLE big ADD COLUMN c int NOT NULL", "add-column-not-null"),
        ("ALTER TABLE parent DROP CONSTRAINT parent_pkey, ADD CONSTRAINT again PRIMARY KEY (id)", "add-primary-key-blocking"),
        ("ALTER TABLE big ADD EXCLUDE USING btree (a WITH =)", "add-unique-blocking"),
    ];
    for scene in scenes(TABLES).await {
        let before = catalog(&scene.direct).await;
        let session = scene.connect().await;
        for (sql, rule) in refused {
            for protocol in PROTOCOLS {
                let (sqlstate, message) = session.refusal(protocol, sql).await;
                assert!(["PA001", "PA002"].contains(&&*sqlstate), "{sql}: {sqlstate} {message}");
                assert!(message.starts_with(&format!("pgairlock [{rule}]: ")), "{sql}: {message}");
            }
        }
        assert_eq!(catalog(&scene.direct).await, before);
    }
}

#[tokio::test]
async fn settings_and_exemptions_let_through_what_they_name() {
    for cluster in clusters() {
        let setup = format!("{BIG} CREATE TABLE old AS TABLE big; CREATE TABLE other AS TABLE big");
        let (database, direct) = set_up(cluster, &setup).await;
        let exempt = |condition: &str| format!("[[exempt]]\n{condition}\nrules = [\"drop-table\", \"rename-column\"]\nreason = \"agreed\"\n");
        let proxy = Proxy::in_front_of(
            cluster,
            "enforce",
            &[
                "[rules]\ndrop-column = \"off\"\ncreate-index-blocking = \"warn\"\n".to_owned(),
                exempt(&format!("role = \"trusted\"\ndatabase = \"{database}\"\ntable = \"public.old\"")),
                exempt("role = \"nobody\"\ntable = \"big\""),
                exempt("database = \"elsewhere\"\ntable = \"big\""),
                exempt("application_name = \"cleaner\"\ntable = \"other\""),
            ]
            .concat(),
        );
        let session = support::connect_to(proxy.port, &format!("user=trusted dbname={database}")).await.unwrap();
        session.run(Protocol::Simple, "ALTER TABLE big DROP COLUMN a").await.unwrap();
        session.run(Protocol::Extended, "ALTER TABLE other DROP COLUMN a").await.unwrap();
        assert_eq!(session.notice_texts(), Vec::<String>::new(), "off says nothing");
        session.run(Protocol::Extended, "CREATE INDEX ON big (b)").await.unwrap();
        let notices = session.notices();
        assert_eq!(
            notices.iter().map(|notice| (notice.severity(), notice.message().contains("[create-index-blocking]"))).collect::<Vec<_>>(),
            [("WARNING", true)]
        );
        session.run(Protocol::Simple, "ALTER TABLE old RENAME COLUMN a TO c").await.unwrap();
        session.run(Protocol::Extended, "DROP TABLE old").await.unwrap();
        for protocol in PROTOCOLS {
            for sql in ["DROP TABLE big", "ALTER TABLE big RENAME COLUMN b TO c", "DROP TABLE other", "ALTER TABLE big RENAME TO huge"] {
                assert_eq!(session.refusal(protocol, sql).await.0, "PA001", "{sql}");
            }
        }
        let other_role = support::connect_to(proxy.port, &format!("user=postgres password=postgres dbname={database}")).await.unwrap();
        direct.batch_execute("CREATE TABLE old AS TABLE big").await.unwrap();
        assert_eq!(other_role.refusal(Protocol::Simple, "DROP TABLE old").await.0, "PA001");
        let cleaner =
            support::connect_to(proxy.port, &format!("user=postgres password=postgres dbname={database} application_name=cleaner")).await.unwrap();
        cleaner.run(Protocol::Simple, "DROP TABLE other").await.unwrap();
        assert_eq!(direct.value("SELECT to_regclass('other') IS NULL AND to_regclass('big') IS NOT NULL").await, "t");
    }
}

/// One decision of the store: its verdicts, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    sql: String,
    decision: String,
    rule: String,
    verdict: String,
    steps: i64,
    in_transaction: bool,
    tag: Option<String>,
    sqlstate: Option<String>,
}

/// What the store holds of one database, once every outcome is there.
async fn stored(proxy: &Proxy, database: &str) -> Vec<Row> {
    let store = proxy.searchable();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut question = store
            .prepare(
                "SELECT sql, decision, coalesce(findings ->> '$[0].rule', ''), coalesce(findings ->> '$[0].verdict', ''), json_array_length(steps),
                        in_transaction, outcome_tag, outcome_sqlstate, outcome_duration_micros IS NULL
                 FROM records WHERE database = ? ORDER BY id",
            )
            .unwrap();
        let mut open = 0;
        let rows = question.query_map([database], |row| {
            open += row.get::<_, i64>(8)?;
            Ok(Row {
                sql: row.get(0)?,
                decision: row.get(1)?,
                rule: row.get(2)?,
                verdict: row.get(3)?,
                steps: row.get(4)?,
                in_transaction: row.get(5)?,
                tag: row.get(6)?,
                sqlstate: row.get(7)?,
            })
        });
        let rows: Vec<Row> = rows.unwrap().map(Result::unwrap).collect();
        if open == 0 {
            return rows;
        }
        assert!(Instant::now() < deadline, "outcomes are missing: {rows:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn decisions_and_their_outcomes_are_in_the_store() {
    for cluster in clusters() {
        let (database, _) = set_up(cluster, TABLES).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", "[[exempt]]\ntable = \"keyed\"\nrules = [\"drop-column\"]\nreason = \"agreed\"\n");
        let session = proxy.connect(&database).await;
        for protocol in PROTOCOLS {
            session.run(protocol, "CREATE INDEX ON big (a)").await.unwrap();
            session.refusal(protocol, "CREATE UNIQUE INDEX ON big (bad)").await;
            session.refusal(protocol, "ALTER TABLE big DROP COLUMN a").await;
            session.run(protocol, "ALTER TABLE keyed DROP COLUMN IF EXISTS pad").await.unwrap();
            session.run(protocol, "BEGIN").await.unwrap();
            session.run(protocol, "ALTER TABLE big ADD COLUMN IF NOT EXISTS c int").await.unwrap();
            session.run(protocol, "CREATE INDEX ON big (b)").await.unwrap();
            session.refusal(protocol, "ALTER TABLE big DROP COLUMN a").await;
            session.run(protocol, "ROLLBACK").await.unwrap();
            session.refusal(protocol, "ALTER TABLE no_such ADD COLUMN c int").await;
            session.run(protocol, "SELECT 1").await.unwrap();
        }
        session.refusal(Protocol::Simple, "DROP TABLE big FROBNICATE").await;
        let rows = stored(&proxy, &database).await;
        let short = |row: &Row| {
            format!("{} {} {} {} {:?} {:?}", row.decision, row.rule, row.steps, row.in_transaction, row.tag.as_deref(), row.sqlstate.as_deref())
        };
        let of_one_protocol = [
            "rewrite create-index-blocking 1 false Some(\"CREATE INDEX\") None",
            "rewrite create-index-blocking 1 false None Some(\"23505\")",
            "refuse drop-column 0 false None Some(\"PA001\")",
            "pass drop-column 0 false Some(\"ALTER TABLE\") None",
            "pass  0 true Some(\"ALTER TABLE\") None",
            "defer create-index-blocking 1 true Some(\"CREATE INDEX\") None",
            "refuse drop-column 0 true None Some(\"PA001\")",
            "pass  0 false None Some(\"42P01\")",
        ];
        let mut expected: Vec<&str> = [of_one_protocol, of_one_protocol].concat();
        // The second time the column is gone.
        expected[11] = "pass  0 false Some(\"ALTER TABLE\") None";
        expected.push("refuse not-understood 0 false None Some(\"PA002\")");
        assert_eq!(rows.iter().map(short).collect::<Vec<_>>(), expected, "on {}", cluster.version);
        assert_eq!(rows[0].sql, "CREATE INDEX ON big (a)");
        assert_eq!((&*rows[0].verdict, &*rows[3].verdict), ("enforced", "exempted: agreed"));
    }
}

/// As it is written it would wait for the reader, and everybody behind it.
#[tokio::test]
async fn a_refresh_goes_beside_its_readers() {
    let view = "CREATE MATERIALIZED VIEW seen AS SELECT * FROM big; CREATE UNIQUE INDEX ON seen (id)";
    for scene in scenes(&format!("{BIG}{view}")).await {
        let reader = scene.cluster.connect(&scene.database).await;
        reader.batch_execute("BEGIN; SELECT count(*) FROM seen").await.unwrap();
        let session = scene.connect().await;
        for (protocol, a) in PROTOCOLS.into_iter().zip([7, 8]) {
            scene.direct.batch_execute(&format!("UPDATE big SET a = {a} WHERE id = 1")).await.unwrap();
            session.run(protocol, "REFRESH MATERIALIZED VIEW seen").await.unwrap();
            assert_eq!(scene.direct.value("SELECT a FROM seen WHERE id = 1").await, a.to_string());
            scene.direct.batch_execute(&format!("UPDATE big SET a = -{a} WHERE id = 1")).await.unwrap();
            for sql in ["BEGIN", "REFRESH MATERIALIZED VIEW seen", "COMMIT"] {
                session.run(protocol, sql).await.unwrap();
            }
            assert_eq!(scene.direct.value("SELECT a FROM seen WHERE id = 1").await, format!("-{a}"));
        }
        assert!(
            session
                .notice_texts()
                .iter()
                .all(|notice| notice.contains("running for") || notice.contains("runs as: REFRESH MATERIALIZED VIEW CONCURRENTLY seen"))
        );
    }
}
