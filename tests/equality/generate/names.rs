//! Names as people give them, and as they should not.

use super::super::random::Random;

/// Of tables. The long ones have 63 bytes, so that what PostgreSQL makes of them is shortened and collides.
pub(super) const TABLES: &[&str] = &[
    "users",
    "orders",
    "t",
    "Order Items",
    "CamelCase",
    "select",
    "with\"quote",
    "größe_der_ärzte_und_übrigen_mitwirkenden_an_öffentl_häu",
    "a_table_whose_name_takes_all_of_the_sixty_three_bytes_there_are",
    "a_table_whose_name_takes_all_of_the_sixty_three_bytes_there_arf",
];

pub(super) const COLUMNS: &[&str] = &[
    "a",
    "b",
    "c",
    "email",
    "Mixed",
    "with space",
    "user",
    "über",
    "do\"main",
    "a_column_whose_name_takes_all_of_the_sixty_three_bytes_that_are",
    "a_column_whose_name_takes_all_of_the_sixty_three_bytes_that_arf",
];

pub(super) const SCHEMAS: &[&str] = &["public", "public", "public", "app", "Other Schema"];

/// As a person would write it: in quotes where they are needed, sometimes where they are not, and sometimes in capitals.
pub(super) fn written(random: &mut Random, name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit()) && !["select", "user"].contains(&name);
    match random.below(10) {
        0..7 if plain => name.to_owned(),
        7 if plain => name.to_uppercase(),
        _ => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A name that has not been given yet.
pub(super) fn fresh(random: &mut Random, from: &[&str], taken: &[String]) -> String {
    let free: Vec<&&str> = from.iter().filter(|name| !taken.iter().any(|taken| taken == **name)).collect();
    if free.is_empty() { format!("n{}", taken.len()) } else { (**random.pick(&free)).to_owned() }
}
