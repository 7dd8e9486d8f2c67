//! FOR VALUES …: which rows belong into a partition.

use super::TypeName;

/// The bounds of a partition, as far as constants say them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// DEFAULT.
    Default,
    /// FROM (…) TO (…).
    Range {
        /// The first that belongs into it.
        from: Vec<Edge>,
        /// The first that no longer does.
        to: Vec<Edge>,
    },
    /// IN (…); none is NULL.
    List(Vec<Option<Value>>),
    /// WITH (MODULUS …, REMAINDER …).
    Hash {
        /// Of so many.
        modulus: i32,
        /// This one.
        remainder: i32,
    },
    /// With an expression that the server computes.
    Computed,
}

/// One end of a range, in one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edge {
    /// MINVALUE.
    Minimum,
    /// MAXVALUE.
    Maximum,
    /// A constant.
    At(Value),
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its text, without quotes.
    pub text: String,
    /// How it was written.
    pub form: Form,
}

/// How a constant was written, which decides what it may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// As a string, a whole number or a truth value: it becomes whatever the column is.
    Plain,
    /// As a number with a fraction or an exponent.
    Fraction,
    /// As a string of this type.
    Of(TypeName),
}
