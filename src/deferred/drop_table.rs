//! DROP TABLE without its locks on other tables: the foreign keys that join it with them go first, one by one, and then the table.
//!
//! Dropping a foreign key takes an AccessExclusive lock on both of its tables, as DROP TABLE does; but each by itself holds no more than two, and
//! none of them while it waits for the next.

use serde::{Deserialize, Serialize};

use crate::sql::name::{Identifier, RelationName};

use super::operation::{Course, Try};
use super::seen::Seen;
use super::step::Step;

/// A foreign key that goes before one of its tables does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropForeignKey {
    /// The table that has it.
    pub table: RelationName,
    /// Its oid: what has the name later may be another.
    pub oid: u32,
    /// The foreign key's name.
    pub constraint: String,
    /// The table that it references.
    pub joined: RelationName,
    /// Its oid.
    pub joined_oid: u32,
    /// `FOREIGN KEY … REFERENCES …`, which means the same under every search path.
    pub definition: String,
    /// It was validated.
    pub validated: bool,
}

/// The tables of a DROP TABLE, whose foreign keys are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropTable {
    /// Those that were there.
    pub tables: Vec<Doomed>,
    /// IF EXISTS.
    pub if_exists: bool,
    /// CASCADE.
    pub cascade: bool,
    /// Names of other relations that go with them.
    pub takes: Vec<String>,
}

/// A table that is to be dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doomed {
    /// Its name.
    pub name: RelationName,
    /// Its oid: what has the name later may be another.
    pub oid: u32,
}

impl DropForeignKey {
    /// The step that drops it, and what would take that back.
    #[must_use]
    pub fn step(&self) -> Step {
        let drop = Step::short(format!("ALTER TABLE {} DROP CONSTRAINT {}", self.table, Identifier(&self.constraint)));
        let step = drop.undo(self.add().sql);
        if self.validated { step.undo_then(self.validate().sql) } else { step }
    }

    /// The statement that adds it again: without a look at the rows, since that would stop the writers of both tables.
    #[must_use]
    pub fn add(&self) -> Step {
        let not_valid = if self.validated { " NOT VALID" } else { "" };
        Step::short(format!("ALTER TABLE {} ADD CONSTRAINT {} {}{not_valid}", self.table, Identifier(&self.constraint), self.definition))
    }

    fn validate(&self) -> Step {
        Step::long(format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", self.table, Identifier(&self.constraint)))
    }

    /// The parameter of the question that names the other table.
    pub(super) fn others(&self) -> Vec<String> {
        vec![self.joined.to_string()]
    }

    /// What is to be done, from what there is. Without its table there is no key.
    pub(super) fn course(&self, seen: &Seen, tried: Try) -> Course {
        match &seen.constraint {
            Some(_) if tried == Try::First || seen.table == Some(self.oid) => Course::Steps(vec![self.step()]),
            // Somebody else has dropped it: it is not ours to bring back.
            None if tried == Try::First => Course::Gone,
            _ => Course::Steps(Vec::new()),
        }
    }

    /// It is there as it was when the drop was decided.
    pub(super) fn is_there(&self, seen: &Seen) -> bool {
        seen.table == Some(self.oid) && seen.constraint.as_ref().is_some_and(|key| key.validated == self.validated)
    }

    /// The steps that bring it back to what it was. Where one of its tables is gone, it has gone with that.
    pub(super) fn way_back(&self, seen: &Seen) -> Course {
        if seen.table != Some(self.oid) || seen.others.first() != Some(&Some(self.joined_oid)) {
            return Course::Gone;
        }
        let validate = self.validated.then(|| self.validate());
        Course::Steps(match &seen.constraint {
            None => std::iter::once(self.add()).chain(validate).collect(),
            Some(key) if !key.validated => validate.into_iter().collect(),
            Some(_) => Vec::new(),
        })
    }
}

impl DropTable {
    /// The step that drops all of them.
    #[must_use]
    pub fn step(&self) -> Step {
        self.drop(self.tables.iter())
    }

    fn drop<'a>(&self, tables: impl Iterator<Item = &'a Doomed>) -> Step {
        let names: Vec<String> = tables.map(|table| table.name.to_string()).collect();
        let (if_exists, cascade) = (if self.if_exists { "IF EXISTS " } else { "" }, if self.cascade { " CASCADE" } else { "" });
        Step::short(format!("DROP TABLE {if_exists}{}{cascade}", names.join(", ")))
    }

    /// One of the tables has this name.
    #[must_use]
    pub fn names(&self, table: &RelationName) -> bool {
        self.tables.iter().any(|doomed| doomed.name == *table)
    }

    /// Their names.
    #[must_use]
    pub fn others(&self) -> Vec<String> {
        self.tables.iter().map(|table| table.name.to_string()).collect()
    }

    /// What is to be done, from what there is. Another table of the same name is somebody else's.
    pub(super) fn course(&self, seen: &Seen, tried: Try) -> Vec<Step> {
        if tried == Try::First {
            return vec![self.step()];
        }
        let there = |(table, found): &(&Doomed, &Option<u32>)| **found == Some(table.oid);
        let left: Vec<&Doomed> = self.tables.iter().zip(&seen.others).filter(there).map(|(table, _)| table).collect();
        if left.is_empty() { Vec::new() } else { vec![self.drop(left.into_iter())] }
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::Operation;
    use super::super::seen::SeenConstraint;
    use super::*;

    const AGAIN: Try = Try::Again { cleaned: false };

    fn key(validated: bool) -> DropForeignKey {
        DropForeignKey {
            table: RelationName::qualified("public", "c"),
            oid: 1,
            constraint: "To p".into(),
            joined: RelationName::qualified("public", "p"),
            joined_oid: 2,
            definition: format!("FOREIGN KEY (a) REFERENCES public.p(id) ON DELETE CASCADE{}", if validated { "" } else { " NOT VALID" }),
            validated,
        }
    }

    fn tables() -> DropTable {
        let doomed = |name: &str, oid| Doomed { name: RelationName::qualified("public", name), oid };
        DropTable { tables: vec![doomed("c", 1), doomed("d", 3)], if_exists: true, cascade: true, takes: Vec::new() }
    }

    fn seen(table: Option<u32>, key: Option<bool>, others: &[Option<u32>]) -> Seen {
        Seen { table, constraint: key.map(|validated| SeenConstraint { validated }), others: others.to_vec(), ..Seen::default() }
    }

    fn told(course: Course) -> String {
        match course {
            Course::Steps(steps) => steps.iter().map(|step| step.sql.as_str()).collect::<Vec<_>>().join("; "),
            Course::Wait => "wait".into(),
            Course::Gone => "gone".into(),
        }
    }

    const DROP: &str = "ALTER TABLE public.c DROP CONSTRAINT \"To p\"";
    const ADD: &str = "ALTER TABLE public.c ADD CONSTRAINT \"To p\" FOREIGN KEY (a) REFERENCES public.p(id) ON DELETE CASCADE NOT VALID";
    const VALIDATE: &str = "ALTER TABLE public.c VALIDATE CONSTRAINT \"To p\"";

    #[test]
    fn a_key_is_dropped_once_and_only_of_its_own_table() {
        let p = [Some(2)];
        let operation = Operation::DropForeignKey(key(true));
        for (seen, first, again) in [
            (seen(Some(1), Some(true), &p), DROP, DROP),
            (seen(Some(1), None, &p), "gone", ""),
            (seen(None, None, &p), "gone", ""),
            (seen(Some(9), Some(true), &p), DROP, ""),
        ] {
            assert_eq!((told(operation.course(&seen, Try::First)), told(operation.course(&seen, AGAIN))), (first.into(), again.into()), "{seen:?}");
            assert_eq!(operation.is_complete(&seen), again.is_empty(), "{seen:?}");
        }
        assert!(operation.is_fresh(&seen(Some(1), Some(true), &p)));
        for other in [seen(Some(1), Some(false), &p), seen(Some(1), None, &p), seen(Some(9), Some(true), &p)] {
            assert!(!operation.is_fresh(&other), "{other:?}");
        }
    }

    #[test]
    fn a_key_comes_back_as_it_was() {
        let step = key(true).step();
        assert_eq!((&*step.sql, step.undo.as_deref(), step.undo_then.as_deref()), (DROP, Some(ADD), Some(VALIDATE)));
        let step = key(false).step();
        assert_eq!((step.undo.as_deref(), step.undo_then.as_deref()), (Some(ADD), None));
        let back = |validated, seen: &Seen| told(Operation::DropForeignKey(key(validated)).way_back(seen));
        let both = format!("{ADD}; {VALIDATE}");
        for (seen, valid, not_valid) in [
            (seen(Some(1), None, &[Some(2)]), &*both, ADD),
            (seen(Some(1), Some(false), &[Some(2)]), VALIDATE, ""),
            (seen(Some(1), Some(true), &[Some(2)]), "", ""),
            (seen(None, None, &[Some(2)]), "gone", "gone"),
            (seen(Some(9), None, &[Some(2)]), "gone", "gone"),
            (seen(Some(1), None, &[None]), "gone", "gone"),
            (seen(Some(1), None, &[Some(9)]), "gone", "gone"),
        ] {
            assert_eq!((&*back(true, &seen), &*back(false, &seen)), (valid, not_valid), "{seen:?}");
        }
    }

    #[test]
    fn what_has_the_name_of_a_dropped_table_later_stays() {
        let operation = Operation::DropTable(tables());
        let all = "DROP TABLE IF EXISTS public.c, public.d CASCADE";
        for (others, again) in [
            ([Some(1), Some(3)], all),
            ([None, Some(3)], "DROP TABLE IF EXISTS public.d CASCADE"),
            ([Some(8), Some(3)], "DROP TABLE IF EXISTS public.d CASCADE"),
            ([None, None], ""),
            ([Some(8), None], ""),
        ] {
            let seen = seen(others[0], None, &others);
            assert_eq!((&*told(operation.course(&seen, Try::First)), &*told(operation.course(&seen, AGAIN))), (all, again), "{others:?}");
            assert_eq!(operation.is_complete(&seen), again.is_empty(), "{others:?}");
        }
        assert_eq!(operation.inquiry().get(5).map(String::as_str), Some(r#"["public.c","public.d"]"#));
        assert!(operation.drops(&RelationName::qualified("public", "d")) && !operation.drops(&RelationName::qualified("app", "d")));
    }

    #[test]
    fn both_survive_the_store() {
        for (operation, kind) in [(Operation::DropForeignKey(key(true)), "drop-foreign-key"), (Operation::DropTable(tables()), "drop-table")] {
            let text = serde_json::to_string(&operation).unwrap();
            assert!(text.starts_with(&format!(r#"{{"kind":"{kind}""#)), "{text}");
            assert_eq!(serde_json::from_str::<Operation>(&text).unwrap(), operation);
        }
    }
}
