//! What PostgreSQL looks for in the rows of a table before it becomes a partition, as an expression that it takes for the same.
//!
//! It proves by comparing trees: so each expression is built as PostgreSQL builds its own (`get_qual_from_partbound`), with constants of the column's
//! own type. What it may build otherwise is not guessed.

use crate::catalog::joining::{JoiningFacts, KeyColumn};
use crate::sql::name::{Identifier, Literal};
use crate::sql::parse;
use crate::sql::statement::{Bound, Edge, Form, TypeName, Value};

/// More constants than these are not compared one by one, and so not in any order.
const MOST_VALUES: usize = 100;

/// The bounds of a table that is partitioned so.
pub(super) struct Bounds<'a> {
    facts: &'a JoiningFacts,
}

/// An expression, or why there is none.
type Said = Result<String, String>;

impl<'a> Bounds<'a> {
    pub(super) fn of(facts: &'a JoiningFacts) -> Self {
        Self { facts }
    }

    /// What every row of a partition with this bound is; nothing where any may be.
    pub(super) fn inside(&self, bound: &Bound) -> Result<Option<String>, String> {
        let own = match bound {
            Bound::Default => self.remainder()?,
            bound => Some(self.between(bound)?),
        };
        Ok(match (own, &self.facts.above) {
            (Some(own), Some(above)) => Some(format!("{own} AND ({above})")),
            (own, above) => own.or_else(|| above.clone()),
        })
    }

    /// What every row of the default partition is beside a partition with this bound.
    pub(super) fn outside(&self, bound: &Bound) -> Said {
        Ok(format!("NOT ({})", self.between(bound)?))
    }

    fn between(&self, bound: &Bound) -> Said {
        match (bound, self.facts.strategy) {
            (Bound::Range { from, to }, 'r') => Ok(and([self.not_null()?, self.range(from, to)?].concat())),
            (Bound::List(values), 'l') => self.list(values),
            (Bound::Hash { modulus, remainder }, 'h') => self.hash(*modulus, *remainder),
            (Bound::Computed, _) => Err("its bounds are no plain constants".to_owned()),
            _ => Err("its bounds are of another kind than the table's".to_owned()),
        }
    }

    /// What no other partition has.
    fn remainder(&self) -> Result<Option<String>, String> {
        let others = self.facts.bounds.iter().map(|text| parse::bound(text).ok_or("the bounds of its partitions are not known"));
        let others = others.collect::<Result<Vec<Bound>, _>>()?;
        if others.is_empty() {
            return Ok(None);
        }
        let all = match self.facts.strategy {
            'r' => {
                let ranges = others.iter().map(|other| match other {
                    Bound::Range { from, to } => self.range(from, to).map(and),
                    _ => Err("the bounds of its partitions are not known".to_owned()),
                });
                and([self.not_null()?, vec![or(ranges.collect::<Result<_, _>>()?)]].concat())
            }
            _ => {
                let lists = others.into_iter().map(|other| if let Bound::List(values) = other { Some(values) } else { None });
                let values: Vec<_> = lists.collect::<Option<Vec<_>>>().ok_or("the bounds of its partitions are not known")?.concat();
                if values.len() > MOST_VALUES {
                    return Err("its partitions have too many values for a proof".to_owned());
                }
                self.list(&values)?
            }
        };
        Ok(Some(format!("NOT ({all})")))
    }

    fn key(&self, number: usize) -> Result<&'a KeyColumn, String> {
        let key = self.facts.keys.get(number).ok_or("it has fewer columns than its bounds")?;
        if key.column.is_empty() {
            return Err("its table is partitioned by an expression".to_owned());
        }
        if !key.ordinary {
            return Err(format!(
                "its table compares {} by another operator class or collation than the column, or its type is a domain or a row",
                key.column
            ));
        }
        Ok(key)
    }

    fn not_null(&self) -> Result<Vec<String>, String> {
        (0..self.facts.keys.len()).map(|number| Ok(format!("{} IS NOT NULL", Identifier(&self.key(number)?.column)))).collect()
    }

    fn list(&self, values: &[Option<Value>]) -> Said {
        let key = self.key(0)?;
        let column = Identifier(&key.column);
        let mut constants: Vec<String> = Vec::new();
        for value in values.iter().flatten() {
            let constant = constant(key, value)?;
            if !constants.contains(&constant) {
                constants.push(constant);
            }
        }
        let accepts_null = values.contains(&None);
        let one_of = match &*constants {
            [] => return Ok(format!("{column} IS NULL")),
            [only] => format!("{column} = {only}"),
            _ if key.type_text.ends_with("[]") => or(constants.iter().map(|constant| format!("{column} = {constant}")).collect()),
            all => format!("{column} = ANY (ARRAY[{}])", all.join(", ")),
        };
        Ok(if accepts_null { format!("({column} IS NULL OR {one_of})") } else { format!("({column} IS NOT NULL AND {one_of})") })
    }

    fn hash(&self, modulus: i32, remainder: i32) -> Said {
        let keys = (0..self.facts.keys.len()).map(|number| self.key(number)).collect::<Result<Vec<_>, _>>()?;
        if let Some(key) = keys.iter().find(|key| key.collated) {
            return Err(format!("PostgreSQL recognises no CHECK of a hash of {}, whose type has a collation", key.column));
        }
        let columns: Vec<String> = keys.iter().map(|key| Identifier(&key.column).to_string()).collect();
        let parent = self.facts.parent;
        Ok(format!("pg_catalog.satisfies_hash_partition({parent}::pg_catalog.oid, {modulus}, {remainder}, {})", columns.join(", ")))
    }

    /// `get_qual_for_range`, without NOT NULL.
    fn range(&self, from: &[Edge], to: &[Edge]) -> Result<Vec<String>, String> {
        let columns = self.facts.keys.len();
        if from.len() != columns || to.len() != columns {
            return Err("it has another number of columns than its bounds".to_owned());
        }
        let mut said = Vec::new();
        // The columns in which both ends are the same.
        let mut first = 0;
        while let (Some(Edge::At(lower)), Some(Edge::At(upper))) = (from.get(first), to.get(first)) {
            let key = self.key(first)?;
            let (lower, upper) = (constant(key, lower)?, constant(key, upper)?);
            if lower != upper {
                break;
            }
            said.push(format!("{} = {lower}", Identifier(&key.column)));
            first += 1;
        }
        said.extend(self.end(first, from, &LOWER)?);
        said.extend(self.end(first, to, &UPPER)?);
        Ok(said)
    }

    /// One end: `a > 1 OR a = 1 AND b >= 2`.
    fn end(&self, first: usize, edges: &[Edge], end: &End) -> Result<Option<String>, String> {
        let mut arms = Vec::new();
        for last in first..edges.len() {
            let Some(Edge::At(value)) = edges.get(last) else { break };
            let key = self.key(last)?;
            let closed = match edges.get(last + 1) {
                None => end.at_last,
                Some(next) => *next == end.all_of_it,
            };
            let equal = (first..last).map(|number| self.equal(number, edges)).collect::<Result<Vec<_>, _>>()?;
            let compared = format!("{} {}{} {}", Identifier(&key.column), end.operator, if closed { "=" } else { "" }, constant(key, value)?);
            arms.push(and([equal, vec![compared]].concat()));
        }
        Ok((!arms.is_empty()).then(|| or(arms)))
    }

    fn equal(&self, number: usize, edges: &[Edge]) -> Said {
        let key = self.key(number)?;
        match edges.get(number) {
            Some(Edge::At(value)) => Ok(format!("{} = {}", Identifier(&key.column), constant(key, value)?)),
            _ => Err("its bounds are not understood".to_owned()),
        }
    }
}

/// How one end of a range is compared.
struct End {
    operator: &'static str,
    /// The value of the last column belongs to it.
    at_last: bool,
    /// What in the next column takes everything of a value in.
    all_of_it: Edge,
}

const LOWER: End = End { operator: ">", at_last: true, all_of_it: Edge::Minimum };
const UPPER: End = End { operator: "<", at_last: false, all_of_it: Edge::Maximum };

fn and(parts: Vec<String>) -> String {
    join(parts, " AND ")
}

fn or(parts: Vec<String>) -> String {
    join(parts, " OR ")
}

fn join(mut parts: Vec<String>, word: &str) -> String {
    match parts.len() {
        0 => "true".to_owned(),
        1 => parts.remove(0),
        _ => format!("({})", parts.join(word)),
    }
}

/// As a constant of the column's own type: the server reads it when it reads the CHECK.
fn constant(key: &KeyColumn, value: &Value) -> Said {
    let is_number = ["numeric", "real", "double precision"].iter().any(|number| key.type_text.starts_with(number));
    let fits = match &value.form {
        Form::Plain => true,
        Form::Fraction => is_number,
        Form::Of(name) => is_the_same(name, &key.type_text),
    };
    if !fits {
        return Err(format!("its bounds are not written as constants of {}", key.type_text));
    }
    Ok(format!("{}::{}", Literal(&value.text), key.type_text))
}

/// A type as the grammar names it, and as the catalog does.
fn is_the_same(name: &TypeName, type_text: &str) -> bool {
    let plain = |text: &str| match text {
        "timestamp" => "timestamp without time zone".to_owned(),
        "timestamptz" => "timestamp with time zone".to_owned(),
        "varchar" => "character varying".to_owned(),
        other => other.to_owned(),
    };
    name.modifiers.is_empty() && plain(&name.to_string()) == type_text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(column: &str, type_text: &str) -> KeyColumn {
        KeyColumn { column: column.into(), type_text: type_text.into(), ordinary: true, collated: type_text == "text" }
    }

    fn facts(strategy: char, keys: Vec<KeyColumn>) -> JoiningFacts {
        JoiningFacts { parent: 99, strategy, keys, ..JoiningFacts::default() }
    }

    fn inside(facts: &JoiningFacts, bound: &str) -> String {
        match Bounds::of(facts).inside(&parse::bound(bound).unwrap()) {
            Ok(said) => said.unwrap_or_default(),
            Err(why) => why,
        }
    }

    #[test]
    fn a_range_says_what_the_server_says_of_it() {
        let pair = facts('r', vec![key("a", "integer"), key("B", "date")]);
        for (bound, said) in [
            (
                "FOR VALUES FROM (1, '2024-01-01') TO (3, '2024-02-01')",
                "(a IS NOT NULL AND \"B\" IS NOT NULL AND (a > '1'::integer OR (a = '1'::integer AND \"B\" >= '2024-01-01'::date)) \
                 AND (a < '3'::integer OR (a = '3'::integer AND \"B\" < '2024-02-01'::date)))",
            ),
            (
                "FOR VALUES FROM (1, '2024-01-01') TO (1, DATE '2024-02-01')",
                "(a IS NOT NULL AND \"B\" IS NOT NULL AND a = '1'::integer AND \"B\" >= '2024-01-01'::date AND \"B\" < '2024-02-01'::date)",
            ),
            ("FOR VALUES FROM (1, MINVALUE) TO (3, MAXVALUE)", "(a IS NOT NULL AND \"B\" IS NOT NULL AND a >= '1'::integer AND a <= '3'::integer)"),
            ("FOR VALUES FROM (1, MAXVALUE) TO (3, MINVALUE)", "(a IS NOT NULL AND \"B\" IS NOT NULL AND a > '1'::integer AND a < '3'::integer)"),
            ("FOR VALUES FROM (MINVALUE, MINVALUE) TO (MAXVALUE, MAXVALUE)", "(a IS NOT NULL AND \"B\" IS NOT NULL)"),
            ("FOR VALUES FROM (1) TO (2)", "it has another number of columns than its bounds"),
            ("FOR VALUES FROM (now(), 1) TO (2, 3)", "its bounds are no plain constants"),
            ("FOR VALUES FROM (1.5, '2024-01-01') TO (2, '2024-01-01')", "its bounds are not written as constants of integer"),
        ] {
            assert_eq!(inside(&pair, bound), said, "{bound}");
        }
    }

    #[test]
    fn a_list_may_have_null() {
        let one = facts('l', vec![key("a", "text")]);
        for (bound, said) in [
            ("FOR VALUES IN ('x')", "(a IS NOT NULL AND a = 'x'::text)"),
            ("FOR VALUES IN ('it''s', 'y', 'y')", "(a IS NOT NULL AND a = ANY (ARRAY['it''s'::text, 'y'::text]))"),
            ("FOR VALUES IN (NULL)", "a IS NULL"),
            ("FOR VALUES IN ('x', NULL)", "(a IS NULL OR a = 'x'::text)"),
            ("DEFAULT", ""),
        ] {
            assert_eq!(inside(&one, bound), said, "{bound}");
        }
        let lists = ["FOR VALUES IN ('x', NULL)".to_owned(), "FOR VALUES IN ('y')".to_owned()];
        let others = JoiningFacts { bounds: lists.into(), above: Some("b > 1".into()), ..one };
        assert_eq!(inside(&others, "DEFAULT"), "NOT ((a IS NULL OR a = ANY (ARRAY['x'::text, 'y'::text]))) AND (b > 1)");
        let arrays = facts('l', vec![key("a", "integer[]")]);
        assert_eq!(inside(&arrays, "FOR VALUES IN ('{1}', '{2}')"), "(a IS NOT NULL AND (a = '{1}'::integer[] OR a = '{2}'::integer[]))");
    }

    #[test]
    fn what_the_default_partition_may_not_have() {
        let one = JoiningFacts { bounds: vec!["FOR VALUES FROM (1) TO (5)".into()], ..facts('r', vec![key("a", "bigint")]) };
        assert_eq!(inside(&one, "DEFAULT"), "NOT ((a IS NOT NULL AND (a >= '1'::bigint AND a < '5'::bigint)))");
        let bound = parse::bound("FOR VALUES FROM (5) TO (MAXVALUE)").unwrap();
        assert_eq!(Bounds::of(&one).outside(&bound).unwrap(), "NOT ((a IS NOT NULL AND a >= '5'::bigint))");
    }

    #[test]
    fn what_the_server_would_not_recognise_is_not_said() {
        let whole = facts('h', vec![key("a", "integer"), key("b", "bigint")]);
        let bound = "FOR VALUES WITH (MODULUS 4, REMAINDER 1)";
        assert_eq!(inside(&whole, bound), "pg_catalog.satisfies_hash_partition(99::pg_catalog.oid, 4, 1, a, b)");
        assert!(inside(&facts('h', vec![key("a", "text")]), bound).contains("a hash of a"));
        assert!(inside(&facts('r', vec![key("", "")]), "FOR VALUES FROM (1) TO (2)").contains("an expression"));
        let other = KeyColumn { ordinary: false, ..key("a", "text") };
        assert!(inside(&facts('l', vec![other]), "FOR VALUES IN ('x')").contains("another operator class"));
        assert!(inside(&whole, "FOR VALUES IN (1)").contains("of another kind"));
    }
}
