//! Keys as files, and what is printed of a log in memory.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::key::{create, rotate};
use super::list::cut;
use super::source::Entries;
use super::verify::{How, verified};
use crate::audit::chain::{Chain, Entry, Head};
use crate::audit::checkpoint::Checkpointer;
use crate::audit::event::{Event, Started};
use crate::audit::keys::{PublicKey, SigningKey};
use crate::audit::line::csv;
use crate::audit::trust::Trust;
use crate::audit::verify::Writer;
use crate::cli::deferred::{Ended, Format};
use crate::server::signer::{Signer, endorsements_of};

/// A log in memory.
struct Memory {
    chains: Vec<(Writer, Vec<Entry>)>,
    /// What is listed for this entry is something else.
    differs: Option<i64>,
}

impl Entries for Memory {
    async fn pin(&self) -> Result<(), Ended> {
        Ok(())
    }

    async fn writers(&self) -> Result<Vec<Writer>, Ended> {
        Ok(self.chains.iter().map(|(chain, _)| chain.clone()).collect())
    }

    async fn anchors(&self) -> Result<Vec<String>, Ended> {
        Ok(Vec::new())
    }

    async fn entries(&self, chain: &Writer, after_seq: i64, most: u32) -> Result<Vec<Entry>, Ended> {
        let entries = self.chains.iter().filter(|(of, _)| of == chain).flat_map(|(_, entries)| entries);
        Ok(entries.filter(|entry| entry.seq > after_seq).take(usize::try_from(most).unwrap()).cloned().collect())
    }

    async fn differences(&self, _: &Writer, page: &[(Entry, Option<Event>)]) -> Result<Vec<(i64, String)>, Ended> {
        let seqs = page.iter().filter(|(_, event)| event.is_some()).map(|(entry, _)| entry.seq);
        Ok(seqs.filter(|seq| Some(*seq) == self.differs).map(|seq| (seq, "its role".to_owned())).collect())
    }
}

/// 2 500 entries, of which a checkpoint names the first 2 490, in files that are kept in `directory`.
fn log(directory: &Path) -> (Memory, How) {
    let key = SigningKey::from_pem(&SigningKey::text_of(&[1; 32])).unwrap();
    let public = key.public();
    let mut chain = Chain::new("w".into(), 1);
    let mut checkpointer = Checkpointer::new(key, "w".into(), vec![]);
    let (mut entries, mut lines) = (Vec::new(), String::new());
    for at in 1..=2_500_i64 {
        let started = Started { writer: "w".into(), number: 1, version: "0.1.0".into(), heads: vec![] };
        let body = if at == 1 { serde_json::to_string(&Event::Started(started)).unwrap() } else { r#"{"kind":"of-tomorrow"}"#.to_owned() };
        entries.push(chain.link(1_709_210_096_000_000 + at, body));
        if at == 2_490 {
            lines = checkpointer.line(&[chain.head().clone()], 1_709_210_096_500_000).unwrap().unwrap() + "\n";
        }
    }
    let (keys, checkpoints) = (directory.join("key.pub"), directory.join("checkpoints"));
    std::fs::write(&keys, public.to_pem()).unwrap();
    std::fs::write(&checkpoints, lines).unwrap();
    let memory = Memory { chains: vec![(Writer { writer: "w".into(), number: 1 }, entries)], differs: None };
    (memory, args(vec![keys], vec![checkpoints]))
}

fn args(public_keys: Vec<PathBuf>, checkpoints: Vec<PathBuf>) -> How {
    How { public_keys, checkpoints, format: Format::Text }
}

fn printed(memory: &Memory, args: &How) -> (String, u8) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(verified(memory, args)).unwrap_or_else(|Ended(code, why)| (why, code))
}

#[test]
fn an_intact_log_says_how_far_that_is_certain() {
    let directory = tempfile::tempdir().unwrap();
    let (memory, args) = log(directory.path());
    let (text, code) = printed(&memory, &args);
    let expected = format!(
        "\
intact: 2500 entries in 1 chain
by 1 checkpoint with good signatures, the last of 2024-02-29T12:34:56Z; a chain that began after it could be missing as a whole
chain 1 (writer w): 2500 entries, the last is 1-2500 of 2024-02-29T12:34:56Z; vouched for up to 1-2490 by {} line 1, made 2024-02-29T12:34:56Z
  beyond the last checkpoint: 10 entries since 2024-02-29T12:34:56Z could have been cut off, written anew or put there by who can write the store
",
        args.checkpoints[0].display()
    );
    assert_eq!((text.as_str(), code), (expected.as_str(), 0));
    let (text, code) = printed(&memory, &self::args(vec![], vec![]));
    assert!(code == 0 && text.contains("by the store alone") && !text.contains("beyond"), "{text}");
    let (text, code) = printed(&memory, &self::args(vec![], args.checkpoints));
    assert!(code == 0 && text.contains("no --public-key was given"), "{text}");
}

#[test]
fn what_is_found_ends_with_1_and_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let (mut memory, args) = log(directory.path());
    memory.chains[0].1[1_233].body.push(' ');
    memory.differs = Some(7);
    let (text, code) = printed(&memory, &args);
    let expected = "\
NOT INTACT, 2 findings: 2500 entries in 1 chain
  entry 1-7: what is listed and searched for it is not what the entry says: its role
  entry 1-1234 changed: what stands there, or what stood before it, is not what the hash was made of
Before anything else, copy";
    assert!(code == 1 && text.starts_with(expected), "{text}");
    let json = How { format: Format::Json, ..args };
    let (text, code) = printed(&memory, &json);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["intact"], &json["proof"], &json["beyond"]), (1, &false.into(), &"signed".into(), &10.into()));
    let changed = serde_json::json!({"kind": "entries-changed", "writer": "w", "number": 1, "from": 1234, "to": 1234});
    assert_eq!(json["findings"][1], changed);
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let (memory, good) = log(directory.path());
    let (text, code) = printed(&memory, &args(good.checkpoints.clone(), vec![]));
    assert!(code == 2 && text.contains("checkpoints holds no PEM"), "{text}");
    let (text, code) = printed(&memory, &args(good.public_keys, vec![directory.path().join("none")]));
    assert!(code == 2 && text.contains("none cannot be read"), "{text}");
}

#[test]
fn a_file_of_checkpoints_that_is_empty_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (memory, good) = log(directory.path());
    let empty = directory.path().join("empty");
    for text in ["", "\n"] {
        std::fs::write(&empty, text).unwrap();
        let (printed, code) = printed(&memory, &args(good.public_keys.clone(), vec![empty.clone()]));
        let note = format!("note: {} has no line: no checkpoint was written to it, or all were taken away\n", empty.display());
        assert!(code == 0 && printed.contains(&note) && printed.contains("there is no checkpoint that is believed"), "{printed}");
    }
}

#[test]
fn keys_are_made_followed_and_never_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second, third] = ["first", "second", "third"].map(|name| directory.path().join(name));
    assert!(create(&first).unwrap().contains("keep a copy of its public half"));
    assert!(create(&first).unwrap_err().contains("exists already"));
    rotate(&first, &second).unwrap();
    assert!(rotate(&first, &second).unwrap_err().contains("exists already"));
    rotate(&second, &third).unwrap();
    for file in [&first, &second, &third, &endorsements_of(&third)] {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let [first, last] = [&first, &third].map(|path| Signer::read(path).unwrap());
    assert_eq!((first.endorsements.len(), last.endorsements.len()), (0, 2));
    let mut trust = Trust::in_keys(&[PublicKey::from_pem(&first.key.public().to_pem()).unwrap()]);
    trust.hear(last.endorsements.iter().map(String::as_str));
    let head = Head { writer: "w".into(), number: 1, seq: 1, hash: crate::audit::chain::Digest::NONE };
    let line = Checkpointer::new(last.key, "w".into(), vec![]).line(&[head], 1).unwrap().unwrap();
    assert_eq!(trust.check(&crate::audit::signed::Sealed::read(&line).unwrap()), Ok(()));
}

#[test]
fn a_cell_of_a_spreadsheet_is_never_a_formula() {
    let cells = ["plain", "a,b", "say \"so\"", "two\nlines", "=HYPERLINK(\"x\")", "-1"];
    assert_eq!(csv(cells), "plain,\"a,b\",\"say \"\"so\"\"\",\"two\nlines\",\"'=HYPERLINK(\"\"x\"\")\",'-1\r\n");
}

#[test]
fn what_is_cut_says_so() {
    assert_eq!((cut("übel", 4), cut("übels", 4)), ("übel".into(), "übe…".into()));
}
