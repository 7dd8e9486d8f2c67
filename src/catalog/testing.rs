//! A make-believe server for tests of rules and decisions: relations, types and functions, answered as the questions would be.

use std::collections::HashMap;

use crate::sql::name::RelationName;
use crate::sql::statement::{FunctionCall, Script, TypeName};

use super::estimate::Speed;
pub(crate) use super::facts::{ColumnFacts, ConstraintFacts, IndexFacts, IndexOf, NameBeside, OwnIndex, PartitionFacts, RelationFacts, Taken};
use super::facts::{Facts, FunctionFacts, Lookup, Scope, SourceFacts, TypeFacts};
use super::inquiry::{Around, Names, Rows};
use super::path::{Paths, SearchPath};
use super::questions::Prepared;
use super::shadows::Shadows;

/// No prepared statements.
pub(crate) struct NothingPrepared;

impl Prepared for NothingPrepared {
    fn script(&self, _: &str) -> Option<std::sync::Arc<Script>> {
        None
    }
}

/// What the make-believe server knows.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) version: u32,
    pub(crate) utc: bool,
    pub(crate) relations: Vec<RelationFacts>,
    pub(crate) types: HashMap<String, TypeFacts>,
    pub(crate) functions: HashMap<String, Vec<FunctionFacts>>,
    /// The session's search path.
    pub(crate) path: Vec<String>,
    /// Questions fail.
    pub(crate) silent: bool,
    /// Commands that were tried.
    pub(crate) probed: Vec<super::probe::Probed>,
    /// How fast it is, where that was measured.
    pub(crate) speed: Option<Speed>,
}

/// 54 MB.
pub(crate) const LARGE: u64 = 54 << 20;

pub(crate) fn column(name: &str, oid: u32, modifier: i32, type_text: &str) -> ColumnFacts {
    ColumnFacts {
        name: name.into(),
        type_oid: oid,
        type_modifier: modifier,
        base_oid: oid,
        base_modifier: modifier,
        type_text: type_text.into(),
        length: if oid == 1043 {
            -1
        } else if oid == 23 {
            4
        } else {
            8
        },
        unsorted: false,
        default_collation: true,
        not_null: name == "id",
        has_default: false,
    }
}

/// `id bigint` (the primary key), `a integer`, `b varchar(50)` with an index, `ts timestamp`.
pub(crate) fn table(schema: &str, name: &str, bytes: u64) -> RelationFacts {
    let own = |suffix: &str| format!("{name}_{suffix}");
    let index = |name: String, unique, column: &str| IndexFacts {
        name,
        valid: true,
        abandoned: false,
        unique,
        method: "btree".into(),
        plain: true,
        columns: vec![column.into()],
        key: vec![column.into()],
    };
    RelationFacts {
        oid: 16_384,
        schema: schema.into(),
        name: name.into(),
        kind: 'r',
        persistence: 'p',
        bytes: Some(bytes),
        columns: vec![
            column("id", 20, -1, "bigint"),
            column("a", 23, -1, "integer"),
            column("b", 1043, 54, "character varying(50)"),
            column("ts", 1114, -1, "timestamp"),
        ],
        constraints: vec![ConstraintFacts {
            name: own("pkey"),
            kind: 'p',
            validated: true,
            columns: vec!["id".into()],
            ..ConstraintFacts::default()
        }],
        indexes: vec![index(own("pkey"), true, "id"), index(own("b_idx"), false, "b")],
        taken: Taken { relations: vec![name.into(), own("pkey"), own("b_idx")], constraints: vec![own("pkey")] },
        ..RelationFacts::default()
    }
}

/// An index of a table.
pub(crate) fn index(schema: &str, table: &str, name: &str, bytes: u64) -> RelationFacts {
    let of = IndexOf { table_schema: schema.into(), table: table.into(), constraint: None, valid: true };
    RelationFacts {
        schema: schema.into(),
        name: name.into(),
        kind: 'i',
        persistence: 'p',
        bytes: Some(bytes),
        taken: Taken { relations: vec![name.into()], constraints: Vec::new() },
        index: Some(of),
        ..RelationFacts::default()
    }
}

/// A function of the user's, in plpgsql.
pub(crate) fn function(volatility: char, source: &str) -> FunctionFacts {
    let sources = vec![SourceFacts { language: "plpgsql".into(), extension: None, source: source.into() }];
    FunctionFacts { schema: "public".into(), builtin: false, volatility, language: "plpgsql".into(), extension: None, sources }
}

impl Default for World {
    /// PostgreSQL 15 with the large tables `t` and `p`, the small `s`, the empty `e`, the large materialized view `v`.
    fn default() -> Self {
        let relations = vec![
            table("public", "t", LARGE),
            table("public", "p", LARGE),
            table("public", "s", 8192),
            table("public", "e", 0),
            RelationFacts { kind: 'm', populated: true, ..table("public", "v", LARGE) },
            index("public", "t", "t_b_idx", LARGE),
            index("public", "s", "s_b_idx", 8192),
        ];
        let plain = |oid: u32, binary_from: &[u32]| TypeFacts {
            oid,
            base_oid: oid,
            base_modifier: -1,
            unsorted: false,
            users: None,
            labels: Vec::new(),
            binary_from: binary_from.to_vec(),
            constrained_domain: false,
        };
        let types = [
            ("text", plain(25, &[1043])),
            ("varchar", plain(1043, &[25])),
            ("int4", plain(23, &[])),
            ("int8", plain(20, &[])),
            ("float8", plain(701, &[])),
            ("timestamptz", plain(1184, &[])),
            ("citext", plain(50_001, &[25, 1043])),
            (
                "positive",
                TypeFacts {
                    labels: Vec::new(),
                    oid: 50_002,
                    base_oid: 23,
                    base_modifier: -1,
                    unsorted: false,
                    users: None,
                    binary_from: vec![],
                    constrained_domain: true,
                },
            ),
        ];
        let builtin = |volatility| {
            vec![FunctionFacts { schema: "pg_catalog".into(), builtin: true, volatility, language: "internal".into(), ..FunctionFacts::default() }]
        };
        let functions = [("now", builtin('s')), ("random", builtin('v')), ("gen_random_uuid", builtin('v'))];
        Self {
            version: 150_018,
            utc: false,
            relations,
            types: types.into_iter().map(|(name, facts)| (name.to_owned(), facts)).collect(),
            functions: functions.into_iter().map(|(name, facts)| (name.to_owned(), facts)).collect(),
            path: vec!["public".into()],
            silent: false,
            probed: Vec::new(),
            speed: None,
        }
    }
}

impl World {
    pub(crate) fn of_version(version: u32) -> Self {
        Self { version, ..Self::default() }
    }

    pub(crate) fn with(mut self, relation: RelationFacts) -> Self {
        self.relations.retain(|known| (&known.schema, &known.name) != (&relation.schema, &relation.name));
        self.relations.push(relation);
        self
    }

    /// Changes the table `t`.
    pub(crate) fn altering(mut self, change: impl Fn(&mut RelationFacts)) -> Self {
        self.relations.iter_mut().filter(|relation| relation.name == "t").for_each(change);
        self
    }

    pub(crate) fn function(mut self, name: &str, facts: FunctionFacts) -> Self {
        self.functions.entry(name.to_owned()).or_default().push(facts);
        self
    }

    /// What the questions of this script would have brought.
    pub(crate) fn facts(&self, script: &Script, prepared: &dyn Prepared) -> Facts {
        let paths = Paths::of(script);
        let mut facts = Facts {
            server_version: self.version,
            scopes: vec![Scope::default(); paths.list.len()],
            time_zone_is_utc: self.utc,
            speed: self.speed,
            next_xid: Some("7".into()),
            may_probe: true,
            probed: self.probed.clone(),
            former: Vec::new(),
            held: (!self.silent).then(super::held::Held::default),
        };
        if self.silent {
            return facts;
        }
        let user = |functions: &Vec<FunctionFacts>| functions.iter().any(|function| !function.builtin);
        let shadows = Shadows::of(self.functions.iter().filter(|(_, functions)| user(functions)).map(|(name, _)| name.clone()));
        let names = Names::of(script, &paths, Around { prepared, shadows: &shadows, rows: Rows::Any });
        facts.time_zone_is_utc &= !names.sets_time_zone;
        for (scope, path) in facts.scopes.iter_mut().zip(&paths.list) {
            scope.creation_schema = match path {
                SearchPath::Session => self.path.iter().find(|schema| *schema != "pg_temp").cloned(),
                SearchPath::Set(schemas) => schemas.first().cloned(),
                SearchPath::Unknown => None,
            };
            scope.mentions_known = true;
            let mentioned = names
                .words
                .items
                .iter()
                .filter_map(|word| Some((word.clone(), self.functions.get(word)?.iter().filter(|f| !f.builtin).cloned().collect())));
            scope.mentioned = mentioned.filter(|(_, found): &(String, Vec<FunctionFacts>)| !found.is_empty()).collect();
        }
        for (path, name) in &names.relations.items {
            facts.scopes[*path].relations.insert(name.clone(), self.relation(&paths.list[*path], name));
        }
        for (path, name) in &names.types.items {
            facts.scopes[*path].types.insert(name.clone(), self.type_facts(name));
        }
        for (path, call) in &names.functions.items {
            facts.scopes[*path].functions.insert(call.clone(), Lookup::Found(self.overloads(call)));
        }
        facts
    }

    fn relation(&self, path: &SearchPath, name: &RelationName) -> Lookup<RelationFacts> {
        let schemas = match (&name.schema, path) {
            (Some(schema), _) => vec![schema.clone()],
            (None, SearchPath::Session) => self.path.clone(),
            (None, SearchPath::Set(schemas)) => schemas.clone(),
            (None, SearchPath::Unknown) => return Lookup::Unknown,
        };
        let mut places = schemas.iter();
        let found = places.find_map(|schema| self.relations.iter().find(|known| known.schema == *schema && known.name == name.name));
        found.map_or(Lookup::Missing, |facts| Lookup::Found(facts.clone()))
    }

    fn type_facts(&self, name: &TypeName) -> Lookup<TypeFacts> {
        name.names.last().and_then(|name| self.types.get(name)).map_or(Lookup::Missing, |facts| Lookup::Found(facts.clone()))
    }

    fn overloads(&self, call: &FunctionCall) -> Vec<FunctionFacts> {
        self.functions.get(&call.name).cloned().unwrap_or_default()
    }
}
