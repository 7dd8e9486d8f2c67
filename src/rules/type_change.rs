//! Which change of a column's type writes rows anew (measured on 13 to 18; what is not listed does).

use crate::catalog::facts::{ColumnFacts, TypeFacts};
use crate::sql::statement::TypeName;

/// What a change of type does besides the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing. Indexes with an expression or predicate are rebuilt all the same.
    Metadata,
    /// Indexes on the column are rebuilt.
    Indexes,
    /// The table is written anew.
    Rewrite,
}

const TEXT: u32 = 25;
const BPCHAR: u32 = 1042;
const VARCHAR: u32 = 1043;
const CIDR: u32 = 650;
const INET: u32 = 869;
const TIME: u32 = 1083;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;
const INTERVAL: u32 = 1186;
const TIMETZ: u32 = 1266;
const BIT: u32 = 1560;
const VARBIT: u32 = 1562;
const NUMERIC: u32 = 1700;

/// PostgreSQL's offset of lengths and precisions in a modifier.
const HEADER: i32 = 4;

/// What it takes to store `column` as `to`, written as `name`.
pub(super) fn of(column: &ColumnFacts, to: &TypeFacts, name: &TypeName, utc: bool) -> Change {
    let domain = to.oid != to.base_oid;
    let modifier = if domain { Some(to.base_modifier) } else { modifier(to.oid, name) };
    let Some(modifier) = modifier else { return Change::Rewrite };
    if column.type_oid == to.oid && (domain || column.type_modifier == modifier) {
        return Change::Metadata;
    }
    if to.constrained_domain {
        return Change::Rewrite;
    }
    let (from, old) = (column.base_oid, column.base_modifier);
    if from == to.base_oid {
        return if keeps(from, old, modifier) { Change::Metadata } else { Change::Rewrite };
    }
    if utc && is_timestamp(from) && is_timestamp(to.base_oid) {
        return if keeps(from, old, modifier) { Change::Indexes } else { Change::Rewrite };
    }
    if modifier != -1 || !to.binary_from.contains(&from) {
        return Change::Rewrite;
    }
    let same_order = [(TEXT, VARCHAR), (VARCHAR, TEXT), (CIDR, INET)].contains(&(from, to.base_oid));
    if same_order { Change::Metadata } else { Change::Indexes }
}

/// It is not in the table that was measured: types of extensions and of users, arrays.
pub(super) fn is_unmeasured(column: &ColumnFacts, to: &TypeFacts, name: &TypeName) -> bool {
    const FIRST_OF_USERS: u32 = 16_384;
    name.array || column.base_oid >= FIRST_OF_USERS || to.base_oid >= FIRST_OF_USERS
}

/// The column has that very type.
pub(super) fn is_same(column: &ColumnFacts, to: &TypeFacts, name: &TypeName) -> bool {
    column.type_oid == to.oid && (to.oid != to.base_oid || modifier(to.oid, name).is_none_or(|modifier| column.type_modifier == modifier))
}

fn is_timestamp(oid: u32) -> bool {
    oid == TIMESTAMP || oid == TIMESTAMPTZ
}

/// Every value under the old modifier is stored the same under the new one.
fn keeps(oid: u32, old: i32, new: i32) -> bool {
    if old == new {
        return true;
    }
    match oid {
        VARCHAR | VARBIT => new == -1 || (old >= 0 && new >= old),
        NUMERIC => new == -1 || (old >= HEADER && new >= HEADER && wider_numeric(old - HEADER, new - HEADER)),
        TIME | TIMETZ | TIMESTAMP | TIMESTAMPTZ => new == -1 || new >= 6 || (old >= 0 && new >= old),
        INTERVAL => new == -1,
        _ => false,
    }
}

fn wider_numeric(old: i32, new: i32) -> bool {
    old & 0xffff == new & 0xffff && new >> 16 >= old >> 16
}

/// `typmod` of the type as written; none for what we cannot compute.
fn modifier(oid: u32, name: &TypeName) -> Option<i32> {
    match (oid, name.modifiers.as_slice()) {
        // Without a length, the grammar has written the 1 of `char` already; `bpchar` by that name has none.
        (_, []) => Some(-1),
        (VARCHAR | BPCHAR, [length]) if !name.array => length.checked_add(HEADER),
        (NUMERIC, [precision]) if !name.array => Some((precision << 16) + HEADER),
        (NUMERIC, [precision, scale]) if !name.array => Some(((precision << 16) | (scale & 0x7ff)) + HEADER),
        (TIME | TIMETZ | TIMESTAMP | TIMESTAMPTZ, [precision]) if !name.array => Some((*precision).min(6)),
        (BIT | VARBIT, [length]) if !name.array => Some(*length),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(oid: u32, modifier: i32) -> ColumnFacts {
        ColumnFacts {
            type_oid: oid,
            type_modifier: modifier,
            base_oid: oid,
            base_modifier: modifier,
            default_collation: true,
            ..ColumnFacts::default()
        }
    }

    fn change(from: (u32, i32), to: u32, modifiers: &[i32], utc: bool) -> Change {
        let binary_from = match to {
            TEXT => vec![VARCHAR, 142],
            VARCHAR => vec![TEXT, 142],
            INET => vec![CIDR],
            26 => vec![23],
            _ => vec![],
        };
        let facts = TypeFacts {
            oid: to,
            base_oid: to,
            base_modifier: -1,
            unsorted: false,
            users: None,
            labels: Vec::new(),
            binary_from,
            constrained_domain: false,
        };
        let name = TypeName { names: vec!["x".into()], modifiers: modifiers.to_vec(), array: false };
        of(&column(from.0, from.1), &facts, &name, utc)
    }

    #[test]
    fn the_measured_table() {
        let numeric = |precision: i32, scale: i32| (NUMERIC, ((precision << 16) | scale) + 4);
        for (from, to, modifiers, utc, expected) in [
            ((VARCHAR, 54), VARCHAR, &[100][..], false, Change::Metadata),
            ((VARCHAR, 54), VARCHAR, &[20], false, Change::Rewrite),
            ((VARCHAR, 54), VARCHAR, &[], false, Change::Metadata),
            ((VARCHAR, 54), VARCHAR, &[50], false, Change::Metadata),
            ((VARCHAR, 54), TEXT, &[], false, Change::Metadata),
            ((TEXT, -1), VARCHAR, &[100], false, Change::Rewrite),
            ((TEXT, -1), VARCHAR, &[], false, Change::Metadata),
            ((VARCHAR, -1), VARCHAR, &[100], false, Change::Rewrite),
            ((BPCHAR, 14), BPCHAR, &[20], false, Change::Rewrite),
            ((BPCHAR, 14), TEXT, &[], false, Change::Rewrite),
            ((BPCHAR, 14), VARCHAR, &[20], false, Change::Rewrite),
            ((23, -1), 20, &[], false, Change::Rewrite),
            ((23, -1), 26, &[], false, Change::Indexes),
            (numeric(10, 2), NUMERIC, &[14, 2], false, Change::Metadata),
            (numeric(10, 2), NUMERIC, &[14, 4], false, Change::Rewrite),
            (numeric(10, 2), NUMERIC, &[8, 2], false, Change::Rewrite),
            (numeric(10, 2), NUMERIC, &[], false, Change::Metadata),
            ((NUMERIC, -1), NUMERIC, &[10, 2], false, Change::Rewrite),
            ((TIMESTAMP, -1), TIMESTAMPTZ, &[], true, Change::Indexes),
            ((TIMESTAMP, -1), TIMESTAMPTZ, &[], false, Change::Rewrite),
            ((TIMESTAMPTZ, -1), TIMESTAMP, &[], true, Change::Indexes),
            ((TIMESTAMP, -1), TIMESTAMP, &[3], false, Change::Rewrite),
            ((TIMESTAMP, 3), TIMESTAMP, &[6], false, Change::Metadata),
            ((TIMESTAMP, 3), TIMESTAMP, &[], false, Change::Metadata),
            ((TIMESTAMP, -1), 1082, &[], true, Change::Rewrite),
            ((114, -1), 3802, &[], false, Change::Rewrite),
            ((CIDR, -1), INET, &[], false, Change::Metadata),
            ((BIT, 8), VARBIT, &[16], false, Change::Rewrite),
            ((VARBIT, 8), VARBIT, &[16], false, Change::Metadata),
            ((INTERVAL, -1), INTERVAL, &[32767, 3], false, Change::Rewrite),
        ] {
            assert_eq!(change(from, to, modifiers, utc), expected, "{from:?} to {to} {modifiers:?} utc={utc}");
        }
    }

    #[test]
    fn a_domain_counts_by_its_base_and_its_constraints() {
        let name = TypeName { names: vec!["d".into()], modifiers: vec![], array: false };
        let domain = |constrained_domain| TypeFacts {
            oid: 90_000,
            base_oid: 23,
            base_modifier: -1,
            unsorted: false,
            users: None,
            labels: Vec::new(),
            binary_from: vec![],
            constrained_domain,
        };
        assert_eq!(of(&column(23, -1), &domain(false), &name, false), Change::Metadata);
        assert_eq!(of(&column(23, -1), &domain(true), &name, false), Change::Rewrite);
        let mut same = column(23, -1);
        same.type_oid = 90_000;
        assert_eq!(of(&same, &domain(true), &name, false), Change::Metadata);
    }

    #[test]
    fn arrays_keep_only_their_own_type() {
        let facts = TypeFacts {
            oid: 1015,
            base_oid: 1015,
            base_modifier: -1,
            unsorted: false,
            users: None,
            labels: Vec::new(),
            binary_from: vec![],
            constrained_domain: false,
        };
        let name = |modifiers| TypeName { names: vec!["varchar".into()], modifiers, array: true };
        assert_eq!(of(&column(1015, -1), &facts, &name(vec![]), false), Change::Metadata);
        assert_eq!(of(&column(1015, 14), &facts, &name(vec![20]), false), Change::Rewrite);
        assert_eq!(of(&column(1009, -1), &facts, &name(vec![]), false), Change::Rewrite);
    }
}
