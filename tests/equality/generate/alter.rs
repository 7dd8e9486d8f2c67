//! ALTER TABLE, of one command or several.

use super::super::random::Random;
use super::migration::{condition, new_column};
use super::names::written;
use super::world::{Table, World};

type Command = fn(&mut Random, &mut World, usize) -> String;

const COMMANDS: &[(usize, Command)] = &[
    (24, add_column),
    (14, add_unique),
    (5, add_primary_key),
    (14, add_foreign_key),
    (16, add_check),
    (18, set_not_null),
    (3, drop_not_null),
    (5, set_default),
    (6, change_type),
    (5, validate),
    (6, drop_constraint),
    (4, drop_column),
    (2, statistics),
    (1, storage),
];

pub(super) fn table(random: &mut Random, world: &mut World) -> String {
    let at = world.any(random);
    let (only, exists) = (random.maybe(4, "ONLY "), random.maybe(6, "IF EXISTS "));
    let target = world.tables[at].written(random);
    if random.chance(8) {
        return format!("ALTER TABLE {exists}{only}{target} {}", rename(random, world, at));
    }
    let count = random.weighted(&[(75, 1), (17, 2), (8, 3)]);
    let commands: Vec<String> = (0..count).map(|_| random.weighted(COMMANDS)(random, world, at)).collect();
    format!("ALTER TABLE {exists}{only}{target} {}", commands.join(", "))
}

fn rename(random: &mut Random, world: &mut World, at: usize) -> String {
    let new = new_column(random, &world.tables[at]).name;
    let table = &mut world.tables[at];
    if !table.constraints.is_empty() && random.chance(40) {
        let which = random.below(table.constraints.len());
        let old = std::mem::replace(&mut table.constraints[which], new.clone());
        return format!("RENAME CONSTRAINT {} TO {}", written(random, &old), written(random, &new));
    }
    let which = random.below(table.columns.len());
    let old = std::mem::replace(&mut table.columns[which].name, new.clone());
    format!("RENAME COLUMN {} TO {}", written(random, &old), written(random, &new))
}

fn add_column(random: &mut Random, world: &mut World, at: usize) -> String {
    let column = new_column(random, &world.tables[at]);
    let name = written(random, &column.name);
    let default = match random.below(20) {
        0..10 => String::new(),
        10..19 => format!(" DEFAULT {}", column.kind.constant),
        _ => format!(" DEFAULT {}", column.kind.computed),
    };
    let not_null = random.maybe(if default.is_empty() { 2 } else { 40 }, " NOT NULL");
    let constraint = match random.below(20) {
        0..10 => String::new(),
        10..13 => " UNIQUE".to_owned(),
        13 => format!(" CONSTRAINT inline_{} UNIQUE", world.number()),
        14 if !world.tables[at].has_key => " PRIMARY KEY".to_owned(),
        15 | 16 => references(random, world).map_or(String::new(), |target| format!(" REFERENCES {target}")),
        _ => format!(" CHECK ({})", random.pick(column.kind.checks).replace("{c}", &name)),
    };
    let exists = random.maybe(10, "IF NOT EXISTS ");
    let sql = format!("ADD COLUMN {exists}{name} {}{default}{not_null}{constraint}", column.kind.sql);
    world.tables[at].columns.push(column);
    sql
}

fn references(random: &mut Random, world: &World) -> Option<String> {
    let keys: Vec<&Table> = world.tables.iter().filter(|table| table.has_key).collect();
    if keys.is_empty() {
        return None;
    }
    let target = random.pick(&keys).written(random);
    let column = random.pick(&["", " (id)"]);
    Some(format!("{target}{column}{}", random.maybe(25, " ON DELETE SET NULL")))
}

/// `CONSTRAINT name`, or nothing: then PostgreSQL chooses.
fn constraint_name(random: &mut Random, world: &mut World, at: usize) -> String {
    let number = world.number();
    let table = &mut world.tables[at];
    let name = match random.below(20) {
        0..10 => return String::new(),
        10 if !table.constraints.is_empty() => random.pick(&table.constraints).clone(),
        12 | 13 => format!("Constraint {number}"),
        11 if !table.indexes.is_empty() => random.pick(&table.indexes).clone(),
        _ => format!("constraint_{number}"),
    };
    table.constraints.push(name.clone());
    format!("CONSTRAINT {} ", written(random, &name))
}

fn add_unique(random: &mut Random, world: &mut World, at: usize) -> String {
    let name = constraint_name(random, world, at);
    let table = &world.tables[at];
    let mut columns = vec![table.some_ordered_column(random)];
    let second = table.some_ordered_column(random);
    if random.chance(40) && (second != columns[0] || random.chance(10)) {
        columns.push(second);
    }
    let include = if random.chance(8) { format!(" INCLUDE ({})", table.some_column(random)) } else { String::new() };
    let deferrable = random.weighted(&[(80, ""), (10, " DEFERRABLE"), (10, " DEFERRABLE INITIALLY DEFERRED")]);
    format!("ADD {name}UNIQUE ({}){include}{deferrable}", columns.join(", "))
}

fn add_primary_key(random: &mut Random, world: &mut World, at: usize) -> String {
    if world.tables[at].has_key && random.chance(85) {
        return add_unique(random, world, at);
    }
    let name = constraint_name(random, world, at);
    let table = &world.tables[at];
    let column = table.some_ordered_column(random);
    let second = table.some_ordered_column(random);
    let more = if random.chance(30) && second != column { format!(", {second}") } else { String::new() };
    format!("ADD {name}PRIMARY KEY ({column}{more})")
}

fn add_foreign_key(random: &mut Random, world: &mut World, at: usize) -> String {
    let name = constraint_name(random, world, at);
    let Some(target) = references(random, world) else { return add_check(random, world, at) };
    let table = &world.tables[at];
    let numbers: Vec<&str> =
        table.columns.iter().filter(|column| ["int", "bigint", "positive"].contains(&column.kind.sql)).map(|c| &*c.name).collect();
    let column = if random.chance(90) { (*random.pick(&numbers)).to_owned() } else { table.column(random).name.clone() };
    let options = random.weighted(&[(75, ""), (10, " NOT VALID"), (8, " DEFERRABLE INITIALLY DEFERRED"), (7, " ON UPDATE CASCADE")]);
    format!("ADD {name}FOREIGN KEY ({}) REFERENCES {target}{options}", written(random, &column))
}

fn add_check(random: &mut Random, world: &mut World, at: usize) -> String {
    let name = constraint_name(random, world, at);
    let table = &world.tables[at];
    let more = if random.chance(20) { format!(" OR {}", condition(random, table)) } else { String::new() };
    let options = random.weighted(&[(85, ""), (10, " NOT VALID"), (5, " NO INHERIT")]);
    format!("ADD {name}CHECK ({}{more}){options}", condition(random, table))
}

fn set_not_null(random: &mut Random, world: &mut World, at: usize) -> String {
    format!("ALTER {}{} SET NOT NULL", random.maybe(70, "COLUMN "), any_column(random, world, at))
}

fn drop_not_null(random: &mut Random, world: &mut World, at: usize) -> String {
    format!("ALTER COLUMN {} DROP NOT NULL", any_column(random, world, at))
}

fn any_column(random: &mut Random, world: &World, at: usize) -> String {
    world.tables[at].some_column(random)
}

fn set_default(random: &mut Random, world: &mut World, at: usize) -> String {
    let column = world.tables[at].column(random);
    let default = random.weighted(&[(60, column.kind.constant), (40, column.kind.computed)]);
    let name = written(random, &column.name);
    if random.chance(25) { format!("ALTER COLUMN {name} DROP DEFAULT") } else { format!("ALTER COLUMN {name} SET DEFAULT {default}") }
}

fn change_type(random: &mut Random, world: &mut World, at: usize) -> String {
    let column = world.tables[at].column(random);
    let other = random.mostly_first(column.kind.others);
    format!("ALTER COLUMN {} TYPE {other}", written(random, &column.name))
}

fn known_constraint(random: &mut Random, world: &World, at: usize) -> String {
    let table = &world.tables[at];
    let column = &table.column(random).name;
    let guessed = format!("{}_{column}_{}", table.name, random.pick(&["key", "fkey", "check"]));
    let name = if table.constraints.is_empty() { guessed } else { random.pick(&table.constraints).clone() };
    written(random, &name)
}

fn validate(random: &mut Random, world: &mut World, at: usize) -> String {
    let table = &world.tables[at];
    let added: Vec<String> = table.constraints.iter().filter(|name| !name.ends_with("_pkey")).cloned().collect();
    let name = if added.is_empty() || random.chance(10) {
        known_constraint(random, world, at)
    } else {
        {
            let name = random.pick(&added).clone();
            written(random, &name)
        }
    };
    format!("VALIDATE CONSTRAINT {name}")
}

fn drop_constraint(random: &mut Random, world: &mut World, at: usize) -> String {
    let exists = random.maybe(30, "IF EXISTS ");
    let cascade = random.weighted(&[(85, ""), (15, " CASCADE")]);
    format!("DROP CONSTRAINT {exists}{}{cascade}", known_constraint(random, world, at))
}

fn drop_column(random: &mut Random, world: &mut World, at: usize) -> String {
    let exists = random.maybe(20, "IF EXISTS ");
    let table = &mut world.tables[at];
    let which = random.below(table.columns.len());
    let name = written(random, &table.columns[which].name.clone());
    // The first column stays in mind, so that there is always one.
    if which > 0 {
        table.columns.remove(which);
    }
    format!("DROP COLUMN {exists}{name}{}", random.maybe(20, " CASCADE"))
}

fn statistics(random: &mut Random, world: &mut World, at: usize) -> String {
    format!("ALTER COLUMN {} SET STATISTICS 33", any_column(random, world, at))
}

fn storage(random: &mut Random, _: &mut World, _: usize) -> String {
    (*random.pick(&["SET (fillfactor = 80)", "REPLICA IDENTITY DEFAULT", "DISABLE TRIGGER USER", "ENABLE TRIGGER ALL"])).to_owned()
}
