//! What a seed stands for.

mod alter;
mod kinds;
mod migration;
mod names;
mod schema;
mod world;

use super::case::Case;
use super::random::Random;

/// The same case for the same seed.
pub(super) fn case(seed: u64) -> Case {
    let mut random = Random::of(seed);
    let (schema, mut world) = schema::schema(&mut random);
    Case { name: format!("seed {seed}"), schema, migration: migration::migration(&mut random, &mut world) }
}
