//! What the generator knows of the database at a point of the migration: enough to write statements that mostly make sense. What fails in
//! between is not known; the statements after it then fail as well, on both sides.

use super::super::random::Random;
use super::kinds::Kind;
use super::names::written;

pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

pub(super) struct Table {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// Names of indexes and of constraints, without their schema.
    pub(super) indexes: Vec<String>,
    pub(super) constraints: Vec<String>,
    pub(super) rows: usize,
    /// Its column `id` can be referred to.
    pub(super) has_key: bool,
    pub(super) is_partitioned: bool,
}

impl Table {
    /// As a statement names it, sometimes without its schema.
    pub(super) fn written(&self, random: &mut Random) -> String {
        let name = written(random, &self.name);
        if self.schema == "public" && random.chance(75) || random.chance(3) { name } else { format!("{}.{name}", written(random, &self.schema)) }
    }

    pub(super) fn column<'a>(&'a self, random: &mut Random) -> &'a Column {
        random.pick(&self.columns)
    }

    pub(super) fn ordered_column<'a>(&'a self, random: &mut Random) -> &'a Column {
        let ordered: Vec<&Column> = self.columns.iter().filter(|column| column.kind.ordered).collect();
        ordered[random.below(ordered.len())]
    }

    /// One of its columns, as a statement names it.
    pub(super) fn some_column(&self, random: &mut Random) -> String {
        let name = &self.column(random).name;
        written(random, name)
    }

    /// The same, of those that a B-tree can sort.
    pub(super) fn some_ordered_column(&self, random: &mut Random) -> String {
        let name = &self.ordered_column(random).name;
        written(random, name)
    }

    /// Something in the schema of this table.
    pub(super) fn beside(&self, random: &mut Random, name: &str) -> String {
        let name = written(random, name);
        if self.schema == "public" && random.chance(75) { name } else { format!("{}.{name}", written(random, &self.schema)) }
    }

    pub(super) fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

#[derive(Default)]
pub(super) struct World {
    pub(super) tables: Vec<Table>,
    /// All tables belong to the role `owner`, which migrates them.
    pub(super) is_owned: bool,
    pub(super) enum_labels: usize,
    pub(super) savepoints: usize,
    pub(super) made: usize,
}

impl World {
    /// A number that no name has yet.
    pub(super) fn number(&mut self) -> usize {
        self.made += 1;
        self.made
    }

    pub(super) fn table_names(&self) -> Vec<String> {
        self.tables.iter().map(|table| table.name.clone()).collect()
    }

    pub(super) fn any(&self, random: &mut Random) -> usize {
        random.below(self.tables.len())
    }
}
