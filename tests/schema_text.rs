//! The comparison of schemas that other tests rest on: it sees what differs, and nothing where nothing does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use support::{catalog, clusters};

const SCHEMA: &str = "CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE owners (id bigserial PRIMARY KEY, name text NOT NULL DEFAULT 'x', m mood);
CREATE TABLE pets (id int GENERATED ALWAYS AS IDENTITY, owner bigint REFERENCES owners, age int CHECK (age > 0));
CREATE INDEX pets_owner ON pets (owner);
CREATE VIEW old AS SELECT * FROM pets WHERE age > 9;
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';";

#[tokio::test]
async fn the_same_schema_is_the_same_text_whatever_happened_before() {
    for cluster in clusters() {
        let (one, other) = (cluster.database().await, cluster.database().await);
        let (one, other) = (cluster.connect(&one).await, cluster.connect(&other).await);
        other.batch_execute("CREATE TABLE gone (a int); DROP TABLE gone").await.unwrap();
        for session in [&one, &other] {
            session.batch_execute(SCHEMA).await.unwrap();
        }
        other.batch_execute("ALTER TABLE pets ADD COLUMN gone int; ALTER TABLE pets DROP COLUMN gone").await.unwrap();
        let text = catalog(&one).await;
        assert_eq!(text, catalog(&other).await);
        for kind in ["enum", "relation", "column", "constraint", "index", "view", "sequence", "function", "schema"] {
            assert!(text.lines().any(|line| line.starts_with(kind)), "no {kind}: {text}");
        }
    }
}

#[tokio::test]
async fn every_difference_is_seen() {
    let differences = [
        "ALTER TABLE owners ALTER COLUMN name TYPE varchar(50)",
        "ALTER TABLE pets ALTER COLUMN age SET NOT NULL",
        "ALTER TABLE pets ALTER COLUMN age SET DEFAULT 1",
        "ALTER TABLE owners DROP COLUMN m",
        "ALTER TABLE pets ADD CONSTRAINT c CHECK (age < 99) NOT VALID",
        "ALTER TABLE pets VALIDATE CONSTRAINT c",
        "ALTER TABLE pets RENAME CONSTRAINT pets_age_check TO d",
        "DROP INDEX pets_owner",
        "CREATE INDEX pets_owner ON pets (owner) WHERE age > 1",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pets_owner'::regclass",
        "ALTER SEQUENCE owners_id_seq OWNED BY NONE",
        "ALTER SEQUENCE owners_id_seq INCREMENT 7",
        "ALTER TYPE mood ADD VALUE 'ugly'",
        "CREATE OR REPLACE VIEW old AS SELECT * FROM pets WHERE age > 8",
        "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "ALTER TABLE pets SET (fillfactor = 50)",
        "CREATE SCHEMA extra",
    ];
    for cluster in clusters() {
        let session = cluster.connect(&cluster.database().await).await;
        session.batch_execute(SCHEMA).await.unwrap();
        let mut before = catalog(&session).await;
        for difference in differences {
            session.batch_execute(difference).await.unwrap();
            let after = catalog(&session).await;
            assert_ne!(before, after, "{difference} on {}", cluster.version);
            before = after;
        }
    }
}
