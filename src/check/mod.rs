//! `pgairlock check`: files of migrations, judged as the proxy would judge them, without running anything.
//!
//! The way of a file: text → [`source`] (the parts that a tool would send, and in what transaction) → [`judge`] (one verdict a statement) →
//! [`report`] → one of the renderings.

pub mod github;
pub mod gitlab;
pub mod json;
pub mod judge;
mod psql;
pub mod report;
pub mod sarif;
pub mod source;
pub mod text;
