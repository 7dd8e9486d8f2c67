//! What the records of some time come to: by team, tool and rule, and which policy to start with. Pure: rows in, groups out, and no more of them than
//! there are roles, tools and rules.

use std::collections::{BTreeMap, BTreeSet};

/// A decision as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Unix time in microseconds.
    pub at_unix_micros: i64,
    /// The role that logged in: the team, where each has its own.
    pub role: String,
    /// application_name of the start-up packet.
    pub application_name: Option<String>,
    /// The SQL, secrets redacted.
    pub sql: String,
    /// As [`super::record::Record::decision`].
    pub decision: String,
    /// What the rules found.
    pub findings: Vec<Found>,
}

/// A finding as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Found {
    /// Rule id.
    pub rule: String,
    /// The relation.
    pub relation: Option<String>,
    /// As [`super::record::RecordedFinding::verdict`].
    pub verdict: String,
}

/// What enforce does with a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It passes.
    Pass,
    /// Its safe form runs in its place.
    Rewrite,
    /// A part of it runs after COMMIT.
    Defer,
    /// It is refused.
    Refuse,
}

impl Fate {
    /// In warn mode, what enforce would have done.
    fn of(decision: &str) -> Self {
        match decision.strip_prefix("would-").unwrap_or(decision) {
            "refuse" => Self::Refuse,
            "defer" => Self::Defer,
            "rewrite" => Self::Rewrite,
            _ => Self::Pass,
        }
    }
}

/// How many statements had which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// They pass.
    pub pass: u64,
    /// They are rewritten.
    pub rewrite: u64,
    /// A part of them waits for COMMIT.
    pub defer: u64,
    /// They are refused.
    pub refuse: u64,
}

impl Counts {
    fn add(&mut self, fate: Fate) {
        *match fate {
            Fate::Pass => &mut self.pass,
            Fate::Rewrite => &mut self.rewrite,
            Fate::Defer => &mut self.defer,
            Fate::Refuse => &mut self.refuse,
        } += 1;
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.pass + self.rewrite + self.defer + self.refuse
    }
}

/// Names, of which the first are kept and the others counted as one more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    names: BTreeSet<String>,
    /// There were more than are kept.
    pub more: bool,
}

/// So many names of tables are kept.
const MOST_TABLES: usize = 1_000;
/// So much is kept of an example.
const LONGEST_EXAMPLE: usize = 400;
/// So many roles are kept apart: more are no teams.
const MOST_ROLES: usize = 1_000;
/// Those beyond.
const OTHER_ROLES: &str = "(others)";

impl Tables {
    fn add(&mut self, name: &str) {
        if self.names.len() < MOST_TABLES {
            self.names.insert(name.to_owned());
        } else {
            self.more |= !self.names.contains(name);
        }
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// How many, of those that are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// The one, where there is one alone.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        self.names.first().map(String::as_str).filter(|_| self.names.len() == 1 && !self.more)
    }
}

/// Whose, with which tool, and by which rule; no rule where nothing was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Key {
    /// The role that logged in.
    pub team: String,
    /// The family of tools.
    pub tool: &'static str,
    /// The rule.
    pub rule: Option<String>,
}

/// The statements of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// What becomes of them.
    pub counts: Counts,
    /// The tables that the rule is about in them.
    pub tables: Tables,
    /// The first of them that was refused, else the first.
    pub example: String,
    /// When the first came, in microseconds since 1970.
    pub first: i64,
    /// When the last came.
    pub last: i64,
    example_fate: Option<Fate>,
}

impl Group {
    fn add(&mut self, decided: &Decided, fate: Fate) {
        self.first = if self.counts.all() == 0 { decided.at_unix_micros } else { self.first.min(decided.at_unix_micros) };
        self.last = self.last.max(decided.at_unix_micros);
        self.counts.add(fate);
        if self.example_fate.is_none_or(|shown| shown < fate) {
            self.example_fate = Some(fate);
            self.example = decided.sql.chars().take(LONGEST_EXAMPLE).collect();
        }
    }
}

/// Of one rule, whoever hit it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfRule {
    /// What becomes of the statements.
    pub counts: Counts,
    /// The tables of those that are refused.
    pub refused: Tables,
    /// The roles of those that are refused.
    pub roles: BTreeSet<String>,
}

/// Everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// All statements.
    pub counts: Counts,
    /// By team, tool and rule.
    pub groups: BTreeMap<Key, Group>,
    /// By rule alone.
    pub rules: BTreeMap<String, OfRule>,
    roles: BTreeSet<String>,
}

impl Summary {
    /// One more decision, in whatever order.
    pub fn add(&mut self, decided: &Decided) {
        let fate = Fate::of(&decided.decision);
        self.counts.add(fate);
        let team = self.team(&decided.role);
        let tool = family(decided.application_name.as_deref());
        let rules: BTreeSet<&str> = decided.findings.iter().map(|found| found.rule.as_str()).collect();
        if rules.is_empty() {
            self.groups.entry(Key { team: team.clone(), tool, rule: None }).or_default().add(decided, fate);
        }
        for rule in rules {
            let findings: Vec<&Found> = decided.findings.iter().filter(|found| found.rule == rule).collect();
            // What policy lets pass of a statement is not why the rest of it is refused.
            let fate = if findings.iter().any(|found| acts(found)) { fate } else { Fate::Pass };
            let group = self.groups.entry(Key { team: team.clone(), tool, rule: Some(rule.to_owned()) }).or_default();
            group.add(decided, fate);
            let of_rule = self.rules.entry(rule.to_owned()).or_default();
            of_rule.counts.add(fate);
            for table in findings.iter().filter_map(|found| found.relation.as_deref()) {
                group.tables.add(table);
                if fate == Fate::Refuse {
                    of_rule.refused.add(table);
                }
            }
            if fate == Fate::Refuse {
                of_rule.roles.insert(team.clone());
            }
        }
    }

    fn team(&mut self, role: &str) -> String {
        if self.roles.len() >= MOST_ROLES && !self.roles.contains(role) {
            return OTHER_ROLES.to_owned();
        }
        self.roles.insert(role.to_owned());
        role.to_owned()
    }
}

fn acts(found: &Found) -> bool {
    is_acted_upon(&found.verdict)
}

/// Whether a finding with this verdict is a reason for what becomes of its statement.
#[must_use]
pub fn is_acted_upon(verdict: &str) -> bool {
    matches!(verdict, "enforced" | "warned")
}

/// What stands in an application_name, in lower case, and whose that is. The first that fits counts.
const FAMILIES: &[(&str, &str)] = &[
    ("flyway", "Flyway"),
    ("liquibase", "Liquibase"),
    ("alembic", "Alembic"),
    ("golang-migrate", "golang-migrate"),
    ("node-pg-migrate", "node-pg-migrate"),
    ("goose", "goose"),
    ("dbmate", "dbmate"),
    ("sqitch", "sqitch"),
    ("prisma", "Prisma"),
    ("atlas", "Atlas"),
    ("drizzle", "drizzle"),
    ("knex", "knex"),
    ("typeorm", "TypeORM"),
    ("sequelize", "Sequelize"),
    ("django", "Django"),
    ("rails", "Rails"),
    ("rake", "Rails"),
    ("ecto", "Ecto"),
    ("diesel", "Diesel"),
    ("sqlx", "sqlx"),
    ("hasura", "Hasura"),
    ("tern", "tern"),
    ("yoyo", "yoyo"),
    ("psql", "psql"),
    ("pg_restore", "pg_dump and pg_restore"),
    ("pg_dump", "pg_dump and pg_restore"),
    ("pgadmin", "pgAdmin"),
    ("dbeaver", "DBeaver"),
    ("datagrip", "DataGrip"),
    ("intellij", "DataGrip"),
    ("postgresql jdbc driver", "a JDBC tool"),
];

/// The tool, as far as its application_name tells.
#[must_use]
pub fn family(application_name: Option<&str>) -> &'static str {
    let name = application_name.unwrap_or_default().to_lowercase();
    FAMILIES.iter().find(|(word, _)| name.contains(word)).map_or("unknown", |(_, family)| family)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(role: &str, decision: &str, findings: &[(&str, &str, &str)]) -> Decided {
        let found = |(rule, relation, verdict): &(&str, &str, &str)| Found {
            rule: (*rule).to_owned(),
            relation: (!relation.is_empty()).then(|| (*relation).to_owned()),
            verdict: (*verdict).to_owned(),
        };
        Decided {
            at_unix_micros: 7,
            role: role.into(),
            application_name: Some("Flyway Community".into()),
            sql: format!("{decision} of {role}"),
            decision: decision.into(),
            findings: findings.iter().map(found).collect(),
        }
    }

    fn summary(all: &[Decided]) -> Summary {
        let mut summary = Summary::default();
        all.iter().for_each(|decided| summary.add(decided));
        summary
    }

    fn key(rule: Option<&str>) -> Key {
        Key { team: "a".into(), tool: "Flyway", rule: rule.map(str::to_owned) }
    }

    #[test]
    fn statements_are_grouped_by_team_tool_and_rule() {
        let summary = summary(&[
            decided("a", "pass", &[]),
            Decided { at_unix_micros: 3, ..decided("a", "would-rewrite", &[("create-index-blocking", "public.t", "warned")]) },
            decided("a", "would-refuse", &[("drop-table", "public.t", "warned"), ("drop-table", "public.u", "warned")]),
            Decided { at_unix_micros: 9, ..decided("a", "would-refuse", &[("drop-table", "public.t", "warned")]) },
            decided("b", "would-defer", &[("drop-table", "", "enforced")]),
        ]);
        assert_eq!(summary.counts, Counts { pass: 1, rewrite: 1, defer: 1, refuse: 2 });
        assert_eq!(summary.groups.len(), 4);
        let drops = &summary.groups[&key(Some("drop-table"))];
        assert_eq!((drops.counts.refuse, drops.counts.all(), drops.first, drops.last), (2, 2, 7, 9));
        assert_eq!((drops.tables.iter().collect::<Vec<_>>(), drops.example.as_str()), (vec!["public.t", "public.u"], "would-refuse of a"));
        assert_eq!(summary.groups[&key(None)].counts, Counts { pass: 1, ..Counts::default() });
        assert_eq!(summary.rules["drop-table"].counts, Counts { defer: 1, refuse: 2, ..Counts::default() });
        assert_eq!(summary.rules["drop-table"].roles.len(), 1);
    }

    #[test]
    fn what_policy_lets_pass_is_not_why_the_rest_is_refused() {
        let findings =
            [("drop-column", "public.t", "exempted: agreed"), ("rename-table", "public.t", "warned"), ("truncate", "public.t", "allowed: x")];
        let summary = summary(&[decided("a", "would-refuse", &findings)]);
        let count = |rule: &str| summary.rules[rule].counts;
        assert_eq!((count("drop-column").pass, count("rename-table").refuse, count("truncate").pass), (1, 1, 1));
        assert_eq!(summary.rules["drop-column"].refused.only(), None);
    }

    #[test]
    fn memory_is_bounded_by_names_that_are_kept() {
        let mut summary = Summary::default();
        for number in 0..MOST_TABLES + 10 {
            let table = format!("public.t{number}");
            summary.add(&decided(&format!("role{number}"), "would-refuse", &[("drop-table", &table, "warned")]));
        }
        let of_rule = &summary.rules["drop-table"];
        assert_eq!((of_rule.refused.count(), of_rule.refused.more, of_rule.roles.len()), (MOST_TABLES, true, MOST_ROLES + 1));
        assert_eq!(summary.groups.len(), MOST_ROLES + 1);
    }

    #[test]
    fn tools_are_told_by_their_names() {
        for (name, expected) in [
            (Some("Flyway Community Edition"), "Flyway"),
            (Some("psql"), "psql"),
            (Some("PostgreSQL JDBC Driver"), "a JDBC tool"),
            (Some("shop-7f9c"), "unknown"),
            (None, "unknown"),
        ] {
            assert_eq!(family(name), expected);
        }
    }
}
