//! The pages of docs/rules are those of `explain`; a test writes them where the environment says so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::cli::rules;

#[test]
fn the_docs_of_the_rules_are_up_to_date() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    let wanted = wanted();
    if std::env::var_os("PGAIRLOCK_WRITE_DOCS").is_some() {
        write(&directory, &wanted);
    }
    let found = found(&directory);
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted), "docs/rules has other pages than there are rules. {WRITTEN}");
    for (name, page) in &wanted {
        assert!(found[name] == *page, "docs/rules/{name} is stale. {WRITTEN}");
    }
}

fn write(directory: &Path, pages: &BTreeMap<String, String>) {
    fs::create_dir_all(directory).unwrap();
    files(directory).iter().for_each(|path| fs::remove_file(path).unwrap());
    pages.iter().for_each(|(name, page)| fs::write(directory.join(name), page).unwrap());
}

fn found(directory: &Path) -> BTreeMap<String, String> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files(directory).iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).map(|entries| entries.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
}

fn wanted() -> BTreeMap<String, String> {
    let pages = documented().map(|rule| (format!("{}.md", rule.id.0), Page::of(rule).markdown()));
    pages.chain([("README.md".to_owned(), index())]).collect()
}

fn index() -> String {
    let mut text = format!("<!-- {WRITTEN} -->\n# Rules\n\n{CLASSES}\n");
    text += "| rule | class | lock | work | versions | hazard |\n| --- | --- | --- | --- | --- | --- |\n";
    for rule in documented() {
        let (id, hazard) = (rule.id.0, rule.hazard);
        let claims = [rules::class(rule), rules::lock(rule), rules::work(rule), rules::versions(&rule.versions)].join(" | ");
        text += &format!("| [{id}]({id}.md) | {claims} | {hazard} |\n");
    }
    text
}

const CLASSES: &str = "\
`pgairlock rules` prints this table, `pgairlock explain RULE` a page. Lock and work are those of the statement as it was written, measured on every
PostgreSQL that is supported (`tests/proofs.rs`). What pgairlock does in `enforce`, by class:

* **A**: the safe form in the statement's place, in any transaction; what reads all rows after COMMIT
* **B**: the safe form outside of a transaction: at once, or after COMMIT
* **C**: refused with the steps to take, since rows are filled in batches between releases
* **D**: refused until a person lets it through, since data, or names that code uses, go away
* **-**: refused; code that is not seen runs, and is taken back by what it has locked
";

#[test]
fn a_page_can_be_read_in_a_terminal() {
    for rule in documented() {
        let text = Page::of(rule).text();
        assert!(!Page::of(rule).facts.iter().any(|(_, fact)| fact.contains('|')) && !rule.hazard.contains('|'), "{}: a cell of a table", rule.id.0);
        for part in [rule.id.0, rule.bad, rule.sqlstate].iter().chain(rule.good) {
            assert!(text.contains(part), "{}: {part} is missing in\n{text}", rule.id.0);
        }
        let words = text.lines().filter(|line| !line.starts_with("    "));
        let longest = words.map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= 100, "{}: {longest}\n{text}", rule.id.0);
    }
}

#[test]
fn long_words_and_lines_are_wrapped() {
    assert_eq!(wrapped("a  b\nc", "> "), "> a b c\n");
    let long = "word ".repeat(30);
    assert_eq!(wrapped(&long, "").lines().map(str::len).collect::<Vec<_>>(), [99, 49]);
    assert_eq!(wrapped(&"x".repeat(120), ""), format!("{}\n", "x".repeat(120)));
}
