//! Work that no transaction can hold: what it consists of, how it is taken up again, what became of it. Pure; the session runs it.

pub mod detach;
pub mod drop_table;
pub mod fate;
pub mod joining;
pub mod listing;
pub mod operation;
pub mod partitions;
pub mod promise;
pub mod search;
pub mod seen;
pub mod step;
pub mod whole;
