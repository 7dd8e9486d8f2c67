//! What has to be asked of the server before a string of SQL can be judged, and how its answers become facts.
//!
//! The questions run in the client's own session, under its search path: functions and types carry `pg_catalog.`, operators
//! `OPERATOR(pg_catalog.…)`, and no construct is used that looks an operator up by name (IN, BETWEEN, LIKE, USING, IS DISTINCT FROM).
//! The first question opens no user relation, so it waits for no lock; `pg_relation_size`, in the second, may.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::sql::statement::{FunctionCall, Script, TypeName};

use super::drops::DropFacts;
use super::evidence::EvidenceAnswer;
use super::facts::{Facts, FunctionFacts, Lookup, RelationFacts, Scope, TypeFacts, TypeUser, Volume};
use super::former::{self, Answered};
use super::held::{self, Held};
pub use super::inquiry::Rows;
use super::inquiry::{Around, Names};
use super::joining::JoiningFacts;
use super::path::{Paths, SearchPath};
use super::shadows::Shadows;

/// One question: a query that answers with one row of one text column (JSON).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The query.
    pub sql: &'static str,
    /// Its parameters, all text.
    pub parameters: Vec<String>,
}

/// What came back for one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The one column of the one row.
    Text(Option<String>),
    /// The server refused, or a timeout struck: everything asked is unknown.
    Failed,
}

/// Prepared statements by name, of SQL and of the protocol alike.
pub trait Prepared {
    /// The script of that name, if it is known.
    fn script(&self, name: &str) -> Option<Arc<Script>>;
}

/// What to ask for one script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inquiry {
    paths: Vec<SearchPath>,
    names: Names,
}

const CATALOG: &str =
    concat!(include_str!("sql/names.sql"), include_str!("sql/relations.sql"), include_str!("sql/types.sql"), include_str!("sql/catalog.sql"));
const DOMAINS: &str = concat!(include_str!("sql/names.sql"), include_str!("sql/types.sql"), include_str!("sql/domains.sql"));
const SIZES: &str = concat!(include_str!("sql/names.sql"), include_str!("sql/sizes.sql"));
const DROPS: &str = concat!(include_str!("sql/names.sql"), include_str!("sql/drops.sql"));
const EVIDENCE: &str = concat!(include_str!("sql/names.sql"), include_str!("sql/evidence.sql"));
const FORMER: &str = concat!(include_str!("sql/names.sql"), include_str!("sql/former.sql"));
const JOINING: &str = concat!(include_str!("sql/names.sql"), include_str!("sql/joining.sql"));

/// Words of one piece of code that are asked; code with more stays opaque.
const MOST_WORDS: usize = 5_000;

impl Inquiry {
    /// What the statements of `script` need to be known; EXECUTE looks its inner statement up in `prepared`.
    #[must_use]
    pub fn of(script: &Script, prepared: &dyn Prepared) -> Self {
        Self::with(script, prepared, &Shadows::default(), Rows::Whole)
    }

    /// The same where user functions bear names that need no look otherwise, and after what the transaction has done before.
    #[must_use]
    pub fn with(script: &Script, prepared: &dyn Prepared, shadows: &Shadows, rows: Rows) -> Self {
        let paths = Paths::of(script);
        let names = Names::of(script, &paths, Around { prepared, shadows, rows });
        Self { paths: paths.list, names }
    }

    /// Without what is only asked for the way back: nothing is recorded.
    #[must_use]
    pub fn without_former(mut self) -> Self {
        self.names.former.clear();
        self
    }

    /// Nothing has to be asked: decide at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.decides() && self.names.former.is_empty()
    }

    /// What is asked decides something.
    fn decides(&self) -> bool {
        let names = &self.names;
        !(names.relations.items.is_empty() && names.types.items.is_empty() && names.functions.items.is_empty() && names.words.items.is_empty())
    }

    /// The questions, in order: the catalog, which waits for no lock; sizes, which may; and, where tables are dropped or get partitions, what that
    /// would meet, which asks for sizes as well. Last what was before, for the way back.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        let mut questions = if self.decides() { self.deciding_questions() } else { Vec::new() };
        if !self.names.former.is_empty() {
            let parameters = [Value::from(self.former_candidates()), Value::from(self.former_rows())].map(|rows| rows.to_string()).to_vec();
            questions.push(Question { sql: FORMER, parameters });
        }
        questions
    }

    fn deciding_questions(&self) -> Vec<Question> {
        let relations = Value::from(self.relation_rows(|_| true)).to_string();
        let parameters =
            [Value::from(self.beside_rows()), Value::from(self.type_rows()), Value::from(self.function_rows()), Value::from(self.path_rows())];
        let parameters = std::iter::once(relations.clone()).chain(parameters.iter().map(Value::to_string)).collect();
        let mut questions = vec![Question { sql: CATALOG, parameters }];
        if !self.names.relations.items.is_empty() {
            questions.push(Question { sql: SIZES, parameters: vec![relations] });
        }
        if !self.names.dropped.items.is_empty() {
            let dropped = Value::from(self.relation_rows(|n| self.names.dropped.items.contains(&n)));
            questions.push(Question { sql: DROPS, parameters: vec![dropped.to_string()] });
        }
        let joining = &self.names.joining.items;
        if !joining.is_empty() {
            let named = Value::from(self.relation_rows(|n| joining.iter().any(|(parent, child)| *parent == n || *child == Some(n))));
            let pairs: Vec<Value> = joining.iter().map(|(parent, child)| json!({"parent": parent, "child": child})).collect();
            questions.push(Question { sql: JOINING, parameters: vec![named.to_string(), Value::from(pairs).to_string()] });
        }
        if !self.names.domains.items.is_empty() {
            let places = Value::from(self.names.domains.items.clone());
            let parameters = vec!["[]".to_owned(), places.to_string(), Value::from(self.type_rows()).to_string()];
            questions.push(Question { sql: DOMAINS, parameters });
        }
        let evidence = &self.names.evidence.items;
        if !evidence.is_empty() {
            let named = Value::from(self.relation_rows(|n| evidence.iter().any(|(relation, _)| *relation == n)));
            let wanted = evidence.iter().enumerate().map(|(n, (relation, column))| json!({"n": n, "relation": relation, "column": column}));
            let wanted = Value::from(wanted.collect::<Vec<_>>());
            questions.push(Question { sql: EVIDENCE, parameters: vec![named.to_string(), wanted.to_string()] });
        }
        if self.may_run_code() {
            questions.push(Question { sql: held::QUESTION, parameters: Vec::new() });
        }
        questions
    }

    /// Functions are called, or a block of code.
    fn may_run_code(&self) -> bool {
        !self.names.functions.items.is_empty() || !self.names.words.items.is_empty()
    }

    /// The facts, from one answer per question. What is not answered is unknown.
    #[must_use]
    pub fn facts(&self, server_version: u32, time_zone: &str, answers: &[Answer]) -> Facts {
        let time_zone_is_utc = !self.names.sets_time_zone && is_utc(time_zone);
        let mut facts = Facts {
            server_version,
            scopes: vec![Scope::default(); self.paths.len()],
            time_zone_is_utc,
            held: None,
            speed: None,
            next_xid: None,
            may_probe: false,
            probed: Vec::new(),
            former: Vec::new(),
        };
        if !self.names.former.is_empty() {
            let told = answers.last().and_then(read::<Vec<Answered>>).unwrap_or_default();
            facts.former = former::told(&self.names.former, &told);
        }
        let Some(mut catalog) = answers.first().filter(|_| self.decides()).and_then(read::<CatalogAnswer>) else {
            return facts;
        };
        let names = &self.names;
        // As they were asked.
        let mut further = answers.iter().skip(1);
        let mut next = |is_asked: bool| if is_asked { further.next() } else { None };
        let sizes = next(!names.relations.items.is_empty()).and_then(read::<Vec<SizeAnswer>>).unwrap_or_default();
        let mut drops = next(!names.dropped.items.is_empty()).and_then(read::<Vec<DropAnswer>>).unwrap_or_default();
        let joining = next(!names.joining.items.is_empty()).and_then(read::<Vec<Numbered<JoiningFacts>>>).unwrap_or_default();
        let domains = next(!names.domains.items.is_empty()).and_then(read::<Vec<Numbered<DomainAnswer>>>).unwrap_or_default();
        let evidence = next(!names.evidence.items.is_empty()).and_then(read::<EvidenceAnswer>);
        facts.held = next(self.may_run_code()).and_then(Held::read);
        for found in catalog.types.iter_mut().flatten() {
            found.value.users = domains.iter().find(|domain| domain.n == found.n).map(|domain| domain.value.users.clone());
        }
        for relation in catalog.relations.iter_mut().flatten() {
            let facts = &mut relation.value;
            facts.evidence = evidence.as_ref().map(|answer| answer.of(facts.oid, &facts.qualified())).unwrap_or_default();
            let found = drops.iter().position(|drop| drop.n == relation.n && drop.oid == relation.value.oid);
            relation.value.drop = found.map(|place| drops.swap_remove(place).value);
            let joins = joining.iter().filter(|joins| joins.n == relation.n && joins.value.parent == relation.value.oid);
            relation.value.joining = joins.map(|joins| joins.value.clone()).collect();
            let size = sizes.iter().find(|size| size.n == relation.n && size.oid == relation.value.oid);
            relation.value.bytes = size.and_then(|size| size.bytes);
            relation.value.volume = size.and_then(|size| size.volume);
        }
        facts.may_probe = catalog.may_probe;
        facts.next_xid = catalog.next_xid.take();
        self.creation_schemas(&mut facts, &catalog);
        self.relations(&mut facts, catalog.relations.unwrap_or_default());
        self.types(&mut facts, catalog.types.unwrap_or_default());
        self.functions(&mut facts, catalog.functions.unwrap_or_default());
        facts
    }

    fn creation_schemas(&self, facts: &mut Facts, catalog: &CatalogAnswer) {
        for ((number, path), scope) in self.paths.iter().enumerate().zip(&mut facts.scopes) {
            scope.creation_schema = match path {
                SearchPath::Session => catalog.creation_schema.clone(),
                SearchPath::Set(_) => catalog.paths.iter().flatten().find(|found| found.n == number).map(|found| found.schema.clone()),
                SearchPath::Unknown => None,
            };
        }
    }

    fn relations(&self, facts: &mut Facts, found: Vec<Numbered<RelationFacts>>) {
        let mut found = by_number(found);
        for (n, (path, name)) in self.names.relations.items.iter().enumerate() {
            let lookup = self.lookup(*path, name.schema.is_some(), found.remove(&n).and_then(|mut values| values.pop()));
            if let Some(scope) = facts.scopes.get_mut(*path) {
                scope.relations.insert(name.clone(), lookup);
            }
        }
    }

    fn types(&self, facts: &mut Facts, found: Vec<Numbered<TypeFacts>>) {
        let mut found = by_number(found);
        for (n, (path, name)) in self.names.types.items.iter().enumerate() {
            let lookup = self.lookup(*path, name.names.len() > 1, found.remove(&n).and_then(|mut values| values.pop()));
            if let Some(scope) = facts.scopes.get_mut(*path) {
                scope.types.insert(name.clone(), lookup);
            }
        }
    }

    fn functions(&self, facts: &mut Facts, found: Vec<Numbered<FunctionFacts>>) {
        let mut found = by_number(found);
        for (n, (path, call)) in self.names.functions.items.iter().enumerate() {
            let overloads = found.remove(&n).unwrap_or_default();
            if let Some(scope) = facts.scopes.get_mut(*path) {
                scope.functions.insert(call.clone(), Lookup::Found(overloads));
            }
        }
        let mentioned: HashMap<String, Vec<FunctionFacts>> =
            self.words().enumerate().filter_map(|(n, word)| Some((word.clone(), found.remove(&(self.names.functions.items.len() + n))?))).collect();
        let known = self.names.words.items.len() <= MOST_WORDS;
        for scope in &mut facts.scopes {
            scope.mentioned.clone_from(&mentioned);
            scope.mentions_known = known;
        }
    }

    /// What is not found is missing, unless its name could not even be resolved.
    fn lookup<T>(&self, path: usize, qualified: bool, found: Option<T>) -> Lookup<T> {
        let resolvable = qualified || !matches!(self.paths.get(path), None | Some(SearchPath::Unknown));
        match found {
            Some(value) => Lookup::Found(value),
            None if resolvable => Lookup::Missing,
            None => Lookup::Unknown,
        }
    }

    fn relation_rows(&self, wanted: impl Fn(usize) -> bool) -> Vec<Value> {
        let relations = self.names.relations.items.iter().enumerate().filter(|(n, _)| wanted(*n));
        relations.flat_map(|(n, (path, name))| self.candidates(n, *path, name.schema.as_deref(), &name.name)).collect()
    }

    fn former_candidates(&self) -> Vec<Value> {
        let searched = self.names.former.iter().enumerate().filter(|(_, asked)| asked.wanted.place.is_searched());
        searched.flat_map(|(n, asked)| self.candidates(n, asked.path, asked.wanted.name.schema.as_deref(), &asked.wanted.name.name)).collect()
    }

    fn former_rows(&self) -> Vec<Value> {
        let argument = |of: &TypeName| {
            let (schema, name) = type_parts(of);
            json!({"schema": schema, "name": name, "array": of.array})
        };
        let row = |(n, asked): (usize, &former::Asked)| {
            let wanted = &asked.wanted;
            let arguments: Vec<Value> = wanted.arguments.iter().map(argument).collect();
            json!({"n": n, "aspect": wanted.aspect.word(), "place": wanted.place.word(), "schema": wanted.name.schema, "name": wanted.name.name,
                "part": wanted.part, "arguments": arguments})
        };
        self.names.former.iter().enumerate().map(row).collect()
    }

    fn beside_rows(&self) -> Vec<Value> {
        self.names.beside.items.iter().map(|(n, name)| json!({"n": n, "name": name})).collect()
    }

    fn type_rows(&self) -> Vec<Value> {
        let types = self.names.types.items.iter().enumerate();
        let rows = types.flat_map(|(n, (path, name))| {
            let (schema, own) = type_parts(name);
            let rows = self.candidates(n, *path, schema, own);
            rows.into_iter().map(|mut row| {
                if let Some(fields) = row.as_object_mut() {
                    fields.insert("array".into(), name.array.into());
                }
                row
            })
        });
        rows.collect()
    }

    /// One row per place where the name may be looked for, in order of precedence.
    fn candidates(&self, n: usize, path: usize, schema: Option<&str>, name: &str) -> Vec<Value> {
        if schema.is_some() {
            return vec![json!({"n": n, "k": 0, "schema": schema, "name": name, "path": false})];
        }
        match self.paths.get(path) {
            Some(SearchPath::Session) => vec![json!({"n": n, "k": 0, "schema": null, "name": name, "path": false})],
            Some(SearchPath::Set(schemas)) => {
                let schemas = with_implicit(schemas, &["pg_temp", "pg_catalog"]).enumerate();
                schemas.map(|(k, schema)| json!({"n": n, "k": k, "schema": schema, "name": name, "path": true})).collect()
            }
            Some(SearchPath::Unknown) | None => Vec::new(),
        }
    }

    fn function_rows(&self) -> Vec<Value> {
        let mut rows = Vec::new();
        for (n, (path, call)) in self.names.functions.items.iter().enumerate() {
            rows.extend(self.function_candidates(n, *path, call));
        }
        let first = self.names.functions.items.len();
        rows.extend(self.words().enumerate().map(|(n, word)| json!({"n": first + n, "name": word, "path": false, "anywhere": true})));
        rows
    }

    fn words(&self) -> impl Iterator<Item = &String> {
        self.names.words.items.iter().take(MOST_WORDS)
    }

    /// Overloads are all taken together, so that precedence does not matter.
    fn function_candidates(&self, n: usize, path: usize, call: &FunctionCall) -> Vec<Value> {
        let row = |schema: Option<&str>, path: bool, anywhere: bool| json!({"n": n, "schema": schema, "name": call.name, "path": path, "anywhere": anywhere});
        if call.schema.is_some() {
            return vec![row(call.schema.as_deref(), false, false)];
        }
        match self.paths.get(path) {
            Some(SearchPath::Session) => vec![row(None, false, false)],
            Some(SearchPath::Set(schemas)) => with_implicit(schemas, &["pg_catalog"]).map(|schema| row(Some(schema), true, false)).collect(),
            Some(SearchPath::Unknown) | None => vec![row(None, false, true), row(Some("pg_catalog"), false, false)],
        }
    }

    fn path_rows(&self) -> Vec<Value> {
        let mut rows = Vec::new();
        for (n, path) in self.paths.iter().enumerate() {
            if let SearchPath::Set(schemas) = path {
                rows.extend(schemas.iter().enumerate().map(|(k, schema)| json!({"n": n, "k": k, "schema": schema})));
            }
        }
        rows
    }
}

/// Schemas that are searched first unless the path names them.
fn with_implicit<'a>(schemas: &'a [String], implicit: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let first = implicit.iter().copied().filter(|name| !schemas.iter().any(|schema| schema == name));
    first.chain(schemas.iter().map(String::as_str))
}

fn type_parts(name: &TypeName) -> (Option<&str>, &str) {
    match name.names.as_slice() {
        [.., schema, own] => (Some(schema), own),
        [own] => (None, own),
        [] => (None, ""),
    }
}

fn is_utc(time_zone: &str) -> bool {
    let zone = time_zone.to_ascii_lowercase();
    let zone = zone.strip_prefix("etc/").unwrap_or(&zone);
    ["utc", "uct", "universal", "zulu", "gmt", "gmt0", "gmt+0", "gmt-0", "greenwich"].contains(&zone)
}

#[derive(Deserialize)]
struct CatalogAnswer {
    relations: Option<Vec<Numbered<RelationFacts>>>,
    types: Option<Vec<Numbered<TypeFacts>>>,
    functions: Option<Vec<Numbered<FunctionFacts>>>,
    creation_schema: Option<String>,
    #[serde(default)]
    may_probe: bool,
    next_xid: Option<String>,
    paths: Option<Vec<PathAnswer>>,
}

#[derive(Deserialize)]
struct Numbered<T> {
    n: usize,
    #[serde(flatten)]
    value: T,
}

#[derive(Deserialize)]
struct PathAnswer {
    n: usize,
    schema: String,
}

#[derive(Deserialize)]
struct SizeAnswer {
    n: usize,
    oid: u32,
    bytes: Option<u64>,
    volume: Option<Volume>,
}

#[derive(Deserialize)]
struct DropAnswer {
    n: usize,
    oid: u32,
    #[serde(flatten)]
    value: DropFacts,
}

#[derive(Deserialize)]
struct DomainAnswer {
    users: Vec<TypeUser>,
}

fn read<T: for<'a> Deserialize<'a>>(answer: &Answer) -> Option<T> {
    match answer {
        Answer::Text(Some(text)) => serde_json::from_str(text).ok(),
        Answer::Text(None) | Answer::Failed => None,
    }
}

fn by_number<T>(found: Vec<Numbered<T>>) -> HashMap<usize, Vec<T>> {
    let mut map: HashMap<usize, Vec<T>> = HashMap::new();
    found.into_iter().for_each(|one| map.entry(one.n).or_default().push(one.value));
    map
}
