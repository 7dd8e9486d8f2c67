//! What does not fit on one partition leaves what the statement itself would have left.

use super::support::frontend::Reply;
use super::support::scene::{scenes_with, set_up};
use super::support::{PROTOCOLS, Proxy, RawClient, catalog, clusters};
use super::{STRICT, TREES, meant, run};

/// On the last partition that is worked on, so that there is something to take back.
const DIRT: &str = "UPDATE m_2d SET (a, r, b) = (100, 100, NULL) WHERE id = 150; UPDATE m_2d SET c = 100000 WHERE id = 151;
    ALTER TABLE m ADD COLUMN d int; UPDATE m_2d SET d = 1 WHERE id > 197";

const FAILING: &[(&str, &str)] = &[
    ("CREATE UNIQUE INDEX u ON m (id, no_such)", "42703"),
    ("CREATE UNIQUE INDEX u ON m (a)", "0A000"),
    ("ALTER TABLE m ADD UNIQUE (c)", "0A000"),
    ("ALTER TABLE m ADD FOREIGN KEY (c) REFERENCES ref", "23503"),
    ("ALTER TABLE m ADD CHECK (c < 50000)", "23514"),
    ("CREATE UNIQUE INDEX ON n (id, a)", "23505"),
    ("ALTER TABLE n ADD UNIQUE (id, a)", "23505"),
    ("ALTER TABLE n ADD PRIMARY KEY (id, a)", "23505"),
    ("ALTER TABLE m ADD PRIMARY KEY (id, d)", "23502"),
];

/// `n` has duplicates on its third partition.
const DOUBLED: &str = "CREATE TABLE n (id int, a int) PARTITION BY RANGE (id);
    CREATE TABLE n_1 PARTITION OF n FOR VALUES FROM (1) TO (100);
    CREATE TABLE n_2 PARTITION OF n FOR VALUES FROM (100) TO (200);
    CREATE TABLE n_3 PARTITION OF n FOR VALUES FROM (200) TO (300);
    INSERT INTO n SELECT i, i FROM generate_series(1, 299) i; INSERT INTO n VALUES (250, 250);";

#[tokio::test]
async fn data_that_does_not_fit_leaves_nothing_behind() {
    for scene in scenes_with("enforce", STRICT, &format!("{TREES} {DIRT}; {DOUBLED}")).await {
        let before = catalog(&scene.direct).await;
        let (mut through, mut past) = (scene.raw().await, scene.raw_direct().await);
        let mut wrong = Vec::new();
        for (sql, sqlstate) in FAILING {
            let direct = past.ask(sql).await;
            assert_eq!(direct.sqlstate(), *sqlstate, "{sql}");
            for protocol in PROTOCOLS {
                let alone = run(&mut through, protocol, sql).await;
                through.ask("BEGIN").await;
                let inside = run(&mut through, protocol, sql).await;
                through.ask("ROLLBACK").await;
                for (reply, status) in [(alone, b'I'), (inside, b'E')] {
                    if reply.errors != direct.errors || reply.status != status {
                        // A search of the whole table does not know in which partition it has found a row.
                        if status == b'I' || !["23503", "23514"].contains(sqlstate) || reply.sqlstate() != *sqlstate {
                            wrong.push(format!("{protocol:?} {sql}: {:?}, not {:?}", reply.errors, direct.errors));
                        }
                    }
                }
                let after = catalog(&scene.direct).await;
                if after != before {
                    wrong.push(format!("{protocol:?} {sql} leaves {:?}", super::only(&after, &before)));
                }
                assert_eq!(through.ask("SHOW statement_timeout").await.rows, ["0"]);
            }
        }
        assert!(wrong.is_empty(), "on {}:\n{}", scene.cluster.version, wrong.join("\n"));
    }
}

/// Duplicates that come after the search: the promise waits for a person, and what the partitions before have is not built twice.
#[tokio::test]
async fn duplicates_that_come_before_the_commit_leave_a_promise_that_is_gone_on_with() {
    for cluster in clusters() {
        let clean = format!("{DOUBLED} DELETE FROM n WHERE id = 250");
        let ((ours, direct), (_, known)) = (set_up(cluster, &clean).await, set_up(cluster, &clean).await);
        let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
        let mut client = RawClient::log_in(proxy.port, &ours).await;
        let sql = "ALTER TABLE n ADD CONSTRAINT once UNIQUE (id, a)";
        assert_eq!((client.ask("BEGIN").await.errors, client.ask(sql).await.errors), (vec![], vec![]));
        direct.batch_execute("INSERT INTO n VALUES (250, 250), (250, 250)").await.unwrap();
        let told = client.ask("COMMIT").await;
        assert!(told.notices.iter().any(|text| text.contains("could not create unique index \"n_3_id_a_key\"")), "{told:?}");
        assert_eq!(direct.value("SELECT count(*) FROM pg_constraint WHERE conname ~ '^n_._id_a_key$'").await, "2");
        assert_eq!(direct.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, "0");
        let made = "SELECT oid FROM pg_class WHERE relname = 'n_1_id_a_key'";
        let first = direct.value(made).await;
        direct.batch_execute("DELETE FROM n WHERE id = 250").await.unwrap();
        let url = format!("postgres://trusted@127.0.0.1:{}/{ours}", cluster.port);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_pgairlock"))
            .args(["deferred", "run", "--database-url", &url, "--store"])
            .arg(&proxy.store)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        known.batch_execute(&format!("DELETE FROM n WHERE id = 250; {sql}")).await.unwrap();
        assert_eq!(meant(&catalog(&direct).await), meant(&catalog(&known).await));
        assert_eq!(direct.value(made).await, first, "it was not built again");
    }
}

/// What cannot be done partition by partition is refused with the reason.
#[tokio::test]
async fn what_cannot_be_is_refused_with_the_reason() {
    let setup = format!("{TREES} CREATE INDEX \"expr\" ON m_3 ((a + c)); ALTER TABLE m_3 ADD CONSTRAINT f CHECK (a > 0)");
    for scene in scenes_with("enforce", STRICT, &setup).await {
        let mut client = scene.raw().await;
        let before = catalog(&scene.direct).await;
        for (sql, reason) in [
            ("CREATE UNIQUE INDEX ON far (id)", "public.far_2 is a foreign table"),
            ("ALTER TABLE far ADD PRIMARY KEY (id)", "public.far_2 is a foreign table"),
            ("CREATE INDEX ON m ((c + a))", "whether PostgreSQL would take over the index expr of public.m_3"),
        ] {
            let reply: Reply = client.ask(sql).await;
            assert_eq!(reply.sqlstate(), "PA001", "{sql}: {reply:?}");
            assert!(reply.errors[0].1.contains(reason), "{sql}: {reply:?}");
        }
        if !scene.cluster.version.starts_with("18") {
            let reply = client.ask("ALTER TABLE m ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES ref").await;
            assert!(reply.errors[0].1.contains("public.m_3 has a constraint f already"), "{reply:?}");
        }
        assert_eq!(catalog(&scene.direct).await, before);
    }
}
