//! ATTACH PARTITION of a table with rows, and new partitions beside a default one, leave what the statement itself leaves, and read nothing under
//! its lock.

use super::support::scene::{scenes_with, set_up};
use super::support::{PROTOCOLS, Protocol, RawClient, Session, catalog};
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
    CREATE TABLE n_up (id int, b int) PARTITION BY RANGE (id);
    CREATE TABLE n PARTITION OF n_up FOR VALUES FROM (1) TO (100) PARTITION BY LIST (b);
    CREATE TABLE n_1 (id int, b int); INSERT INTO n_1 SELECT i, 1 FROM generate_series(1, 99) i;
    CREATE TABLE n_2 (id int, b int) PARTITION BY RANGE (id); CREATE TABLE n_2a PARTITION OF n_2 FOR VALUES FROM (1) TO (50);
    CREATE TABLE n_2b PARTITION OF n_2 DEFAULT; INSERT INTO n_2 SELECT i, 2 FROM generate_series(1, 99) i;";

/// Run one after the other; with the table that is read, where one is, and how often an index is built on it.
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
    "ALTER TABLE n ATTACH PARTITION n_1 FOR VALUES IN (1)",
    "ALTER TABLE n ATTACH PARTITION n_2 FOR VALUES IN (2)",
];

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
                known.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
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
