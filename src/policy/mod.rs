//! From findings to a plan.

pub mod advisory;
pub mod allowance;
pub mod approval;
pub mod by_itself;
pub mod compose;
pub mod decide;
mod directives;
mod effect;
mod expected;
pub mod foresee;
pub mod gate;
mod judge;
mod lock_timeout;
pub mod message;
pub mod plan;
pub mod settings;
mod settle;
pub mod split;
pub mod strong;
mod verdict;

#[cfg(test)]
mod tests;
