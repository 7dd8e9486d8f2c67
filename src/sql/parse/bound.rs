//! FOR VALUES … of a partition.

use pg_query::protobuf::{AConst, PartitionBoundSpec, a_const::Val};
use pg_query::{Node, NodeEnum};

use super::super::statement::{Bound, Edge, Form, Value};
use super::{statements, tree};

/// The bounds that the server says (`pg_get_expr` of `relpartbound`).
#[must_use]
pub fn bound(text: &str) -> Option<Bound> {
    let [only] = statements(&format!("CREATE TABLE c PARTITION OF p {text}")).ok()?.try_into().ok()?;
    match only.stmt?.node? {
        NodeEnum::CreateStmt(create) => create.partbound.as_ref().map(of),
        _ => None,
    }
}

/// Of a tree.
pub(super) fn of(spec: &PartitionBoundSpec) -> Bound {
    if spec.is_default {
        return Bound::Default;
    }
    match spec.strategy.as_str() {
        "r" => range(spec),
        "l" => spec.listdatums.iter().map(listed).collect::<Option<_>>().map(Bound::List),
        "h" => Some(Bound::Hash { modulus: spec.modulus, remainder: spec.remainder }),
        _ => None,
    }
    .unwrap_or(Bound::Computed)
}

fn range(spec: &PartitionBoundSpec) -> Option<Bound> {
    let edges = |nodes: &[Node]| nodes.iter().map(edge).collect::<Option<Vec<_>>>();
    Some(Bound::Range { from: edges(&spec.lowerdatums)?, to: edges(&spec.upperdatums)? })
}

/// The grammar takes MINVALUE and MAXVALUE for names of columns.
fn edge(node: &Node) -> Option<Edge> {
    if let Some(NodeEnum::ColumnRef(name)) = tree::kind(node) {
        return match &*tree::strings(&name.fields) {
            [word] if word == "minvalue" => Some(Edge::Minimum),
            [word] if word == "maxvalue" => Some(Edge::Maximum),
            _ => None,
        };
    }
    value(node).map(Edge::At)
}

fn listed(node: &Node) -> Option<Option<Value>> {
    match tree::kind(node)? {
        NodeEnum::AConst(AConst { isnull: true, .. }) => Some(None),
        _ => value(node).map(Some),
    }
}

fn value(node: &Node) -> Option<Value> {
    match tree::kind(node)? {
        NodeEnum::AConst(constant) => {
            let (text, form) = match constant.val.as_ref()? {
                Val::Ival(number) => (number.ival.to_string(), Form::Plain),
                Val::Fval(number) if number.fval.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => (number.fval.clone(), Form::Plain),
                Val::Fval(number) => (number.fval.clone(), Form::Fraction),
                Val::Boolval(truth) => (truth.boolval.to_string(), Form::Plain),
                Val::Sval(text) => (text.sval.clone(), Form::Plain),
                Val::Bsval(_) => return None,
            };
            Some(Value { text, form })
        }
        NodeEnum::TypeCast(cast) => match tree::inner(cast.arg.as_deref())? {
            NodeEnum::AConst(AConst { val: Some(Val::Sval(text)), .. }) => {
                Some(Value { text: text.sval.clone(), form: Form::Of(tree::type_name(cast.type_name.as_ref())) })
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Value {
        Value { text: text.to_owned(), form: Form::Plain }
    }

    #[test]
    fn bounds_are_read_as_the_server_says_them() {
        let at = |text: &str| Edge::At(plain(text));
        for (text, expected) in [
            ("DEFAULT", Bound::Default),
            (
                "FOR VALUES FROM (-1, '2024-01-01') TO (5, MAXVALUE)",
                Bound::Range { from: vec![at("-1"), at("2024-01-01")], to: vec![at("5"), Edge::Maximum] },
            ),
            ("FOR VALUES FROM (MINVALUE) TO (99999999999)", Bound::Range { from: vec![Edge::Minimum], to: vec![at("99999999999")] }),
            ("FOR VALUES IN ('a', NULL, true)", Bound::List(vec![Some(plain("a")), None, Some(plain("true"))])),
            ("FOR VALUES WITH (modulus 4, remainder 3)", Bound::Hash { modulus: 4, remainder: 3 }),
            ("FOR VALUES FROM (now()) TO ('x')", Bound::Computed),
            ("FOR VALUES IN (1 + 1)", Bound::Computed),
        ] {
            assert_eq!(bound(text), Some(expected), "{text}");
        }
        assert_eq!(bound("FOR VALUES IN (1); SELECT 1"), None);
        let Some(Bound::List(values)) = bound("FOR VALUES IN (DATE '2024-01-01', 1.5)") else { panic!() };
        let forms: Vec<_> = values.into_iter().flatten().map(|value| value.form).collect();
        assert!(matches!(&*forms, [Form::Of(name), Form::Fraction] if name.to_string() == "date"), "{forms:?}");
    }
}
