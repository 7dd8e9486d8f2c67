//! Every function call, every column and every relation of a tree, wherever they hide.
//!
//! `pg_query`'s own iterator does not know every node; serialisation does, so the tree is "serialised" into nothing and only
//! the few kinds of node that we look for are kept.

use std::fmt;

use pg_query::NodeEnum;
use serde::ser::{self, Serialize};

use super::super::functions::{self, Special};
use super::super::name::RelationName;
use super::super::statement::{FunctionCall, SetByCall};
use super::{arguments, carried};

/// What a tree names outside of what it is made for.
pub(super) struct Found {
    /// The functions that it calls, each once, in order of appearance.
    pub(super) functions: Vec<FunctionCall>,
    /// SET by another name.
    pub(super) sets: Vec<SetByCall>,
    /// Names behind a period.
    pub(super) attributes: Vec<String>,
    /// Relations.
    pub(super) relations: Vec<RelationName>,
}

/// Everything of that kind; `later` when the statement runs none of it yet.
pub(super) fn found(tree: &NodeEnum, later: bool) -> Found {
    let mut walker = walk(tree);
    for call in carried::functions(tree) {
        if functions::special(&call) == Some(Special::SetConfig) {
            walker.sets.push(SetByCall { name: None, value: None, later });
        }
        push_once(&mut walker.functions, call);
    }
    walker.sets.iter_mut().for_each(|set| set.later = later);
    Found { functions: walker.functions, sets: walker.sets, attributes: walker.attributes, relations: walker.relations }
}

/// The functions that `tree` calls, each once, in order of appearance.
pub(super) fn functions(tree: &NodeEnum) -> Vec<FunctionCall> {
    walk(tree).functions
}

/// Whether `tree` changes rows of a system catalog.
pub(super) fn changes_catalog(tree: &NodeEnum) -> bool {
    walk(tree).changes_catalog
}

/// The columns that `tree` names, each once, in order of appearance.
pub(super) fn columns(tree: &NodeEnum) -> Vec<String> {
    let mut found = walk(tree).columns;
    found.sort_by_key(|(location, _)| *location);
    let mut names = Vec::new();
    for (_, name) in found {
        push_once(&mut names, name);
    }
    names
}

/// `*`.
pub(super) fn names_every_column(tree: &NodeEnum) -> bool {
    walk(tree).star
}

fn walk(tree: &NodeEnum) -> Walker {
    let mut walker = Walker::default();
    // The walker never fails and the generated code has no failure of its own.
    let _ = tree.serialize(&mut walker);
    walker
}

pub(super) fn push_once<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

#[derive(Default)]
struct Walker {
    functions: Vec<FunctionCall>,
    sets: Vec<SetByCall>,
    attributes: Vec<String>,
    relations: Vec<RelationName>,
    /// What stands behind a period is being read.
    behind_period: bool,
    columns: Vec<(i32, String)>,
    star: bool,
    changes_catalog: bool,
    /// The strings of a name, while one is read.
    name: Option<Vec<String>>,
    number: i32,
}

impl Walker {
    fn name_of<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<Vec<String>, fmt::Error> {
        self.name = Some(Vec::new());
        value.serialize(&mut *self)?;
        Ok(self.name.take().unwrap_or_default())
    }

    fn add_relation(&mut self, schema: Option<String>, name: String) {
        push_once(&mut self.relations, RelationName { schema: schema.filter(|schema| !schema.is_empty()), name });
    }

    /// Notes a function; whether it is `set_config`.
    fn add_function(&mut self, mut name: Vec<String>) -> bool {
        let Some(last) = name.pop() else { return false };
        let call = FunctionCall { schema: name.pop(), name: last };
        let sets = functions::special(&call) == Some(Special::SetConfig);
        push_once(&mut self.functions, call);
        sets
    }
}

impl Walker {
    /// The strings of the relation whose rows are changed: database, schema, name, and what else a RangeVar holds.
    fn changed(&mut self, relation: &[String]) {
        let [_, schema, name, ..] = relation else { return };
        self.add_relation(Some(schema.clone()), name.clone());
        if name == "pg_settings" {
            // The rule of that view makes it a SET.
            self.add_function(vec!["pg_catalog".to_owned(), "set_config".to_owned()]);
            self.sets.push(SetByCall { name: None, value: None, later: false });
        } else {
            self.changes_catalog |= schema == "pg_catalog" || schema.is_empty() && name.starts_with("pg_");
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Function,
    Column,
    Relation,
    /// INSERT, UPDATE, DELETE, MERGE.
    Change,
    /// `(row).name`, `array[1]`.
    Indirection,
    Text,
    Other,
}

struct Fields<'a> {
    walker: &'a mut Walker,
    inside: Inside,
    column: Option<String>,
    schema: Option<String>,
    /// The function is `set_config`.
    sets: bool,
}

impl ser::SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> fmt::Result {
        match (self.inside, key) {
            (Inside::Function, "funcname") => {
                let name = self.walker.name_of(value)?;
                self.sets = self.walker.add_function(name);
            }
            (Inside::Function, "args") if self.sets => {
                self.walker.sets.push(arguments::of_set_config(value));
                value.serialize(&mut *self.walker)?;
            }
            (Inside::Relation, "schemaname") if self.walker.name.is_none() => self.schema = self.walker.name_of(value)?.pop(),
            (Inside::Relation, "relname") if self.walker.name.is_none() => {
                if let Some(name) = self.walker.name_of(value)?.pop() {
                    self.walker.add_relation(self.schema.take(), name);
                }
            }
            (Inside::Change, "relation") => {
                let name = self.walker.name_of(value)?;
                self.walker.changed(&name);
            }
            (Inside::Column, "fields") => {
                let mut name = self.walker.name_of(value)?;
                self.column = name.pop();
                if let (Some(last), false) = (&self.column, name.is_empty()) {
                    push_once(&mut self.walker.attributes, last.clone());
                }
            }
            (Inside::Indirection, "indirection") => {
                let outer = std::mem::replace(&mut self.walker.behind_period, true);
                value.serialize(&mut *self.walker)?;
                self.walker.behind_period = outer;
            }
            // A constant of a subscript is taken for a name, too.
            (Inside::Text, "sval") if self.walker.behind_period && self.walker.name.is_none() => {
                let name = self.walker.name_of(value)?;
                name.into_iter().for_each(|name| push_once(&mut self.walker.attributes, name));
            }
            (Inside::Column, "location") => {
                value.serialize(&mut *self.walker)?;
                let location = self.walker.number;
                self.walker.columns.extend(self.column.take().map(|name| (location, name)));
            }
            _ => value.serialize(&mut *self.walker)?,
        }
        Ok(())
    }

    fn end(self) -> fmt::Result {
        Ok(())
    }
}

macro_rules! ignore {
    ($($method:ident: $type:ty),* $(,)?) => { $(fn $method(self, _: $type) -> fmt::Result { Ok(()) })* };
}

impl<'a> ser::Serializer for &'a mut Walker {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = ser::Impossible<(), fmt::Error>;

    ignore! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i64: i64, serialize_u8: u8, serialize_u16: u16,
        serialize_u32: u32, serialize_u64: u64, serialize_f32: f32, serialize_f64: f64, serialize_char: char, serialize_bytes: &[u8],
        serialize_unit_struct: &'static str,
    }

    fn serialize_i32(self, value: i32) -> fmt::Result {
        self.number = value;
        Ok(())
    }

    fn serialize_str(self, value: &str) -> fmt::Result {
        if let Some(name) = &mut self.name {
            name.push(value.to_owned());
        }
        Ok(())
    }

    fn serialize_none(self) -> fmt::Result {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> fmt::Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> fmt::Result {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> fmt::Result {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> fmt::Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: &'static str, _: u32, _: &'static str, value: &T) -> fmt::Result {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'a>, fmt::Error> {
        self.star |= name == "AStar";
        let inside = match name {
            "FuncCall" => Inside::Function,
            "ColumnRef" => Inside::Column,
            "RangeVar" => Inside::Relation,
            "AIndirection" => Inside::Indirection,
            "String" => Inside::Text,
            "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => Inside::Change,
            _ => Inside::Other,
        };
        Ok(Fields { walker: self, inside, column: None, schema: None, sets: false })
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self::SerializeStructVariant, fmt::Error> {
        Err(fmt::Error)
    }
}

macro_rules! pass_through {
    ($($trait:ident $method:ident),* $(,)?) => { $(
        impl ser::$trait for &mut Walker {
            type Ok = ();
            type Error = fmt::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> fmt::Result {
                value.serialize(&mut **self)
            }

            fn end(self) -> fmt::Result {
                Ok(())
            }
        }
    )* };
}

pass_through!(SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field);

impl ser::SerializeMap for &mut Walker {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> fmt::Result {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> fmt::Result {
        value.serialize(&mut **self)
    }

    fn end(self) -> fmt::Result {
        Ok(())
    }
}
