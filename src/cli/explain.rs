//! `pgairlock explain`: everything about one rule. The pages of docs/rules are the same, as Markdown.

use clap::{Args, ValueEnum};

use super::rules::print;
use super::{SUCCESS, USAGE, fail};
use crate::config::suggestion;
use crate::rules::rule::{RemedyClass, Rule};
use crate::rules::{self, Stance, documented};

/// Flags of `explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The rule: what messages have in brackets; `pgairlock rules` lists all
    #[arg(value_name = "RULE")]
    rule: String,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// The page of docs/rules
    Markdown,
}

/// What the examples are about.
const TABLES: &str = "Where t and p are large, and e is empty:";

/// Stands above what is generated.
const WRITTEN: &str = "Written from src/rules. To renew it: PGAIRLOCK_WRITE_DOCS=1 cargo test --lib docs_of_the_rules";

/// Prints the page of a rule; returns the exit code.
pub(super) fn run(args: &ExplainArgs) -> u8 {
    match documented().find(|rule| rule.id.0 == args.rule) {
        Some(rule) => {
            let page = Page::of(rule);
            print(&match args.format {
                Format::Text => page.text(),
                Format::Markdown => page.markdown(),
            });
            SUCCESS
        }
        None => {
            let known: Vec<&str> = documented().map(|rule| rule.id.0).collect();
            fail(USAGE, &format!("unknown rule \"{}\"{}", args.rule, suggestion(&args.rule, &known)))
        }
    }
}

/// What is told of a rule, before it is known on what.
struct Page {
    title: &'static str,
    lead: &'static str,
    facts: Vec<(&'static str, String)>,
    sections: Vec<(&'static str, Vec<Part>)>,
}

enum Part {
    Words(String),
    Code { language: &'static str, text: String },
}

impl Page {
    fn of(rule: &Rule) -> Self {
        let instead = vec![Part::Words(rule.remedy.to_owned()), Part::Words(in_which_order(rule)), Part::sql(rule.good)];
        Self {
            title: rule.id.0,
            lead: rule.hazard,
            facts: facts(rule),
            sections: vec![
                ("What pgairlock does", does(rule).into_iter().map(|words| Part::Words(words.to_owned())).collect()),
                ("What to write instead", instead),
                ("What it flags", vec![Part::Words(TABLES.to_owned()), Part::sql(&[rule.bad])]),
                ("How to let it through", let_through(rule)),
            ],
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n\n{}\n", self.title, wrapped(self.lead, ""));
        for (name, fact) in &self.facts {
            text += &format!("  {name:9} {fact}\n");
        }
        for (title, parts) in &self.sections {
            text += &format!("\n{}\n", title.to_uppercase());
            let parts: Vec<String> = parts.iter().map(Part::text).collect();
            text += &parts.join("\n");
        }
        text
    }

    fn markdown(&self) -> String {
        let mut text = format!("<!-- {WRITTEN} -->\n# {}\n\n{}\n\n| | |\n| --- | --- |\n", self.title, self.lead);
        for (name, fact) in &self.facts {
            text += &format!("| {name} | {fact} |\n");
        }
        for (title, parts) in &self.sections {
            text += &format!("\n## {title}\n");
            text.extend(parts.iter().map(Part::markdown));
        }
        text
    }
}

impl Part {
    fn sql(statements: &[&str]) -> Self {
        Self::Code { language: "sql", text: statements.iter().map(|sql| format!("{sql};\n")).collect() }
    }

    fn text(&self) -> String {
        match self {
            Self::Words(words) => wrapped(words, "  "),
            Self::Code { text, .. } => text.lines().map(|line| format!("    {line}\n")).collect(),
        }
    }

    fn markdown(&self) -> String {
        match self {
            Self::Words(words) => format!("\n{words}\n"),
            Self::Code { language, text } => format!("\n```{language}\n{text}```\n"),
        }
    }
}

fn facts(rule: &Rule) -> Vec<(&'static str, String)> {
    let harm = rule.lock.map(|lock| [("Lock", format!("{lock}: {}", lock.stops())), ("Work", format!("{}: {}", rule.work, rule.work.takes()))]);
    let versions = format!("PostgreSQL {} to {}", rule.versions.start(), rule.versions.end());
    harm.into_iter().flatten().chain([("Versions", versions), ("SQLSTATE", rule.sqlstate.to_owned())]).collect()
}

fn does(rule: &Rule) -> Vec<&'static str> {
    let mut does = match rule.class {
        RemedyClass::InPlace => vec![
            "No transaction: it runs the safe form at once, step by step, and says so in a NOTICE.",
            "In a transaction, or among other statements of one string: it runs the first step in the statement's place, and what reads all rows \
             after COMMIT, before COMMIT is answered. With [after_commit] defer = false it refuses.",
        ],
        RemedyClass::Outside => vec![
            "No transaction: it runs the safe form at once, and says so in a NOTICE.",
            "In a transaction, or among other statements of one string: it runs the safe form after COMMIT, before COMMIT is answered. With \
             [after_commit] defer = false it refuses.",
        ],
        RemedyClass::Backfill => vec!["It refuses, in a transaction or not, and names the steps with your own names."],
        RemedyClass::Decision => {
            vec!["It refuses, in a transaction or not, until a person lets it through: no form of it is safe for code that runs."]
        }
        RemedyClass::Gate => vec![
            "It runs it in a transaction, one of its own where there is none. Before the next DDL and before the COMMIT it looks at the strong locks that \
             the code has taken: where it has locked what has rows, changed or dropped it, the transaction is taken back, with an error.",
            "Code that cannot be read, that ends its transaction, or that would leave no lock (settings, files, other servers), it refuses.",
        ],
        RemedyClass::Refusal => vec!["It refuses, in a transaction or not."],
    };
    if matches!(rule.class, RemedyClass::InPlace | RemedyClass::Outside) {
        does.push("Where the safe form cannot be had (something is not known, or another part of the statement forbids it) it refuses and says why.");
    }
    does.extend(passes(rule));
    match rules::stance(rule.id) {
        Stance::Act => does,
        Stance::Warn => {
            vec!["It runs it, with a WARNING: whether it hurts depends on code that nobody sees here. With \"refuse\" in [rules] it refuses."]
        }
        Stance::Note => vec!["It runs it, and records the finding. With \"warn\" in [rules] it says so, with \"refuse\" it refuses."],
    }
}

/// Where nobody is hurt.
fn passes(rule: &Rule) -> Option<&'static str> {
    rule.lock?;
    Some(match rule.class {
        RemedyClass::Decision | RemedyClass::Gate | RemedyClass::Refusal => {
            "It passes where its table is empty (0 bytes), temporary, or new in this transaction."
        }
        RemedyClass::InPlace | RemedyClass::Outside | RemedyClass::Backfill => {
            "It passes where what it would lock is empty (0 bytes), temporary, new in this transaction, or below [limits] small_table (1 MB)."
        }
    })
}

fn in_which_order(rule: &Rule) -> String {
    let since = match rule.good_since {
        since if since > *rule.versions.start() => format!(" (PostgreSQL {since} and later)"),
        _ => String::new(),
    };
    match rule.good {
        [_] => format!("What passes{since}:"),
        _ => format!("What passes{since}, each statement in a transaction of its own, CONCURRENTLY in none, in this order:"),
    }
}

fn by_default(rule: &Rule) -> &'static str {
    match rules::stance(rule.id) {
        Stance::Act => "refuse",
        Stance::Warn => "warn",
        Stance::Note => "off",
    }
}

fn let_through(rule: &Rule) -> Vec<Part> {
    let id = rule.id.0;
    let condition = if rule.lock.is_some() { "table = \"public.t\"" } else { "role = \"deployer\"" };
    let toml = |text: String| Part::Code { language: "toml", text };
    vec![
        Part::Words("For some, with a reason that stands in every record; conditions are role, database, table, application_name, and all that are given must match:".to_owned()),
        toml(format!("[[exempt]]\n{condition}\nrules = [\"{id}\"]\nreason = \"why it is right here\"\n")),
        Part::Words(format!(
            "For all: \"warn\" runs it as it was written, with a WARNING; \"off\" runs it and only records it; \"refuse\" acts on it. The default is \"{}\".",
            by_default(rule)
        )),
        toml(format!("[rules]\n{id} = \"{}\"\n", if by_default(rule) == "warn" { "off" } else { "warn" })),
    ]
}

/// Lines of at most 100 characters, each behind this margin.
fn wrapped(text: &str, margin: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().filter(|line| line.is_empty() || line.chars().count() + word.chars().count() < 100 - margin.len());
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| format!("{margin}{line}\n")).collect()
}

#[cfg(test)]
mod tests;
