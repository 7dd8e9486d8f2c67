//! What the server knows: questions, facts, lock modes, and what this transaction changed.

pub mod aftermath;
pub mod assumed;
pub mod drops;
pub mod estimate;
pub mod evidence;
pub mod facts;
pub mod footprint;
pub mod former;
pub mod held;
mod inquiry;
pub mod joining;
pub mod locks;
pub mod overlay;
pub mod path;
pub mod probe;
pub mod questions;
pub mod shadows;
#[cfg(test)]
pub(crate) mod testing;
pub mod words;
