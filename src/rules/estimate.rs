//! What the time of a finding goes into: the job behind the statement, for `catalog::estimate`.

use crate::catalog::estimate::{Estimate, Extent, Form, Job, Key, estimate};
use crate::catalog::facts::{IndexFacts, RelationFacts};
use crate::catalog::locks::Work;
use crate::deferred::operation::Operation;
use crate::sql::statement::{AddColumn, AlterAction, Constraint, ConstraintKind, CreateIndex, ReindexTarget, Statement, Storage};

use super::case::Case;
use super::rule::{Finding, Remedy};

/// How long the work of a finding takes. None where it has none, or where what it goes into is not known: a query, a function, an access method that
/// nobody has measured.
#[must_use]
pub fn of(case: &Case<'_>, finding: &Finding) -> Option<Estimate> {
    if finding.work == Work::None {
        return None;
    }
    let subject = Subject::of(case, finding)?;
    let job = subject.job(case, finding)?;
    Some(estimate(&job, subject.extent, safe_form(finding), case.facts.speed))
}

/// The relation that is worked on.
struct Subject<'a> {
    facts: &'a RelationFacts,
    extent: Extent,
}

impl<'a> Subject<'a> {
    fn of(case: &Case<'a>, finding: &Finding) -> Option<Self> {
        let facts = match (case.command, &case.parsed.statement) {
            (Some((alter, _)), _) => case.target(&alter.relation).facts?,
            (None, Statement::CreateIndex(create)) => case.target(&create.table).facts?,
            (None, Statement::Reindex(reindex)) => match &reindex.target {
                ReindexTarget::Index(name) | ReindexTarget::Table(name) => case.target(name).facts?,
                ReindexTarget::Schema(_) | ReindexTarget::Database | ReindexTarget::System => return None,
            },
            (None, Statement::Unjudged { what: "VACUUM FULL" | "CLUSTER", relations }) => {
                relations.iter().filter_map(|name| case.target(name).facts).find(|facts| Some(facts.qualified()) == finding.relation)?
            }
            _ => return None,
        };
        Some(Self { facts, extent: Extent::of(facts)? })
    }

    fn job(&self, case: &Case<'_>, finding: &Finding) -> Option<Job> {
        let Some((_, command)) = case.command else { return self.job_of_statement(&case.parsed.statement) };
        match &command.action {
            AlterAction::SetNotNull(_) => Some(Job::Scan),
            AlterAction::AddConstraint(constraint) => self.job_of_constraint(constraint),
            AlterAction::ValidateConstraint(name) => self.job_of_validation(name),
            AlterAction::AddColumn(column) => self.job_of_column(case, column, finding),
            AlterAction::AlterType(_) if finding.work == Work::Scan => Some(Job::Scan),
            AlterAction::AlterType(_) if !finding.rebuilds.is_empty() => {
                let rebuilt = |index: &&IndexFacts| finding.rebuilds.contains(&index.name);
                Some(Job::Build(self.keys(self.facts.indexes.iter().filter(rebuilt))?)).filter(|job| *job != Job::Build(Vec::new()))
            }
            // Files are copied, whatever is in them.
            AlterAction::Store(Storage::Tablespace(_)) => None,
            AlterAction::AlterType(_) | AlterAction::SetExpression(_) | AlterAction::Store(_) => self.rewrite(),
            _ => None,
        }
    }

    fn job_of_statement(&self, statement: &Statement) -> Option<Job> {
        match statement {
            Statement::CreateIndex(create) => Some(Job::Build(self.key_of(create)?.into_iter().collect())),
            // The columns of an index are those of its key.
            Statement::Reindex(_) if self.facts.index.is_some() => {
                let columns = self.facts.columns.iter().map(|column| &column.name);
                is_sorted(self.facts.access_method.as_deref().unwrap_or_default())
                    .then(|| Some(Job::Build(vec![Key::of(self.facts, self.extent, columns)?])))?
            }
            Statement::Reindex(_) => Some(Job::Build(self.keys(&self.facts.indexes)?)),
            Statement::Unjudged { .. } => self.rewrite(),
            _ => None,
        }
    }

    fn job_of_constraint(&self, constraint: &Constraint) -> Option<Job> {
        match &constraint.kind {
            ConstraintKind::Check { .. } | ConstraintKind::NotNull { .. } | ConstraintKind::UsingIndex { .. } => Some(Job::Scan),
            ConstraintKind::ForeignKey { .. } => Some(Job::ForeignKey),
            ConstraintKind::Unique(key) => {
                let columns = key.columns.iter().chain(&key.including);
                Some(Job::Build(vec![Key::of(self.facts, self.extent, columns).unwrap_or(Key::UNKNOWN)]))
            }
            ConstraintKind::Exclude => None,
        }
    }

    fn job_of_validation(&self, name: &str) -> Option<Job> {
        let constraint = self.facts.constraints.iter().find(|constraint| constraint.name == name)?;
        Some(if constraint.kind == 'f' { Job::ForeignKey } else { Job::Scan })
    }

    fn job_of_column(&self, case: &Case<'_>, column: &AddColumn, finding: &Finding) -> Option<Job> {
        let has = |kind: fn(&ConstraintKind) -> bool| column.constraints.iter().any(|inline| kind(&inline.constraint.kind));
        if finding.work == Work::Rewrite {
            return self.rewrite();
        }
        match finding.rule.0 {
            "add-column-references" if has(|kind| matches!(kind, ConstraintKind::ForeignKey { .. })) => Some(Job::ForeignKey),
            "add-column-unique" => {
                Some(Job::Build(vec![case.type_facts(&column.type_name).map_or(Key::UNKNOWN, |facts| Key::of_type(facts.base_oid))]))
            }
            _ => Some(Job::Scan),
        }
    }

    fn rewrite(&self) -> Option<Job> {
        Some(Job::Rewrite(self.keys(&self.facts.indexes)?))
    }

    /// The key of a new index; none of it where it has none that is sorted (BRIN).
    fn key_of(&self, create: &CreateIndex) -> Option<Option<Key>> {
        if create.method == BRIN {
            return Some(None);
        }
        let key = |columns: &Vec<String>| Key::of(self.facts, self.extent, columns);
        is_sorted(&create.method).then(|| Some(create.key_columns.as_ref().and_then(key).unwrap_or(Key::UNKNOWN)))
    }

    fn keys<'b>(&self, indexes: impl IntoIterator<Item = &'b IndexFacts>) -> Option<Vec<Key>> {
        let key = |index: &IndexFacts| {
            let known = index.plain.then(|| Key::of(self.facts, self.extent, &index.columns)).flatten();
            is_sorted(&index.method).then(|| known.unwrap_or(Key::UNKNOWN))
        };
        indexes.into_iter().filter(|index| index.method != BRIN).map(key).collect()
    }
}

const BRIN: &str = "brin";

/// It is built by a sort, whose time was measured.
fn is_sorted(method: &str) -> bool {
    ["", "btree", "hash"].contains(&method)
}

fn safe_form(finding: &Finding) -> Option<Form> {
    let Remedy::Rewrite(rewrite) = &finding.remedy else { return None };
    Some(if rewrite.then.iter().any(builds) { Form::Concurrently } else { Form::Same })
}

fn builds(operation: &Operation) -> bool {
    match operation {
        Operation::CreateIndex(_) | Operation::Reindex(_) => true,
        Operation::OnPartition(part) => builds(&part.operation),
        Operation::ForJoin(part) => builds(&part.operation),
        _ => false,
    }
}
