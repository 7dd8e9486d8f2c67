//! ALTER TABLE: its commands, and the columns, types and constraints in them.

use std::ops::Range;

use super::{Bound, FunctionCall};
use crate::sql::name::RelationName;

/// ALTER TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterTable {
    /// The relation.
    pub relation: RelationName,
    /// IF EXISTS.
    pub if_exists: bool,
    /// ONLY.
    pub only: bool,
    /// Its commands in order.
    pub commands: Vec<AlterCommand>,
}

/// One command of ALTER TABLE with its place in the script's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterCommand {
    /// From its first keyword to its last token (`ADD COLUMN c int`), in the script's text.
    pub span: Range<usize>,
    /// What it does.
    pub action: AlterAction,
}

/// What a command of ALTER TABLE does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterAction {
    /// ADD COLUMN.
    AddColumn(AddColumn),
    /// ADD CONSTRAINT.
    AddConstraint(Constraint),
    /// VALIDATE CONSTRAINT name.
    ValidateConstraint(String),
    /// DROP CONSTRAINT.
    DropConstraint {
        /// The constraint.
        name: String,
        /// IF EXISTS.
        if_exists: bool,
        /// CASCADE.
        cascade: bool,
    },
    /// DROP COLUMN.
    DropColumn {
        /// The column.
        column: String,
        /// IF EXISTS.
        if_exists: bool,
        /// CASCADE.
        cascade: bool,
    },
    /// ALTER COLUMN … SET NOT NULL.
    SetNotNull(String),
    /// ALTER COLUMN … TYPE.
    AlterType(AlterType),
    /// ATTACH PARTITION.
    AttachPartition {
        /// The table that becomes one.
        child: RelationName,
        /// The rows that belong into it.
        bound: Bound,
    },
    /// DETACH PARTITION without CONCURRENTLY: the partition.
    DetachPartition(RelationName),
    /// INHERIT this table: metadata only under a brief lock, but its DROP … CASCADE takes the child along.
    Inherit(RelationName),
    /// ALTER COLUMN … DROP NOT NULL.
    DropNotNull(String),
    /// ALTER COLUMN … DROP DEFAULT.
    DropDefault(String),
    /// Metadata only under a brief lock (SET DEFAULT, OWNER TO, SET STATISTICS …): what it is called.
    Brief(&'static str),
    /// SET LOGGED, UNLOGGED, TABLESPACE, ACCESS METHOD: the table is written anew, unless it is so already.
    Store(Storage),
    /// ALTER COLUMN … SET EXPRESSION (17): what is stored of it is computed anew.
    SetExpression(String),
    /// No rule of ours judges it (OPTIONS …): what it is called.
    Unjudged(&'static str),
}

impl AlterAction {
    /// It takes a column or a constraint away.
    #[must_use]
    pub fn drops(&self) -> bool {
        matches!(self, Self::DropColumn { .. } | Self::DropConstraint { .. })
    }
}

/// How a table is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// SET LOGGED.
    Logged,
    /// SET UNLOGGED.
    Unlogged,
    /// SET TABLESPACE.
    Tablespace(String),
    /// SET ACCESS METHOD; none is the default (17).
    AccessMethod(Option<String>),
}

impl Storage {
    /// As it is written.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::Logged => "SET LOGGED",
            Self::Unlogged => "SET UNLOGGED",
            Self::Tablespace(_) => "SET TABLESPACE",
            Self::AccessMethod(_) => "SET ACCESS METHOD",
        }
    }
}

/// ADD COLUMN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddColumn {
    /// The column.
    pub column: String,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its type.
    pub type_name: TypeName,
    /// DEFAULT, if given.
    pub default: Option<DefaultValue>,
    /// NOT NULL or PRIMARY KEY.
    pub not_null: bool,
    /// serial, bigserial, smallserial, or GENERATED … AS IDENTITY.
    pub sequence: bool,
    /// GENERATED ALWAYS AS (…).
    pub generated: Option<Generated>,
    /// Inline CHECK, UNIQUE, PRIMARY KEY, REFERENCES.
    pub constraints: Vec<InlineConstraint>,
}

/// A constraint written inside a column definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineConstraint {
    /// The constraint, its `columns` filled with the column.
    pub constraint: Constraint,
    /// From CONSTRAINT or its first keyword to its last token (DEFERRABLE and its like included), in the script's text.
    pub span: Range<usize>,
}

/// How a generated column is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generated {
    /// STORED: written at once, so a rewrite.
    Stored,
    /// VIRTUAL (18): free.
    Virtual,
}

/// What a DEFAULT is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultValue {
    /// `DEFAULT NULL`.
    pub null: bool,
    /// The functions it calls; none means constants and operators only.
    pub functions: Vec<FunctionCall>,
    /// Its operators that are none of PostgreSQL's own.
    pub operators: Vec<String>,
    /// The expression's text in the script.
    pub span: Range<usize>,
}

/// ALTER COLUMN … TYPE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterType {
    /// The column.
    pub column: String,
    /// The new type.
    pub type_name: TypeName,
    /// USING, if given.
    pub using: Option<Using>,
    /// COLLATE was given.
    pub collation: bool,
}

/// The expression of USING.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Using {
    /// The column itself, or cast to this type: no work of its own when the cast is to the new type.
    Column {
        /// The type of the cast, when there is one.
        cast: Option<TypeName>,
    },
    /// Anything else: the table is rewritten.
    Expression,
}

/// A type as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TypeName {
    /// Its parts after the grammar's own renaming (`integer` is `pg_catalog.int4`).
    pub names: Vec<String>,
    /// Constant modifiers: `numeric(10, 2)` has 10 and 2.
    pub modifiers: Vec<i32>,
    /// An array of it.
    pub array: bool,
}

/// A table constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Its name; PostgreSQL chooses one when absent.
    pub name: Option<String>,
    /// What it demands.
    pub kind: ConstraintKind,
    /// NOT VALID (or 18's NOT ENFORCED): nothing is checked now.
    pub not_valid: bool,
}

/// The kinds of constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConstraintKind {
    /// CHECK.
    Check {
        /// The columns its expression names, each once, in order of appearance.
        columns: Vec<String>,
        /// The functions it calls.
        functions: Vec<FunctionCall>,
    },
    /// FOREIGN KEY.
    ForeignKey {
        /// The referencing columns.
        columns: Vec<String>,
        /// The referenced table.
        references: RelationName,
        /// The referenced columns; empty means its primary key.
        referenced_columns: Vec<String>,
    },
    /// UNIQUE or PRIMARY KEY over columns.
    Unique(Unique),
    /// UNIQUE or PRIMARY KEY USING INDEX.
    UsingIndex {
        /// The index.
        index: String,
        /// PRIMARY KEY.
        primary: bool,
    },
    /// EXCLUDE.
    Exclude,
    /// NOT NULL as a table constraint (18).
    NotNull {
        /// The column.
        column: String,
    },
}

/// UNIQUE or PRIMARY KEY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// The key columns.
    pub columns: Vec<String>,
    /// INCLUDE columns.
    pub including: Vec<String>,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// PRIMARY KEY.
    pub primary: bool,
    /// DEFERRABLE.
    pub deferrable: bool,
    /// INITIALLY DEFERRED.
    pub initially_deferred: bool,
    /// USING INDEX TABLESPACE.
    pub tablespace: Option<String>,
    /// WITH (…) as written, without the parentheses.
    pub with: Option<String>,
    /// WITHOUT OVERLAPS (18): no online path.
    pub without_overlaps: bool,
}
