//! The names that PostgreSQL itself gives to indexes and constraints without one.

/// The longest name in bytes: `NAMEDATALEN - 1`.
const LONGEST: usize = 63;

/// The name that PostgreSQL would choose: `table_columns_suffix`, shortened to fit, numbered while `taken`.
///
/// `suffix` is `idx`, `key`, `fkey`, `check`, `not_null` or `excl`; a primary key has `pkey` and no columns.
pub fn choose(table: &str, columns: &[String], suffix: &str, taken: &dyn Fn(&str) -> bool) -> String {
    let columns = joined(columns);
    let mut label = suffix.to_owned();
    let mut pass = 0_u32;
    loop {
        let name = object_name(table, &columns, &label);
        if !taken(&name) {
            return name;
        }
        pass += 1;
        label = format!("{suffix}{pass}");
    }
}

/// The columns of an index, each made different from those before it by a number, as `ChooseIndexColumnNames` does.
pub fn distinct(columns: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for column in columns {
        let mut name = column.clone();
        let mut pass = 0_u32;
        while names.contains(&name) {
            pass += 1;
            let number = pass.to_string();
            name = format!("{}{number}", clip(&column, LONGEST - number.len()));
        }
        names.push(name);
    }
    names
}

/// Columns joined by `_` until they are too long anyway (`ChooseIndexNameAddition`).
fn joined(columns: &[String]) -> String {
    let mut all = String::new();
    for column in columns {
        if !all.is_empty() {
            all.push('_');
        }
        all.push_str(column);
        if all.len() > LONGEST {
            break;
        }
    }
    all
}

/// `makeObjectName`: the longer of the two parts is shortened, byte by byte, then cut back to a whole character.
fn object_name(table: &str, columns: &str, label: &str) -> String {
    let separators = usize::from(!columns.is_empty()) + 1;
    let available = LONGEST.saturating_sub(label.len() + separators);
    let (mut first, mut second) = (table.len(), columns.len());
    while first + second > available {
        if first > second { first -= 1 } else { second -= 1 }
    }
    let table = clip(table, first);
    if columns.is_empty() { format!("{table}_{label}") } else { format!("{table}_{}_{label}", clip(columns, second)) }
}

/// At most `bytes` of `text`, ending with a whole character.
fn clip(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(table: &str, columns: &[&str], suffix: &str, taken: &[&str]) -> String {
        let columns: Vec<_> = columns.iter().map(|&column| column.to_owned()).collect();
        choose(table, &columns, suffix, &|name| taken.contains(&name))
    }

    #[test]
    fn the_parts_are_joined() {
        assert_eq!(named("users", &["email"], "idx", &[]), "users_email_idx");
        assert_eq!(named("users", &["a", "b"], "key", &[]), "users_a_b_key");
        assert_eq!(named("users", &[], "pkey", &[]), "users_pkey");
    }

    #[test]
    fn a_taken_name_is_numbered() {
        assert_eq!(named("t", &["a"], "idx", &["t_a_idx", "t_a_idx1"]), "t_a_idx2");
    }

    #[test]
    fn the_longer_part_is_shortened() {
        let name = named(&"t".repeat(60), &["column"], "idx", &[]);
        assert_eq!(name, format!("{}_column_idx", "t".repeat(52)));
        assert_eq!(name.len(), 63);
        let name = named(&"ü".repeat(30), &["column"], "idx", &[]);
        assert_eq!(name, format!("{}_column_idx", "ü".repeat(26)));
    }

    #[test]
    fn equal_columns_are_numbered() {
        assert_eq!(distinct(["lower", "lower", "a"].into_iter().map(str::to_owned)), ["lower", "lower1", "a"]);
    }
}
