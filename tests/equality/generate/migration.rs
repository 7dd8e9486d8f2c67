//! The migration: up to eight statements, most of which make sense.

use super::super::random::Random;
use super::alter;
use super::kinds::KINDS;
use super::names::{COLUMNS, SCHEMAS, TABLES, fresh, written};
use super::schema::{columns, later_rows};
use super::world::{Column, Table, World};

type Make = fn(&mut Random, &mut World) -> String;

const STATEMENTS: &[(usize, Make)] = &[
    (26, create_index),
    (6, drop_index),
    (5, reindex),
    (60, alter::table),
    (6, create_table),
    (3, drop_table),
    (4, rename_table),
    (6, insert),
    (5, update),
    (5, savepoint),
    (3, setting),
    (3, add_label),
    (4, comment),
    (3, grant),
    (3, create_view),
    (2, rename_index),
    (2, select),
    (1, create_trigger),
    (3, create_table_otherwise),
    (3, rarely),
    (2, failing),
];

pub(super) fn migration(random: &mut Random, world: &mut World) -> Vec<String> {
    let count = random.within(1, 8);
    let path =
        random.weighted(&[(85, None), (8, Some("SET search_path = app, public")), (7, Some("SET search_path TO \"Other Schema\", app, public"))]);
    let role = if world.is_owned { Some("SET ROLE owner") } else { random.weighted(&[(98, None), (2, Some("SET ROLE owner"))]) };
    let mut migration: Vec<String> = path.into_iter().chain(role).map(str::to_owned).collect();
    for _ in 0..count {
        let make = random.weighted(STATEMENTS);
        migration.push(make(random, world));
    }
    migration
}

/// Columns, expressions and operator classes, as they stand in an index.
fn index_columns(random: &mut Random, table: &Table) -> String {
    let one = |random: &mut Random| {
        let column = table.ordered_column(random);
        let name = written(random, &column.name);
        match random.chance(35) {
            true => random.pick(column.kind.indexed).replace("{c}", &name),
            false => name,
        }
    };
    let count = random.weighted(&[(70, 1), (20, 2), (10, 3)]);
    (0..count).map(|_| one(random)).collect::<Vec<_>>().join(", ")
}

fn create_index(random: &mut Random, world: &mut World) -> String {
    let (number, at) = (world.number(), world.any(random));
    let table = &mut world.tables[at];
    let unique = random.maybe(30, "UNIQUE ");
    let name = index_name(random, table, number);
    let only = random.maybe(3, "ONLY ");
    let (target, columns) = (table.written(random), index_columns(random, table));
    let include = if random.chance(12) { format!(" INCLUDE ({})", table.some_column(random)) } else { String::new() };
    let storage = random.maybe(8, " WITH (fillfactor = 70)");
    let condition = if random.chance(15) { format!(" WHERE {}", condition(random, table)) } else { String::new() };
    let method = random.weighted(&[(88, ""), (10, " USING btree"), (2, " USING hash")]);
    format!("CREATE {unique}INDEX {name}ON {only}{target}{method} ({columns}){include}{storage}{condition}")
}

/// None, a new one, or one that may be taken.
fn index_name(random: &mut Random, table: &mut Table, number: usize) -> String {
    let exists = random.maybe(20, "IF NOT EXISTS ");
    let name = match random.below(20) {
        0..10 => return String::new(),
        10 if !table.indexes.is_empty() => random.pick(&table.indexes).clone(),
        11 => format!("{}_{}_idx", table.name, table.column(random).name).chars().take(63).collect(),
        12 | 13 => format!("Index {number}"),
        _ => format!("added_{number}"),
    };
    table.indexes.push(name.clone());
    format!("{exists}{} ", written(random, &name))
}

pub(super) fn condition(random: &mut Random, table: &Table) -> String {
    let column = table.column(random);
    random.mostly_first(column.kind.checks).replace("{c}", &written(random, &column.name))
}

/// The name of an index that is there, as far as is known; otherwise one that PostgreSQL might have given.
fn known_index(random: &mut Random, world: &World) -> String {
    let with: Vec<&Table> = world.tables.iter().filter(|table| !table.indexes.is_empty()).collect();
    if with.is_empty() {
        let table = &world.tables[world.any(random)];
        let guessed = format!("{}_{}_idx", table.name, table.column(random).name);
        return table.beside(random, &guessed);
    }
    let table = with[random.below(with.len())];
    let name = random.pick(&table.indexes).clone();
    table.beside(random, &name)
}

fn drop_index(random: &mut Random, world: &mut World) -> String {
    let exists = random.maybe(30, "IF EXISTS ");
    format!("DROP INDEX {exists}{}", known_index(random, world))
}

fn reindex(random: &mut Random, world: &mut World) -> String {
    if random.chance(60) {
        return format!("REINDEX INDEX {}", known_index(random, world));
    }
    let table = &world.tables[world.any(random)];
    format!("REINDEX TABLE {}", table.written(random))
}

fn rename_index(random: &mut Random, world: &mut World) -> String {
    let number = world.number();
    format!("ALTER INDEX {} RENAME TO renamed_{number}", known_index(random, world))
}

fn create_table(random: &mut Random, world: &mut World) -> String {
    let (schema, name) = ((*random.pick(SCHEMAS)).to_owned(), fresh(random, TABLES, &world.table_names()));
    let columns = columns(random, 1, 3);
    let has_key = random.chance(70);
    let mut table = Table { schema, name, columns, indexes: Vec::new(), constraints: Vec::new(), rows: 0, has_key, is_partitioned: false };
    let mut parts: Vec<String> = table.columns.iter().map(|column| format!("{} {}", written(random, &column.name), column.kind.sql)).collect();
    if has_key {
        parts.push("PRIMARY KEY (id)".to_owned());
        table.constraints.push(format!("{}_pkey", table.name));
    }
    let parents: Vec<&Table> = world.tables.iter().filter(|table| table.has_key).collect();
    if !parents.is_empty() && random.chance(50) {
        let parent = random.pick(&parents);
        parts.push(format!("FOREIGN KEY (id) REFERENCES {}", parent.written(random)));
    }
    let exists = random.maybe(15, "IF NOT EXISTS ");
    let sql = format!("CREATE TABLE {exists}{} ({})", table.written(random), parts.join(", "));
    world.tables.push(table);
    sql
}

fn drop_table(random: &mut Random, world: &mut World) -> String {
    let at = world.any(random);
    let exists = random.maybe(30, "IF EXISTS ");
    let cascade = random.weighted(&[(75, ""), (25, " CASCADE")]);
    let sql = format!("DROP TABLE {exists}{}{cascade}", world.tables[at].written(random));
    if world.tables.len() > 1 && random.chance(70) {
        world.tables.remove(at);
    }
    sql
}

fn rename_table(random: &mut Random, world: &mut World) -> String {
    let at = world.any(random);
    let name = fresh(random, TABLES, &world.table_names());
    let sql = format!("ALTER TABLE {} RENAME TO {}", world.tables[at].written(random), written(random, &name));
    world.tables[at].name = name;
    sql
}

fn insert(random: &mut Random, world: &mut World) -> String {
    let table = &world.tables[world.any(random)];
    if random.chance(10) {
        return format!("{} ON CONFLICT DO NOTHING", later_rows(random, table));
    }
    later_rows(random, table)
}

fn update(random: &mut Random, world: &mut World) -> String {
    let table = &world.tables[world.any(random)];
    if random.chance(20) {
        return format!("DELETE FROM {} WHERE id > {}", table.written(random), random.within(0, 8));
    }
    let column = table.column(random);
    let value = random.weighted(&[(50, column.kind.constant), (20, "NULL"), (30, "DEFAULT")]);
    let rows = random.weighted(&[(40, ""), (60, " WHERE id = 2")]);
    format!("UPDATE {} SET {} = {value}{rows}", table.written(random), written(random, &column.name))
}

fn savepoint(random: &mut Random, world: &mut World) -> String {
    let last = world.savepoints;
    match random.below(3) {
        1 if last > 0 => format!("ROLLBACK TO SAVEPOINT s{last}"),
        2 if last > 0 => {
            world.savepoints -= 1;
            format!("RELEASE SAVEPOINT s{last}")
        }
        _ => {
            world.savepoints += 1;
            format!("SAVEPOINT s{}", world.savepoints)
        }
    }
}

fn setting(random: &mut Random, _: &mut World) -> String {
    let settings = [
        "SET LOCAL statement_timeout = '5min'",
        "SET work_mem = '5MB'",
        "SET LOCAL search_path = app, public",
        "SET search_path = public",
        "SET CONSTRAINTS ALL IMMEDIATE",
        "SET LOCAL ROLE owner",
        "RESET ROLE",
        "SET default_tablespace = ''",
        "SHOW search_path",
    ];
    (*random.pick(&settings)).to_owned()
}

fn add_label(random: &mut Random, world: &mut World) -> String {
    world.enum_labels += 1;
    let place = random.pick(&["", " BEFORE 'mid'", " AFTER 'low'"]);
    format!("ALTER TYPE mood ADD VALUE {}'new{}'{place}", random.maybe(40, "IF NOT EXISTS "), world.enum_labels)
}

fn comment(random: &mut Random, world: &mut World) -> String {
    let table = &world.tables[world.any(random)];
    match random.below(4) {
        0 => format!("COMMENT ON INDEX {} IS 'said later'", known_index(random, world)),
        1 if !table.constraints.is_empty() => {
            let constraint = random.pick(&table.constraints).clone();
            format!("COMMENT ON CONSTRAINT {} ON {} IS 'said later'", written(random, &constraint), table.written(random))
        }
        2 => format!("COMMENT ON TABLE {} IS 'said later'", table.written(random)),
        _ => {
            let column = table.some_column(random);
            format!("COMMENT ON COLUMN {}.{column} IS 'said later'", table.written(random))
        }
    }
}

fn grant(random: &mut Random, world: &mut World) -> String {
    let table = &world.tables[world.any(random)];
    let privilege = random.pick(&["SELECT", "ALL", "INSERT, DELETE"]);
    format!("GRANT {privilege} ON {} TO reader", table.written(random))
}

fn create_view(random: &mut Random, world: &mut World) -> String {
    let number = world.number();
    let table = &world.tables[world.any(random)];
    let column = table.some_column(random);
    format!("CREATE VIEW seen_{number} AS SELECT {column} AS x FROM {}", table.written(random))
}

fn create_trigger(random: &mut Random, world: &mut World) -> String {
    let number = world.number();
    let table = &world.tables[world.any(random)];
    format!("CREATE TRIGGER later_{number} BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION note()", table.written(random))
}

fn select(random: &mut Random, world: &mut World) -> String {
    let table = &world.tables[world.any(random)];
    let column = table.some_column(random);
    format!("SELECT count({column}) FROM {}", table.written(random))
}

/// What PostgreSQL itself refuses.
fn failing(random: &mut Random, world: &mut World) -> String {
    let table = &world.tables[world.any(random)];
    let target = table.written(random);
    let column = table.some_column(random);
    match random.below(9) {
        0 => format!("CREATE INDEX ON {target} (nonesuch)"),
        1 => "CREATE INDEX ON nonesuch (a)".to_owned(),
        2 => format!("ALTER TABLE {target} ADD COLUMN {column} int"),
        3 => format!("ALTER TABEL {target} ADD COLUMN x int"),
        4 => format!("ALTER TABLE {target} ADD CONSTRAINT bad CHECK (nonesuch > 0)"),
        5 => format!("ALTER TABLE {target} ADD FOREIGN KEY ({column}) REFERENCES nonesuch"),
        6 => format!("ALTER TABLE {target} ALTER COLUMN nonesuch SET NOT NULL"),
        7 => "SELECT 1 / 0".to_owned(),
        _ => format!("ALTER TABLE {target} ADD COLUMN later int DEFAULT 'no number'"),
    }
}

/// A table made of another, or for this session alone.
fn create_table_otherwise(random: &mut Random, world: &mut World) -> String {
    let number = world.number();
    let at = world.any(random);
    let source = &world.tables[at];
    let (from, name) = (source.written(random), format!("made_{number}"));
    let sql = match random.below(4) {
        0 => format!("CREATE TABLE {name} (LIKE {from} INCLUDING ALL)"),
        1 => format!("CREATE TABLE {name} AS SELECT * FROM {from}"),
        2 => format!("CREATE TEMP TABLE {name} (LIKE {from})"),
        _ => format!("CREATE TABLE {name} () INHERITS ({from})"),
    };
    let columns = source.columns.iter().map(|column| Column { name: column.name.clone(), kind: column.kind }).collect();
    let schema = "public".to_owned();
    let (indexes, constraints) = (Vec::new(), Vec::new());
    world.tables.push(Table { schema, name, columns, indexes, constraints, rows: 0, has_key: false, is_partitioned: false });
    sql
}

/// What migrations contain now and then.
fn rarely(random: &mut Random, world: &mut World) -> String {
    let number = world.number();
    let table = &world.tables[world.any(random)];
    let (target, column) = (table.written(random), table.some_column(random));
    match random.below(14) {
        0 => format!("LOCK TABLE {target}"),
        1 => format!("LOCK TABLE {target} IN SHARE MODE"),
        2 => format!("CREATE STATISTICS about_{number} ON id, {column} FROM {target}"),
        3 => "ALTER DOMAIN positive ADD CONSTRAINT bounded CHECK (VALUE < 1000000)".to_owned(),
        4 => format!("CREATE SEQUENCE counter_{number} OWNED BY {target}.id"),
        5 => format!("CREATE TYPE kind_{number} AS ENUM ('a', 'b')"),
        6 => format!("TRUNCATE {target}"),
        7 => format!("ALTER TABLE {target} SET SCHEMA app"),
        8 => format!("ALTER INDEX {} SET (fillfactor = 60)", known_index(random, world)),
        9 => format!("ALTER TABLE {target} CLUSTER ON {}", any_index_name(random, table)),
        10 => format!("ALTER TABLE {target} ADD CONSTRAINT using_{number} UNIQUE USING INDEX {}", any_index_name(random, table)),
        11 => format!("CREATE INDEX CONCURRENTLY by_hand_{number} ON {target} ({column})"),
        12 => format!("ANALYZE {target}"),
        _ => format!("CREATE MATERIALIZED VIEW stored_{number} AS SELECT {column} FROM {target}"),
    }
}

/// Without its schema, as ALTER TABLE names it.
fn any_index_name(random: &mut Random, table: &Table) -> String {
    let name = if table.indexes.is_empty() { format!("{}_pkey", table.name) } else { random.pick(&table.indexes).clone() };
    written(random, &name)
}

/// A column that a migration adds.
pub(super) fn new_column(random: &mut Random, table: &Table) -> Column {
    Column { name: fresh(random, COLUMNS, &table.column_names()), kind: *random.pick(KINDS) }
}
