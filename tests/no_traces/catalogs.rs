//! The database after a migration through the proxy, seen by whoever looks into its catalogs or listens to its DDL.

use super::support::scene::set_up;
use super::support::{Proxy, RawClient, Session, clusters};
use super::{ROWS, STRICT, TABLES, WAYS, Way};

/// Writes down every object that DDL has touched, as an audit by event triggers does.
const AUDIT: &str = "CREATE TABLE audit (event text, tag text, object text);
    CREATE FUNCTION audit_end() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.audit SELECT tg_event, command_tag, object_identity FROM pg_catalog.pg_event_trigger_ddl_commands(); END $$;
    CREATE FUNCTION audit_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.audit SELECT tg_event, tg_tag, object_identity FROM pg_catalog.pg_event_trigger_dropped_objects(); END $$;
    CREATE EVENT TRIGGER audit_end ON ddl_command_end EXECUTE FUNCTION audit_end();
    CREATE EVENT TRIGGER audit_drop ON sql_drop EXECUTE FUNCTION audit_drop();";

/// Everything in the database, or beside it in the cluster, that has a name.
const NAMES: &str = "SELECT format('%s %s', kind, name) FROM (
    SELECT 'relation', oid, relname FROM pg_class UNION ALL SELECT 'schema', oid, nspname FROM pg_namespace
    UNION ALL SELECT 'function', oid, proname FROM pg_proc UNION ALL SELECT 'type', oid, typname FROM pg_type
    UNION ALL SELECT 'constraint', oid, conname FROM pg_constraint UNION ALL SELECT 'trigger', oid, tgname FROM pg_trigger
    UNION ALL SELECT 'event trigger', oid, evtname FROM pg_event_trigger UNION ALL SELECT 'extension', oid, extname FROM pg_extension
    UNION ALL SELECT 'operator', oid, oprname FROM pg_operator UNION ALL SELECT 'publication', oid, pubname FROM pg_publication
    UNION ALL SELECT 'server', oid, srvname FROM pg_foreign_server UNION ALL SELECT 'role', oid, rolname FROM pg_roles
    UNION ALL SELECT 'tablespace', oid, spcname FROM pg_tablespace UNION ALL SELECT 'comment', objoid, description FROM pg_description
    ) AS named (kind, id, name)";

/// The system catalogs of a database, without the statistics that autovacuum fills.
const CATALOGS: &str = "SELECT oid::regclass::text FROM pg_class
    WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared AND relname !~ '^pg_statistic' ORDER BY 1";

/// How many rows each system catalog has.
async fn sizes(session: &Session) -> Vec<String> {
    let mut sizes = Vec::new();
    for name in session.column(CATALOGS).await {
        sizes.push(format!("{name} {}", session.value(&format!("SELECT count(*) FROM {name}")).await));
    }
    sizes
}

/// What is not PostgreSQL's own, by kind and name, sorted. Names that hold an OID belong to TOAST and to the triggers of foreign keys.
async fn names(session: &Session) -> Vec<String> {
    session.column(&format!("{NAMES} WHERE id >= 16384 AND name !~ '[0-9]{{5}}' AND kind <> 'role' ORDER BY 1")).await
}

#[tokio::test]
async fn every_catalog_is_as_after_the_same_migration_without_the_proxy() {
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
        let tables = format!("{TABLES}{ROWS}");
        for way in WAYS {
            let ((_, direct), (database, proxied)) = (set_up(cluster, &tables).await, set_up(cluster, &tables).await);
            let before = (sizes(&direct).await, names(&direct).await);
            assert_eq!((sizes(&proxied).await, names(&proxied).await), before);
            for sql in way.statements() {
                direct.batch_execute(&sql).await.unwrap();
            }
            way.migrate(&mut RawClient::log_in(proxy.port, &database).await).await;
            let after = (sizes(&direct).await, names(&direct).await);
            assert_ne!(after, before, "the migration did something");
            assert_eq!((sizes(&proxied).await, names(&proxied).await), after, "{way:?} on {}", cluster.version);
            assert_eq!(
                proxied.column(&format!("{NAMES} WHERE name ILIKE '%pgairlock%'")).await,
                Vec::<String>::new(),
                "{way:?} on {}",
                cluster.version
            );
        }
    }
}

/// An event trigger sees steps of the safe form, all of them about the table that is migrated.
#[tokio::test]
async fn ddl_is_seen_of_the_migrated_table_alone() {
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, &format!("{TABLES}{ROWS}")).await;
        direct.batch_execute(AUDIT).await.unwrap();
        let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
        for way in WAYS {
            direct.batch_execute("DELETE FROM audit").await.unwrap();
            way.migrate(&mut RawClient::log_in(proxy.port, &database).await).await;
            let seen = direct.column("SELECT format('%s: %s', tag, object) FROM audit").await;
            assert!(seen.contains(&format!("CREATE INDEX: public.{}_note_idx", way.table())), "{seen:?}");
            let others: Vec<_> = seen.iter().filter(|line| !is_about(line, way)).collect();
            assert_eq!(others, Vec::<&String>::new(), "{way:?} on {}", cluster.version);
        }
    }
}

/// The table, an index of it, or a constraint on it.
fn is_about(line: &str, way: Way) -> bool {
    line.contains(&format!("public.{}", way.table()))
}
