//! ATTACH PARTITION of a table with rows, and new partitions beside a default one, leave what the statement itself leaves, and read nothing under
//! its lock.

use super::dying::{cut_off, places};
use super::support::scene::{scenes_with, set_up};
use super::support::{Cluster, PROTOCOLS, Proxy, RawClient, Session, catalog, clusters};
use super::{STRICT, meant, only, run};

/// `m` has keys, indexes and a foreign key; the tables that join it have more or less of them, and their columns in another order. `r`, `l`, `h` are
/// partitioned in each way, `d` and `w` have a default partition, that of `w` being partitioned itself; `n` stands below another table.
const TABLES: &str = "
    CREATE TABLE ref (id int PRIMARY KEY);
    INSERT INTO ref SELECT generate_series(1, 1000);
    CREATE SCHEMA other;
    CREATE TABLE m (id int NOT NULL, a int CHECK (a > 0), b text, r int REFERENCES ref ON DELETE CASCADE, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE UNIQUE INDEX once ON m (id, a) INCLUDE (b);
    CREATE INDEX ON m (lower(b), a DESC) WHERE a > 3;
    ALTER TABLE m ADD UNIQUE (r, id) DEFERRABLE INITIALLY DEFERRED;
    CREATE TABLE m_1 PARTITION OF m FOR VALUES FROM (MINVALUE) TO (100);
    INSERT INTO m SELECT i, i, 'b' || i, i FROM generate_series(1, 99) i;
    CREATE TABLE other.m_2 (gone int, r int, b text, a int, id int NOT NULL, CONSTRAINT m_a_check CHECK (a > 0));
    ALTER TABLE other.m_2 DROP COLUMN gone;
    INSERT INTO other.m_2 SELECT i, 'b' || i, i, i FROM generate_series(100, 199) i;
    CREATE TABLE m_3 (LIKE m INCLUDING ALL);
    INSERT INTO m_3 SELECT i, i, 'b' || i, i FROM generate_series(200, 299) i;
    ALTER TABLE m_3 ADD CONSTRAINT m_r_fkey FOREIGN KEY (r) REFERENCES ref ON DELETE CASCADE;
    CREATE TABLE m_4 (LIKE m INCLUDING CONSTRAINTS);
    CREATE INDEX m_4_lower_a_idx ON m_4 (id);
    CREATE UNIQUE INDEX by_hand ON m_4 (id, a) INCLUDE (b);
    INSERT INTO m_4 SELECT i, i, 'b' || i, i FROM generate_series(300, 399) i;
    CREATE TABLE r (a varchar(20), at timestamptz, x numeric(5, 1)) PARTITION BY RANGE (a, at, x);
    CREATE TABLE r_1 (LIKE r); INSERT INTO r_1 SELECT 'a', '2024-01-02', i FROM generate_series(1, 50) i;
    CREATE TABLE r_2 (LIKE r); INSERT INTO r_2 SELECT 'd', '2024-01-02', i FROM generate_series(1, 50) i;
    CREATE TABLE r_3 (LIKE r); INSERT INTO r_3 SELECT 'g', '2024-01-02', i FROM generate_series(1, 50) i;
    CREATE TABLE r_d (LIKE r); INSERT INTO r_d SELECT 'z', '2024-01-02', i FROM generate_series(1, 50) i; INSERT INTO r_d VALUES (NULL, NULL, NULL);
    CREATE TYPE mood AS ENUM ('sad', 'happy', 'odd');
    CREATE TABLE l (a mood, b int) PARTITION BY LIST (a);
    CREATE TABLE l_1 (LIKE l); INSERT INTO l_1 SELECT 'sad', i FROM generate_series(1, 50) i;
    CREATE TABLE l_2 (LIKE l); INSERT INTO l_2 SELECT NULL, i FROM generate_series(1, 50) i;
    CREATE TABLE l_d (LIKE l); INSERT INTO l_d SELECT 'odd', i FROM generate_series(1, 50) i;
    CREATE TABLE h (id int, b bigint) PARTITION BY HASH (id, b);
    CREATE TABLE h_0 (LIKE h); CREATE TABLE h_1 (LIKE h);
    INSERT INTO h_0 SELECT i, i FROM generate_series(1, 100) i WHERE satisfies_hash_partition('h'::regclass, 2, 0, i, i::bigint);
    INSERT INTO h_1 SELECT i, i FROM generate_series(1, 100) i WHERE satisfies_hash_partition('h'::regclass, 2, 1, i, i::bigint);
    CREATE TABLE d (id int NOT NULL, b text) PARTITION BY RANGE (id);
    CREATE INDEX ON d (b);
    CREATE TABLE d_d PARTITION OF d DEFAULT;
    INSERT INTO d SELECT i, 'b' || i FROM generate_series(1, 99) i;
    CREATE TABLE d_2 (id int NOT NULL, b text); INSERT INTO d_2 SELECT i, 'b' FROM generate_series(200, 250) i;
    CREATE TABLE w (id int, b text) PARTITION BY LIST (id);
    CREATE TABLE w_d PARTITION OF w DEFAULT PARTITION BY RANGE (id);
    CREATE TABLE w_d1 PARTITION OF w_d FOR VALUES FROM (1) TO (50);
    CREATE TABLE w_d2 PARTITION OF w_d DEFAULT;
    INSERT INTO w SELECT i, 'b' FROM generate_series(1, 99) i;
    CREATE TABLE v_up (a varchar(20), b int) PARTITION BY LIST (a);
    CREATE TABLE v PARTITION OF v_up FOR VALUES IN ('x', 'y', NULL) PARTITION BY RANGE (b);
    CREATE TABLE v_1 (a varchar(20), b int); INSERT INTO v_1 SELECT 'y', i FROM generate_series(1, 50) i;
    CREATE TABLE n_up (id int, b int) PARTITION BY RANGE (id);
    CREATE TABLE n PARTITION OF n_up FOR VALUES FROM (1) TO (100) PARTITION BY LIST (b);
    CREATE TABLE n_1 (id int, b int); INSERT INTO n_1 SELECT i, 1 FROM generate_series(1, 99) i;
    CREATE TABLE n_2 (id int, b int) PARTITION BY RANGE (id); CREATE TABLE n_2a PARTITION OF n_2 FOR VALUES FROM (1) TO (50);
    CREATE TABLE n_2b PARTITION OF n_2 DEFAULT; INSERT INTO n_2 SELECT i, 2 FROM generate_series(1, 99) i;";

/// Run one after the other.
const JOINED: &[&str] = &[
    "ALTER TABLE m ATTACH PARTITION other.m_2 FOR VALUES FROM (100) TO (200)",
    "ALTER TABLE m ATTACH PARTITION m_3 FOR VALUES FROM (200) TO (300) -- why",
    "ALTER TABLE public.m ATTACH PARTITION m_4 FOR VALUES FROM (300) TO (MAXVALUE)",
    "ALTER TABLE r ATTACH PARTITION r_1 FOR VALUES FROM ('a', '2024-01-01', 1.5) TO ('c', '2024-01-01', MAXVALUE)",
    "ALTER TABLE r ATTACH PARTITION r_2 FOR VALUES FROM ('d', '2024-01-02', 1) TO ('d', '2024-01-02', 51)",
    "ALTER TABLE r ATTACH PARTITION r_3 FOR VALUES FROM ('f', MINVALUE, MINVALUE) TO ('h', MINVALUE, MINVALUE)",
    "ALTER TABLE r ATTACH PARTITION r_d DEFAULT",
    "ALTER TABLE l ATTACH PARTITION l_1 FOR VALUES IN ('sad', 'happy')",
    "ALTER TABLE l ATTACH PARTITION l_2 FOR VALUES IN (NULL)",
    "ALTER TABLE l ATTACH PARTITION l_d DEFAULT",
    "ALTER TABLE h ATTACH PARTITION h_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    "ALTER TABLE h ATTACH PARTITION h_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    "CREATE TABLE d_1 PARTITION OF d (b DEFAULT 'x' NOT NULL, CHECK (id > 0)) FOR VALUES FROM (100) TO (200) WITH (fillfactor = 70)",
    "ALTER TABLE d ATTACH PARTITION d_2 FOR VALUES FROM (200) TO (300)",
    "CREATE TABLE w_1 PARTITION OF w FOR VALUES IN (100, 101, NULL) PARTITION BY RANGE (id)",
    "ALTER TABLE v ATTACH PARTITION v_1 FOR VALUES FROM (1) TO (100)",
    "ALTER TABLE n ATTACH PARTITION n_1 FOR VALUES IN (1)",
    "ALTER TABLE n ATTACH PARTITION n_2 FOR VALUES IN (2)",
];

/// What it makes belongs to the role of the tool.
async fn as_the_tool(direct: &Session, sql: &str) {
    direct.batch_execute("SET SESSION AUTHORIZATION trusted").await.unwrap();
    direct.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    direct.batch_execute("RESET SESSION AUTHORIZATION").await.unwrap();
}

#[tokio::test]
async fn a_table_joins_as_by_the_statement_itself() {
    compare(false).await;
}

#[tokio::test]
async fn a_table_joins_after_commit_as_by_the_statement_itself() {
    compare(true).await;
}

async fn compare(in_transaction: bool) {
    let mut wrong = Vec::new();
    for scene in scenes_with("enforce", STRICT, "SELECT").await {
        for protocol in PROTOCOLS {
            let ((ours, seen), (_, known)) = (set_up(scene.cluster, TABLES).await, set_up(scene.cluster, TABLES).await);
            let mut client = RawClient::log_in(scene.proxy.port, &ours).await;
            for sql in JOINED {
                let begun = if in_transaction { client.ask("BEGIN").await.errors } else { vec![] };
                let reply = run(&mut client, protocol, sql).await;
                let ended = if in_transaction { client.ask("COMMIT").await } else { reply.clone() };
                as_the_tool(&known, sql).await;
                let announced = reply.notices.iter().any(|text| text.contains("[new-partition-scanning]"));
                if !begun.is_empty() || !reply.errors.is_empty() || !ended.errors.is_empty() || !announced {
                    wrong.push(format!("{sql} on {}: {reply:?} {ended:?}", scene.cluster.version));
                    continue;
                }
                let (made, direct) = (meant(&catalog(&seen).await), meant(&catalog(&known).await));
                if made != direct {
                    wrong.push(format!("{sql} on {}:\n  {}\nnot\n  {}", scene.cluster.version, only(&made, &direct), only(&direct, &made)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What the server's log says of a session: each statement, and what it did.
fn told(cluster: &Cluster, pid: &str) -> Vec<(String, String)> {
    let log = std::fs::read_to_string(cluster.directory.join("data/server.log")).unwrap();
    let mut statements: Vec<(String, String)> = Vec::new();
    for line in log.lines().filter(|line| line.contains(&format!("[{pid}]"))) {
        if let Some((_, sql)) =
            line.split_once("LOG:  statement: ").or_else(|| line.split_once("LOG:  execute ").and_then(|(_, rest)| rest.split_once(": ")))
        {
            statements.push((sql.to_owned(), String::new()));
        } else if let Some((_, did)) = statements.last_mut() {
            did.push_str(line.split_once("DEBUG:  ").map_or("", |(_, did)| did));
            did.push('\n');
        }
    }
    statements
}

/// The server itself says that it has read nothing and built nothing.
#[tokio::test]
async fn nothing_is_read_and_built_when_it_joins() {
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, TABLES).await;
        for setting in ["log_statement = 'all'", "log_min_messages = 'debug1'"] {
            direct.batch_execute(&format!("ALTER DATABASE {database} SET {setting}")).await.unwrap();
        }
        let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
        let (mut client, mut past) = (RawClient::log_in(proxy.port, &database).await, RawClient::log_in(cluster.port, &database).await);
        let pids = [client.ask("SELECT pg_backend_pid()").await.rows[0].clone(), past.ask("SELECT pg_backend_pid()").await.rows[0].clone()];
        for sql in JOINED {
            // By the statement itself something is read.
            assert_eq!(past.ask(&format!("BEGIN; {sql}")).await.errors, [], "{sql}");
            past.ask("ROLLBACK").await;
            assert_eq!(client.ask(sql).await.errors, [], "{sql}");
        }
        let [ours, natively] = pids.map(|pid| told(cluster, &pid));
        // What is new is empty.
        let is_new = |line: &str| ["\"d_1\"", "\"w_1\"", "\"pg_toast_"].iter().any(|table| line.contains(&format!(" on table {table}")));
        let work = |did: &str| did.lines().any(|line| line.contains("verifying table") || line.contains("building index") && !is_new(line));
        for sql in JOINED {
            let sql = sql.trim_end_matches(" -- why");
            let find = |told: &[(String, String)]| told.iter().find(|(found, _)| found.contains(sql)).cloned().unwrap_or_default().1;
            let (did, natively) = (find(&ours), find(&natively));
            assert!(did.contains("implied by existing constraints") && !work(&did), "{sql} on {}: {did}", cluster.version);
            // Of the default partition it says only when it does not read it.
            assert!(work(&natively) && sql.contains("ATTACH") || !natively.contains("is implied by"), "{sql} on {}: {natively}", cluster.version);
        }
    }
}

/// Rows that do not belong where they would be: in the server's words, and nothing is left.
#[tokio::test]
async fn rows_that_do_not_fit_leave_nothing_behind() {
    let dirt = "INSERT INTO other.m_2 VALUES (500, 'b', 500, 500); UPDATE m_4 SET r = 5000 WHERE id = 399;
        UPDATE m_3 SET r = 5 WHERE id = 299; INSERT INTO d_d VALUES (150, 'x'); INSERT INTO n_1 VALUES (150, 1)";
    for scene in scenes_with("enforce", STRICT, &format!("{TABLES}{dirt}")).await {
        let before = catalog(&scene.direct).await;
        let (mut through, mut past) = (scene.raw().await, scene.raw_direct().await);
        for (sql, sqlstate, is_searched) in [
            ("ALTER TABLE m ATTACH PARTITION other.m_2 FOR VALUES FROM (100) TO (200)", "23514", true),
            ("ALTER TABLE m ATTACH PARTITION m_4 FOR VALUES FROM (300) TO (400)", "23503", false),
            ("CREATE TABLE d_1 PARTITION OF d FOR VALUES FROM (100) TO (200)", "23514", true),
            ("ALTER TABLE n ATTACH PARTITION n_1 FOR VALUES IN (1)", "23514", true),
            ("ALTER TABLE m ATTACH PARTITION m_3 FOR VALUES FROM (50) TO (300)", "42P17", false),
            ("ALTER TABLE m ATTACH PARTITION ref FOR VALUES FROM (500) TO (600)", "42804", false),
            ("ALTER TABLE m ATTACH PARTITION m_1 FOR VALUES FROM (500) TO (600)", "42809", false),
        ] {
            let direct = past.ask(sql).await;
            assert_eq!(direct.sqlstate(), sqlstate, "{sql}: {direct:?}");
            for protocol in PROTOCOLS {
                let reply = run(&mut through, protocol, sql).await;
                assert_eq!((&reply.errors, reply.status), (&direct.errors, b'I'), "{sql} on {}", scene.cluster.version);
                assert_eq!(catalog(&scene.direct).await, before, "{sql} on {}", scene.cluster.version);
                if is_searched {
                    through.ask("BEGIN").await;
                    let reply = run(&mut through, protocol, sql).await;
                    assert_eq!((&reply.errors, reply.status), (&direct.errors, b'E'), "{sql} on {}", scene.cluster.version);
                    through.ask("ROLLBACK").await;
                }
            }
        }
    }
}

/// What cannot be proven or built beforehand is refused with the reason.
#[tokio::test]
async fn what_cannot_join_safely_is_refused_with_the_statements() {
    let setup = format!(
        "{TABLES}
        CREATE TABLE e (id int, b text) PARTITION BY RANGE ((id + 1));
        CREATE TABLE e_1 (LIKE e); INSERT INTO e_1 SELECT 1, 'x';
        CREATE TABLE t (id text) PARTITION BY HASH (id);
        CREATE TABLE t_1 (LIKE t); INSERT INTO t_1 VALUES ('x');
        CREATE INDEX ON n_up (id);
        CREATE DOMAIN positive AS int CHECK (value > 0);
        CREATE TABLE o (id positive) PARTITION BY LIST (id);
        CREATE TABLE o_1 (LIKE o); INSERT INTO o_1 VALUES (1);
        ALTER TABLE m_4 ADD CONSTRAINT m_r_fkey CHECK (r > 0)"
    );
    for scene in scenes_with("enforce", STRICT, &setup).await {
        let mut client = scene.raw().await;
        let before = catalog(&scene.direct).await;
        for (sql, reason) in [
            ("ALTER TABLE e ATTACH PARTITION e_1 FOR VALUES FROM (1) TO (5)", "partitioned by an expression"),
            ("ALTER TABLE t ATTACH PARTITION t_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0)", "no CHECK of a hash of id"),
            ("ALTER TABLE o ATTACH PARTITION o_1 FOR VALUES IN (1)", "its type is a domain"),
            ("ALTER TABLE d ATTACH PARTITION d_2 FOR VALUES FROM (length(current_date::text) + 190) TO (300)", "no plain constants"),
            ("ALTER TABLE n ATTACH PARTITION n_2 FOR VALUES IN (2)", "public.n_2 is partitioned itself, and lacks an index like n_id_idx"),
            (
                "ALTER TABLE m ATTACH PARTITION m_4 FOR VALUES FROM (300) TO (400)",
                "ALTER TABLE public.m_4 VALIDATE CONSTRAINT __pgairlock_m_4_bounds;",
            ),
        ] {
            let reply = client.ask(sql).await;
            assert_eq!(reply.sqlstate(), "PA001", "{sql}: {reply:?}");
            assert!(reply.errors[0].1.contains(reason), "{sql}: {reply:?}");
        }
        for (first, later) in [
            ("ALTER TABLE d ATTACH PARTITION d_2 FOR VALUES FROM (200) TO (300)", "INSERT INTO d VALUES (210, 'b')"),
            ("ALTER TABLE d ATTACH PARTITION d_2 FOR VALUES FROM (200) TO (300)", "SELECT count(*) FROM d"),
            ("ALTER TABLE d ATTACH PARTITION d_2 FOR VALUES FROM (200) TO (300)", "ALTER TABLE d_2 ADD COLUMN x int"),
            ("CREATE TABLE d_1 PARTITION OF d FOR VALUES FROM (100) TO (200)", "CREATE INDEX ON d_1 (id)"),
            ("CREATE TABLE d_1 PARTITION OF d FOR VALUES FROM (100) TO (200)", "CREATE TABLE d_1 (id int)"),
            ("CREATE INDEX ON d_2 (id)", "ALTER TABLE d ATTACH PARTITION d_2 FOR VALUES FROM (200) TO (300)"),
        ] {
            client.ask("BEGIN").await;
            assert_eq!(client.ask(first).await.errors, [], "{first}");
            let reply = client.ask(later).await;
            assert_eq!(reply.sqlstate(), "PA001", "{first}; {later}: {reply:?}");
            client.ask("ROLLBACK").await;
        }
        assert_eq!(catalog(&scene.direct).await, before);
    }
}

/// Several new partitions beside a default one, in one migration.
#[tokio::test]
async fn one_migration_makes_several_partitions() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let (_, known) = set_up(scene.cluster, TABLES).await;
        let mut client = scene.raw().await;
        let sql = [
            "BEGIN",
            "CREATE TABLE d_1 PARTITION OF d FOR VALUES FROM (100) TO (200)",
            "ALTER TABLE d ATTACH PARTITION d_2 FOR VALUES FROM (200) TO (300)",
            "CREATE TABLE d_3 PARTITION OF d FOR VALUES FROM (300) TO (400)",
            "COMMIT",
        ];
        for sql in sql {
            assert_eq!(client.ask(sql).await.errors, [], "{sql}");
            as_the_tool(&known, sql).await;
        }
        assert_eq!(meant(&catalog(&scene.direct).await), meant(&catalog(&known).await));
        assert_eq!(scene.direct.value("SELECT count(*) FROM d_2").await, "51");
    }
}

/// Whoever dies, at whatever step: the next run goes on, or takes it back; but what has joined stays.
#[tokio::test]
async fn one_that_was_cut_off_is_gone_on_with_or_taken_back() {
    let join =
        ["ALTER TABLE m ATTACH PARTITION other.m_2 FOR VALUES FROM (100) TO (200)", "CREATE TABLE d_1 PARTITION OF d FOR VALUES FROM (100) TO (200)"];
    for cluster in clusters() {
        for sql in join {
            let (_, known) = set_up(cluster, TABLES).await;
            let untouched = catalog(&known).await;
            as_the_tool(&known, sql).await;
            let made = catalog(&known).await;
            for (number, place) in places(cluster, TABLES, &[sql]).await.iter().enumerate().step_by(if sql.starts_with("ALTER") { 5 } else { 1 }) {
                let again = number % 2 == 0;
                let (database, direct) = set_up(cluster, TABLES).await;
                let proxy = cut_off(cluster, (&database, &direct), place, &[sql]).await;
                let mut client = RawClient::log_in(proxy.port, &database).await;
                for sql in if again { vec![sql] } else { vec!["BEGIN", "COMMIT"] } {
                    let reply = client.ask(sql).await;
                    let is_there = reply.errors.iter().any(|(sqlstate, _)| ["42809", "42P07"].contains(&sqlstate.as_str()));
                    assert!(reply.errors.is_empty() || again && is_there, "{sql} {place}: {reply:?}");
                }
                let now = catalog(&direct).await;
                let whole = meant(&now) == meant(&made);
                let told = format!("{sql} {place} on {}: {}\nand not\n{}", cluster.version, only(&now, &made), only(&made, &now));
                assert!(whole || !again && now == untouched, "{told}");
            }
            for place in places(cluster, TABLES, &["BEGIN", sql, "COMMIT"]).await.iter().step_by(6) {
                let (database, direct) = set_up(cluster, TABLES).await;
                let proxy = cut_off(cluster, (&database, &direct), place, &["BEGIN", sql, "COMMIT"]).await;
                let mut client = RawClient::log_in(proxy.port, &database).await;
                for sql in ["BEGIN", "COMMIT"] {
                    assert_eq!(client.ask(sql).await.errors, [], "{sql} {place}");
                }
                let now = catalog(&direct).await;
                let told = format!("{sql} {place} on {}: {}\nand not\n{}", cluster.version, only(&now, &made), only(&made, &now));
                assert!(meant(&now) == meant(&made), "{told}");
            }
        }
    }
}

/// The partition has joined, and somebody is in the way of what comes last: it has happened, and the next session drops what is left.
#[tokio::test]
async fn what_is_left_when_it_has_joined_is_dropped_by_the_next_session() {
    let sql = "CREATE TABLE d_1 PARTITION OF d FOR VALUES FROM (100) TO (200)";
    for cluster in clusters() {
        let ((database, direct), (_, known)) = (set_up(cluster, TABLES).await, set_up(cluster, TABLES).await);
        as_the_tool(&known, sql).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
        // Whoever may not drop it: it is refused there and then, and again when it is cleaned up.
        let refuse = "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                IF current_query() ~ 'DROP CONSTRAINT' THEN RAISE 'not now'; END IF; END $$;
            CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION refuse()";
        direct.batch_execute(refuse).await.unwrap();
        let mut client = RawClient::log_in(proxy.port, &database).await;
        let reply = client.ask(sql).await;
        assert_eq!((&reply.errors[..], &reply.tags[..]), (&[][..], &["CREATE TABLE".to_owned()][..]), "{reply:?}");
        assert!(
            reply.notices.iter().any(|text| text.contains("the statement is done, but") && text.contains("the next session of this role")),
            "{reply:?}"
        );
        direct.batch_execute("DROP EVENT TRIGGER refuse; DROP FUNCTION refuse()").await.unwrap();
        assert_ne!(catalog(&direct).await, catalog(&known).await);
        let mut next = RawClient::log_in(proxy.port, &database).await;
        for sql in ["BEGIN", "COMMIT"] {
            assert_eq!(next.ask(sql).await.errors, [], "{sql}");
        }
        assert_eq!(catalog(&direct).await, catalog(&known).await, "on {}", cluster.version);
    }
}
