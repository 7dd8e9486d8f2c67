//! PostgreSQL's parse tree turned once into the little that decisions need.
//!
//! `parse` is the only file that fills these types; nothing else imports the parser.

mod alter;
mod bound;
mod write;

use std::ops::Range;
use std::sync::Arc;

use super::former::Wanted;
use super::name::RelationName;

pub use alter::{
    AddColumn, AlterAction, AlterCommand, AlterTable, AlterType, Constraint, ConstraintKind, DefaultValue, Generated, InlineConstraint, Storage,
    TypeName, Unique, Using,
};
pub use bound::{Bound, Edge, Form, Value};
pub use write::{Verb, Write};

/// One string of SQL as it came in one Query or Parse message, split as the server splits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The text, byte for byte.
    pub text: Arc<str>,
    /// Its statements in order; empty for an empty string or comments only.
    pub statements: Vec<Parsed>,
}

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Where it stands in the script's text: without the semicolon, trimmed of white space (leading comments stay outside where the parser's location allows).
    pub span: Range<usize>,
    /// What it is.
    pub statement: Statement,
    /// Every function that it calls by name, wherever in the tree; each once.
    pub functions: Vec<FunctionCall>,
    /// Every SET by another name (`set_config`, an UPDATE of `pg_settings`), wherever in the tree.
    pub sets: Vec<SetByCall>,
    /// Names behind a period: `t.f` calls a function `f` of one row where `t` has no such column.
    pub attributes: Vec<String>,
    /// Every relation that it names where the grammar wants one, wherever in the tree, each once; names of WITH among them.
    pub relations: Vec<RelationName>,
    /// The function that it creates or replaces.
    pub defines: Option<Definition>,
    /// Relations that were there before and that it locks strongly, waiting if it must, where `statement` does not name them, or not how.
    pub locks: Vec<RelationName>,
    /// What it writes over, takes away, or makes unless it is there.
    pub replaces: Vec<Wanted>,
}

/// A function as CREATE FUNCTION writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name without its schema.
    pub name: String,
    /// Its language, lower-cased.
    pub language: String,
    /// Its body; empty where that stands in the statement's own tree, and for aggregates.
    pub body: String,
}

impl Parsed {
    /// A statement that calls nothing.
    #[must_use]
    pub fn new(span: Range<usize>, statement: Statement) -> Self {
        Self {
            span,
            statement,
            functions: Vec::new(),
            sets: Vec::new(),
            attributes: Vec::new(),
            relations: Vec::new(),
            defines: None,
            locks: Vec::new(),
            replaces: Vec::new(),
        }
    }
}

/// A call of `set_config`; what is no constant is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetByCall {
    /// The parameter, lower-cased.
    pub name: Option<String>,
    /// The value.
    pub value: Option<String>,
    /// The statement only says what will run later: PREPARE, DECLARE CURSOR, CREATE VIEW …
    pub later: bool,
}

/// A function called by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionCall {
    /// The schema, when written.
    pub schema: Option<String>,
    /// The function's name, folded and unquoted.
    pub name: String,
}

/// What a statement is, as far as a decision depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// BEGIN, COMMIT, SAVEPOINT …
    Transaction(TransactionControl),
    /// SET, RESET, DISCARD, set_config as the only call of a SELECT is *not* here but in `functions`.
    Setting(SettingChange),
    /// SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE, MERGE, DECLARE CURSOR, FETCH, EXPLAIN of one of these: rows only.
    /// What it calls is in `Parsed::functions`.
    Query(Query),
    /// COPY in any direction.
    Copy(Copy),
    /// CREATE TABLE in all forms, CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW.
    CreateTable(CreateTable),
    /// CREATE INDEX.
    CreateIndex(CreateIndex),
    /// DROP INDEX.
    DropIndex(Drop),
    /// DROP TABLE.
    DropTable(Drop),
    /// REINDEX.
    Reindex(Reindex),
    /// ALTER TABLE (also on indexes, views … where PostgreSQL's grammar makes it the same node).
    AlterTable(AlterTable),
    /// ALTER … RENAME of a table, index, column or anything else.
    Rename(Rename),
    /// ALTER TABLE … SET SCHEMA.
    SetSchema {
        /// What moves.
        relation: RelationName,
    },
    /// LOCK TABLE: needs the client's snapshot untouched before it.
    LockTable {
        /// What is locked.
        relations: Vec<RelationName>,
        /// In SHARE mode or stronger: writers wait.
        strong: bool,
    },
    /// PREPARE name AS …
    Prepare {
        /// The statement's name.
        name: String,
        /// What it will run.
        inner: Box<Parsed>,
    },
    /// EXECUTE name (also EXPLAIN EXECUTE, CREATE TABLE AS EXECUTE).
    Execute {
        /// The statement's name.
        name: String,
    },
    /// DEALLOCATE; `None` is ALL.
    Deallocate(Option<String>),
    /// ALTER DOMAIN that looks at the rows of every table that uses it.
    AlterDomain {
        /// The domain.
        name: TypeName,
        /// What is checked.
        change: DomainChange,
    },
    /// CREATE TYPE … AS ENUM.
    CreateEnum {
        /// The type.
        name: TypeName,
    },
    /// ALTER TYPE … ADD VALUE.
    AddEnumValue {
        /// The type.
        name: TypeName,
        /// The value.
        value: String,
    },
    /// Code whose effect its text does not show: DO, CALL.
    Opaque(Opaque),
    /// Reaches outside the database or round the proxy: named rules judge it.
    External(External),
    /// DDL and utility statements that take at most a brief lock: lock_timeout is all they need. The command tag.
    Brief(&'static str),
    /// Understood by the grammar, dangerous or unknown to our rules: the command's name, and its relation where it has one.
    Unjudged {
        /// What the user would call it, e.g. `VACUUM FULL`.
        what: &'static str,
        /// The relations it names, if any.
        relations: Vec<RelationName>,
    },
}

/// What an ALTER DOMAIN looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainChange {
    /// ADD CONSTRAINT … CHECK.
    AddCheck,
    /// SET NOT NULL.
    SetNotNull,
    /// VALIDATE CONSTRAINT.
    Validate(String),
}

/// A statement that only reads and writes rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// `SELECT f(…)` without FROM, with exactly one call at its top. Recognises `pg_advisory_lock` and `set_config`.
    pub lone_call: Option<LoneCall>,
    /// DECLARE: it says what FETCH will run.
    pub declares: bool,
    /// FETCH, MOVE: it runs what its cursor was declared with.
    pub fetches: bool,
    /// The table of an INSERT, UPDATE or DELETE that is the whole statement.
    pub written: Option<RelationName>,
    /// Which rows it writes.
    pub reach: Reach,
    /// ON CONFLICT: it asks for a unique index.
    pub on_conflict: bool,
    /// What it writes, where that is little and stands in it.
    pub write: Option<Box<Write>>,
}

/// Which rows a statement writes, as far as its text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reach {
    /// Those that stand in it, the one under a cursor, or none.
    #[default]
    Given,
    /// Every one: UPDATE or DELETE without WHERE and without other tables.
    All,
    /// Those in which each of these columns has one of some constant values, lies between two, or is among those of a subquery with a LIMIT.
    Pinned(Vec<String>),
    /// As many as a query brings: INSERT … SELECT, MERGE, UPDATE … FROM, DELETE … USING.
    Queried,
}

/// See [`Query::lone_call`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoneCall {
    /// The function.
    pub function: FunctionCall,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// The name of its column.
    pub column: String,
}

/// An argument of a [`LoneCall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A constant, as text; also through a cast.
    Constant(String),
    /// `$1` is 1; also through a cast.
    Parameter(usize),
    /// NULL, or anything that is computed.
    Other,
}

impl Argument {
    /// The constant.
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        if let Self::Constant(text) = self { Some(text) } else { None }
    }
}

/// Transaction commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionControl {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END.
    Commit {
        /// AND CHAIN.
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// AND CHAIN.
        chain: bool,
    },
    /// SAVEPOINT name.
    Savepoint(String),
    /// RELEASE name.
    Release(String),
    /// ROLLBACK TO name.
    RollbackTo(String),
    /// PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED.
    TwoPhase,
}

/// SET and its relatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingChange {
    /// SET [LOCAL] name = value[, …]; values as PostgreSQL would flatten them, joined by ", ".
    Set {
        /// The parameter, lower-cased.
        name: String,
        /// The value.
        value: String,
        /// SET LOCAL.
        local: bool,
    },
    /// SET name TO DEFAULT, RESET name.
    Reset {
        /// The parameter, lower-cased.
        name: String,
        /// SET LOCAL … TO DEFAULT.
        local: bool,
    },
    /// RESET ALL.
    ResetAll,
    /// DISCARD ALL.
    DiscardAll,
    /// SET [SESSION CHARACTERISTICS AS] TRANSACTION …: nothing of ours may stand before it.
    Transaction,
    /// SET … FROM CURRENT and what else exists.
    Other,
}

/// COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copy {
    /// COPY … FROM STDIN: the client sends data next.
    FromClient,
    /// COPY … TO STDOUT, of a table or query.
    ToClient,
    /// COPY … PROGRAM.
    Program,
    /// COPY from or to a file of the server.
    ServerFile,
}

/// CREATE TABLE and what else makes a relation with rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTable {
    /// The new relation.
    pub relation: RelationName,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its columns and their types, where it lists them.
    pub columns: Vec<(String, TypeName)>,
    /// TEMP.
    pub temporary: bool,
    /// Tables that its foreign keys name.
    pub references: Vec<RelationName>,
    /// PARTITION OF this table.
    pub partition_of: Option<RelationName>,
    /// The rows that belong into it, where it is a partition.
    pub bound: Option<Bound>,
    /// INHERITS these tables.
    pub inherits: Vec<RelationName>,
    /// LIKE these tables: their indexes and constraints may be copied.
    pub like: Vec<RelationName>,
    /// Its rows come from a query: CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW.
    pub from_query: bool,
    /// CREATE TABLE AS EXECUTE name.
    pub execute: Option<String>,
}

/// CREATE INDEX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateIndex {
    /// The index's name; PostgreSQL chooses one when absent.
    pub name: Option<String>,
    /// The table.
    pub table: RelationName,
    /// ON ONLY.
    pub only: bool,
    /// UNIQUE.
    pub unique: bool,
    /// CONCURRENTLY.
    pub concurrently: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The names that PostgreSQL would build an index name from: the column, or what `FigureIndexColname` says of an expression.
    pub key_names: Vec<String>,
    /// The columns of its key, INCLUDE left out; none when there is an expression among them.
    pub key_columns: Option<Vec<String>>,
    /// WHERE.
    pub partial: bool,
    /// A B-tree of columns alone, all rows, default operator classes and collations, NULLs distinct.
    pub ordinary: bool,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// USING: the access method as written; empty is a B-tree.
    pub method: String,
    /// Columns that a B-tree is to sort by the default of their type.
    pub sorted_by: Vec<String>,
    /// It asks for what its access method, one of PostgreSQL's own, does not know.
    pub beyond_method: bool,
}

/// DROP INDEX, DROP TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    /// What is dropped.
    pub relations: Vec<RelationName>,
    /// IF EXISTS.
    pub if_exists: bool,
    /// CASCADE.
    pub cascade: bool,
    /// CONCURRENTLY.
    pub concurrently: bool,
}

/// REINDEX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reindex {
    /// What is rebuilt.
    pub target: ReindexTarget,
    /// CONCURRENTLY, in either spelling.
    pub concurrently: bool,
}

/// What REINDEX names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReindexTarget {
    /// REINDEX INDEX.
    Index(RelationName),
    /// REINDEX TABLE.
    Table(RelationName),
    /// REINDEX SCHEMA name.
    Schema(String),
    /// REINDEX DATABASE.
    Database,
    /// REINDEX SYSTEM: cannot be concurrent.
    System,
}

/// RENAME.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// What is renamed.
    pub kind: RenameKind,
    /// The relation, where the thing is one or belongs to one.
    pub relation: Option<RelationName>,
    /// The new name.
    pub to: String,
}

/// What RENAME renames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenameKind {
    /// A table, partitioned or foreign table (or an index or view by ALTER TABLE).
    Table,
    /// A column.
    Column(String),
    /// An index.
    Index,
    /// A constraint.
    Constraint(String),
    /// A view or materialized view.
    View,
    /// A schema.
    Schema(String),
    /// Anything else (type, function, role, sequence …): its kind.
    Other(&'static str),
}

/// Code whose effect the text does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opaque {
    /// DO: language and body.
    Do {
        /// The language, `plpgsql` when not given.
        language: String,
        /// The body.
        body: Code,
    },
    /// CALL: the procedure.
    Call(FunctionCall),
}

/// Code of which some statements stand for themselves: no variable is put into them, and they run as they are written, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Code {
    /// All of it.
    pub text: String,
    /// The statements that change the schema or every row of a table, each a script of its own.
    pub statements: Vec<Script>,
    /// The code without them.
    pub rest: String,
}

/// Ways out of the database, each with its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum External {
    /// CREATE / ALTER SUBSCRIPTION.
    Subscription,
    /// CREATE SERVER, USER MAPPING, FOREIGN TABLE, FOREIGN DATA WRAPPER, IMPORT FOREIGN SCHEMA.
    ForeignData,
    /// LOAD 'library'.
    Load,
    /// ALTER SYSTEM, and ALTER ROLE / DATABASE / FUNCTION … SET: the parameter and its value.
    PersistentSetting {
        /// What carries it, e.g. `ALTER ROLE`.
        what: &'static str,
        /// The parameter, lower-cased; `None` for RESET ALL.
        name: Option<String>,
        /// The new value; `None` for RESET.
        value: Option<String>,
    },
}
