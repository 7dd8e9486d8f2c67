//! Refusals of some time, by rule, by team and by tool; the same statements under the same names as in [`super::summary`].

use std::collections::BTreeMap;

use super::summary::family;

/// Refused statements that are alike, as the store counts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike {
    /// The role that logged in.
    pub role: String,
    /// `application_name`.
    pub application_name: Option<String>,
    /// In warn mode: enforce would have refused them.
    pub only_warned: bool,
    /// The rules that acted, with a comma between.
    pub rules: String,
    /// How many.
    pub count: u64,
    /// When the last came, in microseconds since 1970.
    pub last: i64,
}

/// How many, and when the last came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Refused.
    pub refused: u64,
    /// Let pass in warn mode.
    pub would: u64,
    /// When the last came, in microseconds since 1970.
    pub last: i64,
}

/// All of some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Statements.
    pub all: Count,
    /// By rule; a statement that several rules refuse counts under each.
    pub rules: BTreeMap<String, Count>,
    /// By role.
    pub teams: BTreeMap<String, Count>,
    /// By the family of tools.
    pub tools: BTreeMap<&'static str, Count>,
}

impl Count {
    fn add(&mut self, alike: &Alike) {
        *(if alike.only_warned { &mut self.would } else { &mut self.refused }) += alike.count;
        self.last = self.last.max(alike.last);
    }

    /// Both.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.refused + self.would
    }
}

impl Refusals {
    /// Takes them together.
    #[must_use]
    pub fn of(alike: &[Alike]) -> Self {
        let mut all = Self::default();
        for one in alike {
            all.all.add(one);
            all.teams.entry(one.role.clone()).or_default().add(one);
            all.tools.entry(family(one.application_name.as_deref())).or_default().add(one);
            for rule in one.rules.split(", ").filter(|rule| !rule.is_empty()) {
                all.rules.entry(rule.to_owned()).or_default().add(one);
            }
        }
        all
    }
}

/// Those with the most first.
#[must_use]
pub fn by_number<K: Ord>(counts: &BTreeMap<K, Count>) -> Vec<(&K, Count)> {
    let mut sorted: Vec<(&K, Count)> = counts.iter().map(|(key, count)| (key, *count)).collect();
    sorted.sort_by(|(one, a), (other, b)| b.all().cmp(&a.all()).then_with(|| one.cmp(other)));
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_counts_once_and_under_each_of_its_rules() {
        let alike = |role: &str, rules: &str, count, only_warned| Alike {
            role: role.into(),
            application_name: Some("Flyway".into()),
            only_warned,
            rules: rules.into(),
            count,
            last: i64::try_from(count).unwrap(),
        };
        let all = Refusals::of(&[alike("a", "drop-table, truncate", 3, false), alike("b", "drop-table", 4, true), alike("a", "", 1, false)]);
        assert_eq!(all.all, Count { refused: 4, would: 4, last: 4 });
        assert_eq!(all.rules["drop-table"], Count { refused: 3, would: 4, last: 4 });
        assert_eq!((all.teams["a"].refused, all.tools["Flyway"].all()), (4, 8));
        assert_eq!(
            by_number(&all.rules).iter().map(|(rule, count)| (rule.as_str(), count.all())).collect::<Vec<_>>(),
            [("drop-table", 7), ("truncate", 3)]
        );
    }
}
