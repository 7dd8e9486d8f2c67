//! A partition that leaves its table without a lock that stops readers of the others (14 and later).
//!
//! PostgreSQL does it in two transactions. After the first the partition is *leaving*: nobody finds it by its table any more, and it cannot stay; only
//! FINALIZE goes on from there. It gives the partition a CHECK of its bounds, which the plain form does not leave: that is dropped.

use serde::{Deserialize, Serialize};

use crate::sql::name::{Identifier, RelationName};

use super::operation::{Course, Try};
use super::seen::Seen;
use super::step::{Debris, Step};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detach {
    /// The partitioned table.
    pub table: RelationName,
    /// The same, as the server resolved it.
    pub of: RelationName,
    /// The partition, as the server resolved it.
    pub partition: RelationName,
    /// The names of the constraints that the partition had.
    pub checks: Vec<String>,
    /// The columns that its bounds are about.
    pub columns: Vec<String>,
}

impl Detach {
    fn sql(&self, how: &str) -> String {
        format!("ALTER TABLE {} DETACH PARTITION {} {how}", self.table, self.partition)
    }

    fn debris(&self) -> Debris {
        Debris::Leaving { table: self.table.clone(), partition: self.partition.clone() }
    }

    pub(super) fn step(&self) -> Step {
        Step::long(self.sql("CONCURRENTLY")).debris(self.debris())
    }

    /// What goes on, where it is leaving.
    pub(super) fn finalize(&self, seen: &Seen) -> Option<Step> {
        let leaving = seen.partition.as_ref().is_some_and(|partition| partition.attached && partition.pending);
        leaving.then(|| Step::long(self.sql("FINALIZE")).debris(self.debris()))
    }

    pub(super) fn course(&self, seen: &Seen, tried: Try) -> Course {
        match &seen.partition {
            _ if tried == Try::First => Course::Steps(vec![self.finalize(seen).unwrap_or_else(|| self.step())]),
            None => Course::Gone,
            Some(partition) if partition.attached => Course::Steps(vec![self.finalize(seen).unwrap_or_else(|| self.step())]),
            Some(_) => Course::Steps(Vec::new()),
        }
    }

    /// The CHECK of its bounds goes, when the partition has left.
    pub(super) fn without_bounds(&self, seen: &Seen) -> Course {
        let left = seen.partition.iter().filter(|partition| !partition.attached);
        let drop = |name: &String| Step::short(format!("ALTER TABLE {} DROP CONSTRAINT {}", self.partition, Identifier(name)));
        Course::Steps(left.flat_map(|partition| partition.checks.iter().map(drop)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::Operation;
    use super::super::seen::SeenPartition;
    use super::*;

    const AGAIN: Try = Try::Again { cleaned: false };

    fn detach() -> Detach {
        let name = |name: &str| RelationName::qualified("s", name);
        let (checks, columns) = (vec!["c".to_owned()], vec!["id".to_owned()]);
        Detach { table: RelationName::unqualified("m"), of: name("m"), partition: name("m_1"), checks, columns }
    }

    fn seen(attached: bool, pending: bool) -> Seen {
        let checks = vec!["m_1_id_check".to_owned()];
        Seen { table: Some(1), partition: Some(SeenPartition { attached, pending, checks }), ..Seen::default() }
    }

    fn sql(course: Course) -> Vec<String> {
        match course {
            Course::Steps(steps) => steps.into_iter().map(|step| step.sql).collect(),
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn it_is_gone_on_with_where_it_stopped() {
        let course = |seen: &Seen, tried| sql(Operation::Detach(detach()).course(seen, tried));
        let (begin, go_on) = ("ALTER TABLE m DETACH PARTITION s.m_1 CONCURRENTLY", "ALTER TABLE m DETACH PARTITION s.m_1 FINALIZE");
        assert_eq!(course(&seen(true, false), Try::First), [begin]);
        assert_eq!(course(&seen(true, false), AGAIN), [begin]);
        assert_eq!(course(&seen(true, true), AGAIN), [go_on]);
        assert_eq!(course(&seen(true, true), Try::First), [go_on], "somebody else's that was cut off");
        assert_eq!(course(&seen(false, false), AGAIN), [""; 0]);
        assert_eq!(course(&seen(false, false), Try::First), [begin], "the server says that it is none");
        assert_eq!(course(&Seen { table: Some(1), ..Seen::default() }, AGAIN), ["Gone"]);
        assert_eq!(sql(Operation::Detach(detach()).way_back(&seen(true, true))), [go_on]);
        assert_eq!(sql(Operation::Detach(detach()).way_back(&seen(true, false))), [""; 0]);
    }

    #[test]
    fn the_check_of_its_bounds_goes_when_it_has_left() {
        let bounds = Operation::DropBounds(detach());
        assert_eq!(sql(bounds.course(&seen(true, false), Try::First)), [""; 0]);
        assert_eq!(sql(bounds.course(&seen(false, false), AGAIN)), ["ALTER TABLE s.m_1 DROP CONSTRAINT m_1_id_check"]);
        assert_eq!(Operation::Detach(detach()).inquiry(), ["m", "", "", "", r#"["id"]"#, "[]", "s.m_1", r#"["c"]"#]);
    }
}
