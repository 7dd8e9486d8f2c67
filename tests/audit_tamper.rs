//! Whatever somebody does to the log, it is found, or lies behind the last checkpoint and is declared to. The logs and what is done to them are made up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "audit_tamper/log.rs"]
mod log;

use pgairlock::audit::chain::{Digest, Entry};
use pgairlock::audit::verify::{Finding, Proof, Verdict, Writer};
use proptest::prelude::*;
use proptest::sample::Index;

use log::{Happening, Log, WRITERS, key, log, writer};

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![3 => (0..WRITERS).prop_map(Happening::Entry), 1 => (0..WRITERS).prop_map(Happening::Checkpoint)]
}

fn logs() -> impl Strategy<Value = Log> {
    prop::collection::vec(happening(), 0..60).prop_map(|random| {
        // Each process writes at least two entries and one checkpoint, so that there is something to do to it.
        let begin =
            [Happening::Entry(0), Happening::Entry(1), Happening::Entry(0), Happening::Checkpoint(1), Happening::Entry(2), Happening::Entry(2)];
        let happenings: Vec<Happening> = begin.into_iter().chain(random).chain([Happening::Checkpoint(0), Happening::Entry(1)]).collect();
        log(&happenings, 1, "")
    })
}

/// An entry of some chain.
fn pick(log: &Log, chain: Index, entry: Index) -> (usize, usize) {
    let chain = chain.index(log.chains.len());
    (chain, entry.index(log.chains[chain].1.len()))
}

fn found(log: &Log) -> bool {
    !log.verified(&[1]).is_intact()
}

/// Behind the last checkpoint, which `verify` said before anything was done.
fn declared(before: &Log, chain: usize, seq: i64) -> bool {
    let verdict = before.verified(&[1]);
    let of_chain = verdict.chains.iter().find(|verdict| verdict.writer == before.chains[chain].0.writer).unwrap();
    let vouched = of_chain.vouched.as_ref().map_or(0, |vouched| vouched.seq);
    vouched < seq && of_chain.beyond == u64::try_from(of_chain.last - vouched).unwrap()
}

fn flipped(text: &str, at: Index, bit: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = at.index(bytes.len());
    bytes[at] ^= 1 << bit;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Does one thing to an entry that is not made good again.
fn deface(entry: &mut Entry, field: u8, at: Index, bit: u8) {
    match field {
        0 => entry.body = flipped(&entry.body, at, bit),
        1 => entry.at_unix_micros ^= 1 << (at.index(8) * 8 + usize::from(bit)),
        2 => entry.seq ^= 1 << (at.index(7) * 8 + usize::from(bit)),
        _ => entry.hash.0[at.index(32)] ^= 1 << bit,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_nobody_touched_is_intact(log in logs(), removed in any::<Index>()) {
        let verdict = log.verified(&[1]);
        prop_assert_eq!((&verdict.findings, &verdict.notes, verdict.proof), (&vec![], &vec![], Proof::Signed));
        let mut retained = log.clone();
        let removed = 1 + removed.index(log.chains[0].1.len());
        retained.retain(0, removed, Some(1));
        let verdict = retained.verified(&[1]);
        prop_assert_eq!(&verdict.findings, &vec![]);
        prop_assert_eq!(verdict.entries(), log.verified(&[1]).entries() - u64::try_from(removed).unwrap());
    }

    #[test]
    fn a_byte_of_an_entry(log in logs(), chain: Index, entry: Index, field in 0_u8..4, at: Index, bit in 0_u8..8) {
        let (chain, place) = pick(&log, chain, entry);
        let mut after = log.clone();
        deface(&mut after.chains[chain].1[place], field, at, bit);
        prop_assume!(after.chains[chain].1[place] != log.chains[chain].1[place]);
        prop_assert!(found(&after));
    }

    #[test]
    fn the_name_or_number_of_a_chain(log in logs(), chain: Index, at: Index, bit in 0_u8..8) {
        let chain = chain.index(log.chains.len());
        let mut after = log.clone();
        after.chains[chain].0.writer = flipped(&log.chains[chain].0.writer, at, bit);
        prop_assert!(found(&after));
        let mut after = log.clone();
        after.chains[chain].0.number ^= 1 << bit;
        prop_assert!(found(&after));
    }

    #[test]
    fn a_row_that_is_taken_away(log in logs(), chain: Index, entry: Index) {
        let (chain, place) = pick(&log, chain, entry);
        let mut after = log.clone();
        let seq = after.chains[chain].1.remove(place).seq;
        let last = place == after.chains[chain].1.len();
        prop_assert!(found(&after) || (last && declared(&log, chain, seq)));
    }

    #[test]
    fn rows_that_change_places(log in logs(), chain: Index, one: Index, other: Index, with_numbers: bool) {
        let (chain, one) = pick(&log, chain, one);
        let other = other.index(log.chains[chain].1.len());
        prop_assume!(one != other);
        let mut after = log.clone();
        let entries = &mut after.chains[chain].1;
        entries.swap(one, other);
        if !with_numbers {
            (entries[one].seq, entries[other].seq) = (entries[other].seq, entries[one].seq);
        }
        prop_assert!(found(&after));
    }

    #[test]
    fn an_end_that_is_cut_off(log in logs(), chain: Index, entry: Index) {
        let (chain, place) = pick(&log, chain, entry);
        let mut after = log.clone();
        after.chains[chain].1.truncate(place);
        prop_assert!(found(&after) || declared(&log, chain, log.chains[chain].1[place].seq));
    }

    #[test]
    fn a_process_that_was_never_there(log in logs(), chain: Index) {
        let chain = chain.index(log.chains.len());
        let mut after = log.clone();
        after.chains.remove(chain);
        prop_assert!(found(&after) || declared(&log, chain, 1));
    }

    #[test]
    fn a_tail_that_is_made_sound_again(log in logs(), chain: Index, entry: Index, what in 0_u8..3) {
        let (chain, place) = pick(&log, chain, entry);
        let mut after = log.clone();
        // A copy of an entry is the first that is not as it was.
        let seq = log.chains[chain].1[place].seq + i64::from(what == 2);
        match what {
            0 => after.chains[chain].1[place].body.push(' '),
            1 => after.chains[chain].1[place].at_unix_micros += 1,
            _ => {
                let entry = after.chains[chain].1[place].clone();
                after.chains[chain].1.insert(place, entry);
            }
        }
        after.rehash(chain, place);
        prop_assert!(found(&after) || declared(&log, chain, seq));
        // Only a checkpoint, or somebody who began later, tells: the chain itself is sound.
        let alone = Log { checkpoints: vec![], ..after }.verified(&[1]);
        prop_assert!(alone.findings.iter().all(|finding| matches!(finding, Finding::SeenOtherwise { .. })), "{:?}", told(&alone));
    }

    #[test]
    fn a_log_that_is_made_anew(log in logs(), happenings in prop::collection::vec(happening(), 1..60), other_names: bool) {
        let mut anew = log::log(&happenings, 1, "!");
        if other_names {
            for (number, (chain, entries)) in anew.chains.iter_mut().enumerate() {
                chain.writer = format!("other {number}");
                let body = entries[0].body.clone();
                entries[0].body = (0..WRITERS).fold(body, |body, of| body.replace(&writer(of), &format!("other {number}")));
            }
            (0..anew.chains.len()).for_each(|chain| anew.rehash(chain, 0));
        }
        anew.checkpoints = log.checkpoints.clone();
        prop_assert!(found(&anew));
    }

    #[test]
    fn a_checkpoint_that_is_taken_away(log in logs(), line: Index) {
        let line = line.index(log.checkpoints.len());
        let mut after = log.clone();
        let gone = after.checkpoints.remove(line);
        let by = |text: &str| (0..WRITERS).find(|number| text.contains(&format!("\"writer\":\"{}\",\"heads\"", writer(*number)))).unwrap();
        let is_last_of_its_process = !log.checkpoints[line + 1..].iter().any(|later| by(later) == by(&gone));
        prop_assert_eq!(found(&after), !is_last_of_its_process);
        for (chain, entries) in &after.chains {
            let (now, then) = (after.vouched(&chain.writer), log.vouched(&chain.writer));
            prop_assert!(now <= then && now <= entries.last().unwrap().seq);
        }
    }

    #[test]
    fn a_byte_of_a_checkpoint(log in logs(), at: Index, bit in 0_u8..8) {
        let file = log.file();
        let after = flipped(&file, at, bit);
        prop_assume!(after != file);
        let verdict = log.verified_with(&after, &[1]);
        // What ends in its midst may have been torn by a crash; that is told.
        prop_assert!(!verdict.is_intact() || !verdict.notes.is_empty(), "{}", after);
    }

    #[test]
    fn a_byte_of_an_anchor(log in logs(), removed: Index, at: Index, bit in 0_u8..8) {
        let mut log = log;
        let removed = 1 + removed.index(log.chains[0].1.len());
        log.retain(0, removed, Some(1));
        log.anchors[0] = flipped(&log.anchors[0], at, bit);
        prop_assert!(found(&log));
    }

    #[test]
    fn a_beginning_that_is_taken_away(log in logs(), removed: Index, forger in prop::option::of(2_u8..4)) {
        let mut log = log;
        let removed = 1 + removed.index(log.chains[0].1.len());
        log.retain(0, removed, forger);
        prop_assert!(found(&log));
        log.anchors.clear();
        prop_assert!(found(&log));
    }

    #[test]
    fn what_retention_takes_is_stood_for_at_each_step(log in logs(), first in 0_i64..80, second in 0_i64..80, lives: bool) {
        let all = log.verified(&[1]).entries();
        let mut retained = log;
        let mut passed = retained.expire(first * 1_000_000, lives, 1);
        passed.extend(retained.expire(second * 1_000_000, lives, 1));
        passed.push(retained.clone());
        for step in &passed {
            let verdict = step.verified(&[1]);
            prop_assert_eq!(&verdict.findings, &vec![]);
            let removed: i64 = verdict.chains.iter().filter_map(|chain| chain.removed.as_ref()).map(|removed| removed.entries).sum();
            prop_assert_eq!(verdict.entries() + u64::try_from(removed).unwrap(), all);
        }
        // A chain of which nothing is left need not be called one any more.
        retained.chains.retain(|(_, entries)| !entries.is_empty());
        prop_assert_eq!(&retained.verified(&[1]).findings, &vec![]);
    }

    #[test]
    fn what_retention_has_left_is_held_as_before(log in logs(), limit in 10_i64..60, lives: bool, chain: Index, entry: Index, what in 0_u8..5) {
        let mut after = log;
        let passed = after.expire(limit * 1_000_000, lives, 1);
        prop_assume!(!passed.is_empty());
        let before = after.clone();
        let (chain, place) = (chain.index(after.chains.len()), entry.index(before.anchors.len()));
        match what {
            // The anchor of a chain, or of an earlier time; and one that is another's.
            0 => drop(after.anchors.remove(place)),
            1 => after.anchors = passed[entry.index(passed.len())].anchors.clone(),
            2 => {
                let writer = before.chains[chain].0.writer.clone();
                let other = before.anchors[place].clone();
                prop_assume!(!other.contains(&writer));
                after.anchors.retain(|line| !line.contains(&writer));
                after.anchors.push(other.replace(&(0..WRITERS).map(log::writer).find(|name| other.contains(name)).unwrap(), &writer));
            }
            // More of the beginning, or all that is left.
            3 => {
                prop_assume!(!before.chains[chain].1.is_empty());
                let more = 1 + entry.index(before.chains[chain].1.len());
                drop(after.chains[chain].1.drain(..more));
            }
            _ => {
                prop_assume!(!before.chains[chain].1.is_empty());
                let place = entry.index(before.chains[chain].1.len());
                after.chains[chain].1[place].body.push(' ');
            }
        }
        prop_assume!(after.anchors != before.anchors || after.chains != before.chains);
        let named = before.vouched(&before.chains[chain].0.writer);
        let gone = what == 3 && after.chains[chain].1.is_empty() && before.chains[chain].1.first().unwrap().seq > named;
        prop_assert!(found(&after) || gone && declared(&before, chain, before.chains[chain].1[0].seq), "{:?}", after.anchors);
    }

    #[test]
    fn checkpoints_of_another_key(happenings in prop::collection::vec(happening(), 4..60)) {
        let forged = log(&happenings, 2, "!");
        prop_assume!(!forged.checkpoints.is_empty());
        prop_assert!(forged.verified(&[2]).is_intact());
        prop_assert!(found(&forged));
        // The honest key's name on it does not help.
        let named = Log { checkpoints: forged.checkpoints.iter().map(|line| line.replace(&key(2).id().0, &key(1).id().0)).collect(), ..forged };
        prop_assert!(found(&named));
    }
}

/// Process 0 and 1 write ten entries and two checkpoints each, then one entry more.
fn plain() -> Log {
    let round = |of: usize| std::iter::repeat_n(Happening::Entry(of), 5).chain([Happening::Checkpoint(of)]);
    let all = round(0).chain(round(1)).chain(round(0)).chain(round(1)).chain([Happening::Entry(0)]);
    log(&all.collect::<Vec<_>>(), 1, "")
}

fn told(verdict: &Verdict) -> Vec<String> {
    verdict.findings.iter().map(ToString::to_string).collect()
}

fn after(change: impl FnOnce(&mut Log)) -> Verdict {
    let mut log = plain();
    change(&mut log);
    log.verified(&[1])
}

fn chain(number: usize) -> Writer {
    Writer { writer: writer(number), number: i64::try_from(number + 1).unwrap() }
}

#[test]
fn each_finding_names_the_entry() {
    let verdict = after(|log| log.chains[0].1[6].body.push(' '));
    assert_eq!(verdict.findings, [Finding::EntriesChanged { chain: chain(0), from: 7, to: 7 }]);
    let verdict = after(|log| log.chains[1].1[2].hash = Digest([9; 32]));
    assert_eq!(verdict.findings, [Finding::EntriesChanged { chain: chain(1), from: 3, to: 3 }]);
    let verdict = after(|log| drop(log.chains[1].1.remove(3)));
    assert_eq!(verdict.findings, [Finding::EntriesMissing { chain: chain(1), from: 4, to: 4 }]);
    let verdict = after(|log| log.chains[0].1.swap(2, 3));
    let (missing, place) = (Finding::EntriesMissing { chain: chain(0), from: 3, to: 3 }, Finding::OutOfOrder { chain: chain(0), seq: 3, after: 4 });
    assert_eq!(verdict.findings, [missing, place]);
    let verdict = after(|log| drop(log.chains[0].1.drain(..2)));
    assert!(matches!(&*verdict.findings, [Finding::BeginsWithoutAnchor { seq: 3, .. }]), "{:?}", told(&verdict));
}

#[test]
fn what_only_checkpoints_tell_names_them() {
    let cut = after(|log| log.chains[0].1.truncate(8));
    let expected = format!("the end of chain 1 (writer {}) is missing: it ends with 8, and checkpoints line 3 names entry 1-10", writer(0));
    assert_eq!(told(&cut)[0], expected, "{:?}", told(&cut));
    let rewritten = after(|log| {
        log.chains[0].1[6].body.push(' ');
        log.rehash(0, 6);
    });
    let expected = "was written anew: entry 1-10 is not the one that checkpoints line 3 names, so something behind 1-5 was changed";
    assert!(told(&rewritten)[0].ends_with(expected), "{:?}", told(&rewritten));
    let gone = after(|log| drop(log.chains.remove(1)));
    assert!(told(&gone)[0].contains("is missing as a whole"), "{:?}", told(&gone));
}

#[test]
fn who_began_later_has_seen_the_others() {
    let mut log = plain();
    log.checkpoints.clear();
    assert!(log.verified(&[]).is_intact());
    log.chains[0].1[2].body.push(' ');
    log.rehash(0, 2);
    assert_eq!(log.verified(&[]).findings, [Finding::SeenOtherwise { chain: chain(0), seq: 5, by: writer(1) }]);
    log.chains[0].1.truncate(3);
    assert_eq!(log.verified(&[]).findings, [Finding::SeenAndGone { chain: chain(0), seq: 5, by: writer(1) }]);
    log.chains.remove(0);
    assert_eq!(log.verified(&[]).findings, [Finding::SeenAndGone { chain: chain(0), seq: 5, by: writer(1) }]);
}

#[test]
fn the_window_behind_the_last_checkpoint_is_told() {
    let verdict = plain().verified(&[1]);
    let [first, second] = &*verdict.chains else { panic!("{verdict:?}") };
    assert_eq!((first.vouched.as_ref().map(|vouched| vouched.seq), first.beyond, first.beyond_since_unix_micros), (Some(10), 1, Some(25_000_000)));
    assert_eq!((second.vouched.as_ref().map(|vouched| vouched.seq), second.beyond, second.overdue), (Some(10), 0, false));
    assert_eq!((verdict.checkpoints, verdict.beyond(), verdict.last_checkpoint_unix_micros), (4, 1, Some(24_000_000)));
    let mut alone = plain();
    alone.checkpoints.clear();
    let verdict = alone.verified(&[1]);
    assert_eq!((verdict.proof, verdict.beyond(), verdict.chains[0].overdue), (Proof::Chain, 21, true));
    assert_eq!(plain().verified(&[]).proof, Proof::Unsigned);
}

#[test]
fn a_torn_line_is_told_and_a_line_that_comes_twice_is_one() {
    let log = plain();
    let twice = format!("{}{}", log.file(), log.file());
    assert!(log.verified_with(&twice, &[1]).is_intact());
    let file = log.file();
    let torn = format!("{}\n", &file[..file.len() - 20]);
    let verdict = log.verified_with(&torn, &[1]);
    assert!(verdict.is_intact() && verdict.notes[0].contains("checkpoints line 4 ends in its midst"), "{verdict:?}");
    assert_eq!(verdict.chains[1].vouched.as_ref().map(|vouched| vouched.seq), Some(5));
}

#[test]
fn a_key_that_was_followed_is_enough() {
    use pgairlock::audit::checkpoint::Checkpointer;
    use pgairlock::audit::trust::endorse;
    let mut log = log(&[Happening::Entry(0), Happening::Entry(0)], 1, "");
    let last = log.chains[0].1.last().unwrap();
    let head = pgairlock::audit::chain::Head { writer: writer(0), number: 1, seq: last.seq, hash: last.hash };
    let endorsements = vec![endorse(&key(1), &key(2).public(), 3).unwrap(), endorse(&key(2), &key(3).public(), 4).unwrap()];
    log.checkpoints.extend(Checkpointer::new(key(3), writer(0), endorsements).line(&[head], 5).unwrap());
    for (keys, intact) in [(&[1_u8] as &[u8], true), (&[2], true), (&[3], true), (&[4, 1], true), (&[4], false)] {
        assert_eq!(log.verified(keys).is_intact(), intact, "{keys:?}");
    }
}

#[test]
fn no_more_findings_are_kept_than_anybody_reads() {
    let mut log = log(&[Happening::Entry(0); 5_000], 1, "");
    log.chains[0].1.retain(|entry| entry.seq % 2 == 1);
    let verdict = log.verified(&[]);
    assert_eq!((verdict.findings.len(), verdict.more_findings), (1_000, 1_499));
}
