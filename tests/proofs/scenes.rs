//! Tables with enough rows, and statements about them.

use pgairlock::catalog::locks::LockMode;

/// The tables that the rules' examples name: `t` and `p` are over the default `small_table`, `e` is empty.
pub(crate) const TABLES: &str = "
CREATE TABLE p (id bigint PRIMARY KEY, a int, b varchar(50), ts timestamp) WITH (autovacuum_enabled = off);
INSERT INTO p SELECT g, g, repeat('x', 50), now() FROM generate_series(1, 12000) AS g;
CREATE TABLE t (id bigint PRIMARY KEY, a int, b varchar(50), ts timestamp) WITH (autovacuum_enabled = off);
CREATE INDEX t_b_idx ON t (b);
INSERT INTO t SELECT g, g, repeat('x', 40) || g, now() FROM generate_series(1, 12000) AS g;
CREATE TABLE e (id bigint, a int);";

/// What the example of a rule finds besides.
pub(crate) fn setup(rule: &str) -> &'static str {
    match rule {
        // It fails at the first row, and its locks are gone with it; on pages full of dead rows it does all that it would do.
        "add-column-not-null" => "DELETE FROM t",
        "add-primary-key-blocking" => "ALTER TABLE t DROP CONSTRAINT t_pkey",
        "alter-domain-scan" => "CREATE DOMAIN positive AS int; ALTER TABLE t ADD d positive DEFAULT 1",
        "create-rule" => "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
        "drop-default" => "ALTER TABLE t ALTER a SET DEFAULT 1, ALTER a SET NOT NULL",
        "drop-object" | "refresh-concurrently" | "refresh-materialized-view" => MATERIALIZED,
        "set-expression-rewrite" => "ALTER TABLE t DROP a; ALTER TABLE t ADD a bigint GENERATED ALWAYS AS (id) STORED",
        "detach-partition-blocking" => PARTITIONED,
        "drop-table-foreign-keys" => "ALTER TABLE e ADD CONSTRAINT e_a_fkey FOREIGN KEY (a) REFERENCES p (id)",
        "new-partition-scanning" => {
            "DROP TABLE t;
             CREATE TABLE t (LIKE p) PARTITION BY RANGE (id);
             ALTER TABLE p DROP CONSTRAINT p_pkey;
             UPDATE p SET id = 1 + id % 8"
        }
        _ => "",
    }
}

/// `p` is the one partition of `t`.
const PARTITIONED: &str =
    "DROP TABLE t; CREATE TABLE t (LIKE p) PARTITION BY RANGE (id); ALTER TABLE t ATTACH PARTITION p FOR VALUES FROM (1) TO (20000)";

const MATERIALIZED: &str = "CREATE MATERIALIZED VIEW v AS SELECT * FROM t; CREATE UNIQUE INDEX v_by_id ON v (id)";

/// Locks of a rule's `bad` on other tables and on indexes, and the first version that takes them.
pub(crate) const BESIDE: &[(&str, &str, LockMode, u32)] = &[
    ("add-column-references", "public.p", LockMode::ShareRowExclusive, 13),
    ("add-foreign-key-validating", "public.p", LockMode::ShareRowExclusive, 13),
    ("detach-partition-blocking", "public.p", LockMode::AccessExclusive, 14),
    ("drop-table-foreign-keys", "public.p", LockMode::AccessExclusive, 13),
    ("reindex-blocking", "public.t_b_idx", LockMode::AccessExclusive, 13),
];

/// Statements on the same tables.
pub(crate) struct Scene {
    /// The first version that has all of it.
    pub(crate) since: u32,
    /// What is there besides `TABLES`.
    pub(crate) setup: &'static str,
    /// Rules, and what they flag.
    pub(crate) flagged: &'static [(&'static str, &'static str)],
    /// What no rule flags.
    pub(crate) passing: &'static [&'static str],
}

/// More than the examples of the rules.
pub(crate) const SCENES: &[Scene] = &[
    Scene {
        since: 13,
        setup: "",
        flagged: &[
            ("create-index-blocking", "CREATE UNIQUE INDEX ON t (a, id)"),
            ("create-index-blocking", "CREATE INDEX ON t USING hash (a)"),
            ("reindex-blocking", "REINDEX TABLE t"),
            ("add-column-rewrite", "ALTER TABLE t ADD COLUMN c bigserial"),
            ("add-column-rewrite", "ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS IDENTITY"),
            ("add-column-rewrite", "ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS (a + 1) STORED"),
            ("add-column-rewrite", "ALTER TABLE t ADD COLUMN c timestamptz DEFAULT clock_timestamp()"),
            ("add-column-check", "ALTER TABLE t ADD COLUMN c int DEFAULT 1 CHECK (c > 0)"),
            ("add-column-unique", "ALTER TABLE t ADD COLUMN c int CONSTRAINT k UNIQUE"),
            ("add-foreign-key-validating", "ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES p, ADD FOREIGN KEY (a) REFERENCES p"),
            ("add-check-validating", "ALTER TABLE t ADD CHECK (a > 0) NO INHERIT, ADD COLUMN c int"),
            ("add-unique-blocking", "ALTER TABLE t ADD UNIQUE (a, b)"),
            ("add-unique-blocking", "ALTER TABLE t ADD EXCLUDE USING btree (id WITH =)"),
            ("alter-column-type", "ALTER TABLE t ALTER b TYPE varchar(49) USING left(b, 49)"),
            ("alter-column-type", "ALTER TABLE t ALTER b TYPE char(60)"),
            ("drop-table", "DROP TABLE t, p"),
            ("vacuum-full", "CLUSTER t USING t_b_idx"),
            ("storage-rewrite", "ALTER TABLE t SET UNLOGGED"),
            ("truncate", "TRUNCATE t, p"),
            ("create-rule", "CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM e"),
            ("drop-object", "ALTER TABLE t DROP CONSTRAINT t_pkey CASCADE"),
        ],
        passing: &[
            "ALTER TABLE t ADD COLUMN c text",
            "ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT 0, ADD COLUMN d timestamptz DEFAULT now()",
            "ALTER TABLE t ADD COLUMN c text DEFAULT current_user",
            "ALTER TABLE t ADD COLUMN c bigint REFERENCES p (id)",
            "ALTER TABLE t ALTER a SET DEFAULT 1",
            "ALTER TABLE t ALTER a SET STATISTICS 100",
            "ALTER TABLE t ALTER b TYPE text",
            "ALTER TABLE t ALTER b TYPE varchar(100)",
            "ALTER TABLE t ALTER ts TYPE timestamptz",
            "ALTER TABLE t ALTER a TYPE oid",
            "CREATE TABLE n (id int, t bigint REFERENCES t (id))",
            "COMMENT ON TABLE t IS 'x'",
            "GRANT SELECT ON t TO PUBLIC",
            "CREATE VIEW v AS SELECT * FROM t",
            "CREATE STATISTICS s ON a, b FROM t",
            "ALTER TABLE t SET (fillfactor = 80)",
            "ALTER INDEX t_b_idx RENAME TO t_by_b",
            "ANALYZE t",
            "UPDATE t SET a = a + 1 WHERE id < 1000",
        ],
    },
    Scene {
        since: 18,
        setup: "ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID",
        flagged: &[
            ("add-column-not-null", "ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS (a + 1) VIRTUAL NOT NULL"),
            ("set-not-null-scan", "ALTER TABLE t ADD CONSTRAINT m NOT NULL b"),
            ("set-not-null-scan", "ALTER TABLE t ALTER a SET NOT NULL"),
        ],
        passing: &["ALTER TABLE t VALIDATE CONSTRAINT n", "ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS (a + 1) VIRTUAL"],
    },
    Scene {
        since: 13,
        setup: "CREATE DOMAIN plain AS int; CREATE DOMAIN positive AS int CHECK (VALUE > 0); ALTER TABLE t ADD d plain NOT NULL DEFAULT 1;
            CREATE DOMAIN later AS int; ALTER TABLE t ADD l later DEFAULT 1; ALTER DOMAIN later ADD CONSTRAINT later CHECK (VALUE > 0) NOT VALID",
        flagged: &[
            ("add-column-rewrite", "ALTER TABLE t ADD COLUMN c positive"),
            ("alter-column-type", "ALTER TABLE t ALTER a TYPE positive"),
            ("alter-domain-scan", "ALTER DOMAIN plain ADD CHECK (VALUE > 0)"),
            ("alter-domain-scan", "ALTER DOMAIN later VALIDATE CONSTRAINT later"),
            ("alter-domain-scan", "ALTER DOMAIN plain SET NOT NULL"),
        ],
        passing: &["ALTER TABLE t ALTER a TYPE plain", "ALTER TABLE t ADD COLUMN c plain"],
    },
    Scene {
        since: 13,
        setup: "CREATE INDEX t_ts ON t (ts); CREATE INDEX t_a ON t (a); CREATE INDEX t_lower ON t (lower(b))",
        flagged: &[
            ("drop-index-blocking", "DROP INDEX t_b_idx, t_ts"),
            // The session's time zone is UTC.
            ("alter-column-type", "ALTER TABLE t ALTER ts TYPE timestamptz"),
            ("alter-column-type", "ALTER TABLE t ALTER a TYPE oid"),
            ("alter-column-type", "ALTER TABLE t ALTER b TYPE varchar(60)"),
        ],
        passing: &[],
    },
    Scene {
        since: 13,
        setup: "ALTER TABLE t ADD i cidr, ADD n numeric(10, 2), ADD s timestamp(3), ADD CONSTRAINT k CHECK (length(b) > 0), ADD CHECK (a IS NOT NULL)",
        flagged: &[("alter-column-type", "ALTER TABLE t ALTER b TYPE text"), ("alter-column-type", "ALTER TABLE t ALTER n TYPE numeric(14, 4)")],
        passing: &[
            "ALTER TABLE t ALTER i TYPE inet, ALTER n TYPE numeric(14, 2), ALTER s TYPE timestamp(6)",
            "ALTER TABLE t ALTER a SET NOT NULL",
            "ALTER TABLE t DROP CONSTRAINT k",
        ],
    },
    Scene {
        since: 13,
        setup: "ALTER TABLE t ADD CONSTRAINT k CHECK (a IS NOT NULL) NOT VALID, ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES p NOT VALID",
        flagged: &[
            ("set-not-null-scan", "ALTER TABLE t ALTER a SET NOT NULL"),
            ("validate-in-transaction", "ALTER TABLE t VALIDATE CONSTRAINT k, ADD COLUMN c int"),
            ("drop-column", "ALTER TABLE t DROP COLUMN a"),
            ("drop-table", "DROP TABLE t"),
            ("drop-table", "DROP TABLE p CASCADE"),
        ],
        passing: &["ALTER TABLE t VALIDATE CONSTRAINT k", "ALTER TABLE t VALIDATE CONSTRAINT f", "ALTER TABLE t DROP CONSTRAINT f"],
    },
    Scene {
        since: 13,
        setup: "ALTER TABLE t DROP CONSTRAINT t_pkey; CREATE UNIQUE INDEX t_a ON t (a); CREATE UNIQUE INDEX t_id ON t (id)",
        flagged: &[
            ("add-primary-key-blocking", "ALTER TABLE t ADD PRIMARY KEY (a)"),
            ("add-primary-key-blocking", "ALTER TABLE t ADD PRIMARY KEY USING INDEX t_a"),
            ("add-column-unique", "ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
        ],
        passing: &["ALTER TABLE t ADD PRIMARY KEY USING INDEX t_id"],
    },
    Scene {
        since: 13,
        setup: "CREATE UNIQUE INDEX e_id ON e (id); ALTER TABLE p ADD e bigint REFERENCES e (id)",
        flagged: &[("drop-table-foreign-keys", "DROP TABLE e CASCADE")],
        passing: &[],
    },
    Scene {
        since: 13,
        setup: "CREATE SCHEMA s; CREATE VIEW v AS SELECT * FROM t; CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
            CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        flagged: &[
            ("rename-table", "ALTER TABLE t SET SCHEMA s"),
            ("rename-table", "ALTER VIEW v RENAME TO w"),
            ("rename-table", "ALTER MATERIALIZED VIEW m RENAME TO w"),
            ("refresh-materialized-view", "REFRESH MATERIALIZED VIEW m"),
            ("drop-object", "DROP MATERIALIZED VIEW m"),
        ],
        passing: &["CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "CREATE OR REPLACE VIEW v AS SELECT *, 1 AS one FROM t"],
    },
    Scene {
        since: 13,
        setup: "CREATE TABLE q (LIKE t INCLUDING INDEXES); INSERT INTO q SELECT * FROM t; ALTER TABLE p DROP CONSTRAINT p_pkey;
            DROP TABLE t; CREATE TABLE t (LIKE p) PARTITION BY RANGE (id); CREATE INDEX t_ts ON t (ts);
            ALTER TABLE t ATTACH PARTITION p FOR VALUES FROM (1) TO (20000)",
        flagged: &[
            ("create-index-blocking", "CREATE INDEX ON t (a)"),
            ("rename-column", "ALTER TABLE t RENAME a TO c"),
            ("add-check-validating", "ALTER TABLE t ADD CHECK (a > 0)"),
            ("add-unique-blocking", "ALTER TABLE t ADD UNIQUE (id, a)"),
            ("add-primary-key-blocking", "ALTER TABLE t ADD PRIMARY KEY (id, a)"),
            ("add-foreign-key-validating", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES q (id)"),
            ("set-not-null-scan", "ALTER TABLE t ALTER a SET NOT NULL"),
            ("alter-column-type", "ALTER TABLE t ALTER a TYPE bigint"),
            ("add-column-rewrite", "ALTER TABLE t ADD COLUMN c float8 DEFAULT random()"),
            ("add-column-check", "ALTER TABLE t ADD COLUMN c int DEFAULT 1 CHECK (c > 0)"),
            ("add-column-references", "ALTER TABLE t ADD COLUMN c bigint DEFAULT 1 REFERENCES q (id)"),
            ("drop-column", "ALTER TABLE t DROP COLUMN a"),
            ("drop-table", "DROP TABLE t"),
            ("truncate", "TRUNCATE t"),
        ],
        passing: &[
            "CREATE TABLE n PARTITION OF t FOR VALUES FROM (20000) TO (30000)",
            "CREATE TABLE n (LIKE t); ALTER TABLE t ATTACH PARTITION n FOR VALUES FROM (20000) TO (30000)",
            "ALTER TABLE t ADD COLUMN c int DEFAULT 1",
            "DROP INDEX t_ts",
        ],
    },
    Scene {
        since: 13,
        setup: "DROP TABLE t, e; CREATE TABLE e (LIKE p); CREATE TABLE t (LIKE p) PARTITION BY RANGE (id); CREATE TABLE q PARTITION OF t FOR VALUES FROM (0) TO (1);
            ALTER TABLE t ATTACH PARTITION p DEFAULT",
        flagged: &[
            ("new-partition-scanning", "CREATE TABLE n PARTITION OF t FOR VALUES FROM (20000) TO (30000)"),
            ("new-partition-scanning", "ALTER TABLE t ATTACH PARTITION e FOR VALUES FROM (20000) TO (30000)"),
            ("detach-partition-blocking", "ALTER TABLE t DETACH PARTITION q"),
        ],
        passing: &[],
    },
];
