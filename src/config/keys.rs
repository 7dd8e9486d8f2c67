//! The names of keys: read from the serde structs themselves, so that there is no second list to keep.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor, value::Error};
use serde::forward_to_deserialize_any;
use toml::de::{DeTable, DeValue};

use super::file::{
    Admin, AdminTls, AdminUser, AfterCommit, Approval, Directive, Exempt, File, Limits, Listener, ListenerTls, Monitor, Protect, Store, Telemetry,
    Timeouts, Upstream, UpstreamTls, Webhook,
};
use super::problem::Problems;

/// The keys of each section; the root is `""`. `[rules]` and `[thresholds]` are absent: their keys are rule ids, known elsewhere.
fn sections() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("", names::<File>()),
        ("listener", names::<Listener>()),
        ("listener.tls", names::<ListenerTls>()),
        ("upstream", names::<Upstream>()),
        ("upstream.tls", names::<UpstreamTls>()),
        ("timeouts", names::<Timeouts>()),
        ("exempt", names::<Exempt>()),
        ("directive", names::<Directive>()),
        ("approval", names::<Approval>()),
        ("protect", names::<Protect>()),
        ("after_commit", names::<AfterCommit>()),
        ("store", names::<Store>()),
        ("admin", names::<Admin>()),
        ("admin.tls", names::<AdminTls>()),
        ("admin.user", names::<AdminUser>()),
        ("telemetry", names::<Telemetry>()),
        ("monitor", names::<Monitor>()),
        ("limits", names::<Limits>()),
        ("webhook", names::<Webhook>()),
    ])
}

/// Every (section, key), sections themselves left out.
pub(super) fn all() -> Vec<(String, &'static str)> {
    let sections = sections();
    let pairs = sections.iter().flat_map(|(section, keys)| keys.iter().map(|key| ((*section).to_owned(), *key)));
    pairs.filter(|(section, _)| !section.is_empty()).collect()
}

/// Reports and removes keys that nothing reads, and sections of the wrong shape (serde would read a list as a struct, by position).
pub(super) fn take_unknown(root: &mut DeTable<'_>, problems: &mut Problems<'_>) {
    check_table(root, "", "the file", &sections(), problems);
}

/// Sections that are lists of tables.
const LISTS: [&str; 8] = ["listener", "upstream", "exempt", "directive", "approval", "protect", "webhook", "admin.user"];

type Sections = BTreeMap<&'static str, &'static [&'static str]>;

fn check_table(table: &mut DeTable<'_>, path: &str, title: &str, sections: &Sections, problems: &mut Problems<'_>) {
    let Some(known) = sections.get(path) else { return };
    let mut useless = Vec::new();
    for (key, value) in table.iter_mut() {
        let name = key.get_ref().as_ref();
        if !known.contains(&name) {
            problems.at(&key.span(), format!("unknown key \"{name}\" in {title}{}", suggestion(name, known)));
            useless.push(key.clone());
        } else if let Err(message) = check_section(value.get_mut(), path, name, title, sections, problems) {
            problems.at(&key.span(), message);
            useless.push(key.clone());
        }
    }
    for key in useless {
        table.remove(&key);
    }
}

fn check_section(
    value: &mut DeValue<'_>,
    path: &str,
    name: &str,
    title: &str,
    sections: &Sections,
    problems: &mut Problems<'_>,
) -> Result<(), String> {
    let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if LISTS.contains(&inner.as_str()) {
        return check_list(value, &inner, sections, problems)
            .ok_or_else(|| format!("{name} is a list of tables: write [[{inner}]], with two brackets"));
    }
    match value {
        DeValue::Table(table) if path.is_empty() => check_table(table, &inner, &format!("[{name}]"), sections, problems),
        DeValue::Table(table) => check_table(table, &inner, &format!("{name} of {title}"), sections, problems),
        _ if sections.contains_key(inner.as_str()) || matches!(inner.as_str(), "rules" | "thresholds") => {
            return Err(format!("{name} in {title} is a table: write {}", example(path, name)));
        }
        _ => {}
    }
    Ok(())
}

fn example(path: &str, name: &str) -> String {
    if path.is_empty() { format!("[{name}]") } else { format!("{name} = {{ … }}") }
}

/// `None` when it is not a list of tables.
fn check_list(value: &mut DeValue<'_>, path: &str, sections: &Sections, problems: &mut Problems<'_>) -> Option<()> {
    let DeValue::Array(elements) = value else { return None };
    for element in elements.iter_mut() {
        let DeValue::Table(table) = element.get_mut() else { return None };
        check_table(table, path, &format!("[[{path}]]"), sections, problems);
    }
    Some(())
}

/// `; did you mean "address"?` when something known is near, else what is known.
pub(crate) fn suggestion(stranger: &str, known: &[&str]) -> String {
    let distance = |name: &&&str| strsim::damerau_levenshtein(stranger, name);
    match known.iter().min_by_key(|name| distance(name)) {
        Some(nearest) if distance(&nearest) <= 1 + nearest.len() / 3 => format!("; did you mean \"{nearest}\"?"),
        _ => format!("; known are: {}", known.join(", ")),
    }
}

/// The names of the fields of a struct, as its `Deserialize` asks for them.
fn names<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // Always an error: the struct is never built, only asked what it wants.
    let _ = T::deserialize(FieldNames(&mut fields));
    fields
}

struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom(NotBuilt))
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct NotBuilt;

impl fmt::Display for NotBuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("only its fields were asked for")
    }
}
