//! Values as a real server answers them (`SHOW lock_timeout` after a login with the same packet).

use proptest::prelude::*;

use super::*;

fn message(parameters: &[(&str, &str)]) -> StartupMessage {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    StartupMessage { minor: 0, parameters: parameters.iter().map(|(key, value)| (bytes(key), bytes(value))).collect() }
}

fn lock_timeout(parameters: &[(&str, &str)], cap: u64) -> u64 {
    let (built, value) = with_lock_timeout(&message(parameters), cap);
    let last = built.parameters.last().filter(|(key, _)| key == "lock_timeout").map(|(_, text)| text.clone());
    assert_eq!(last, (value > 0).then(|| value.to_string().into()));
    value
}

#[test]
fn the_strictest_wins_and_zero_is_none() {
    assert_eq!(lock_timeout(&[("user", "u")], 2000), 2000);
    assert_eq!(lock_timeout(&[("lock_timeout", "500")], 2000), 500);
    assert_eq!(lock_timeout(&[("lock_timeout", "1h")], 2000), 2000);
    assert_eq!(lock_timeout(&[("lock_timeout", "0")], 2000), 2000);
    assert_eq!(lock_timeout(&[("lock_timeout", "500")], 0), 500);
    assert_eq!(lock_timeout(&[("lock_timeout", "nonsense")], 2000), 2000);
    assert_eq!(lock_timeout(&[], 0), 0);
}

#[test]
fn everything_else_stays_where_it_was() {
    let original = message(&[("user", "u"), ("options", "-c geqo=off"), ("_pq_.x", "1"), ("lock_timeout", "1s")]);
    let (built, _) = with_lock_timeout(&original, 2000);
    assert_eq!(built.parameters.split_last(), Some((&("lock_timeout".into(), "1000".into()), original.parameters.as_slice())));
}

#[test]
fn top_level_wins_over_options_and_the_last_duplicate_wins() {
    assert_eq!(lock_timeout(&[("lock_timeout", "900"), ("options", "-c lock_timeout=100")], 2000), 900);
    assert_eq!(lock_timeout(&[("lock_timeout", "100"), ("Lock_Timeout", "900")], 2000), 900);
    assert_eq!(lock_timeout(&[("options", "-c lock_timeout=100"), ("options", "-c lock_timeout=900")], 2000), 900);
    assert_eq!(lock_timeout(&[("options", "-c lock_timeout=100"), ("options", "-c geqo=off")], 2000), 2000);
    assert_eq!(lock_timeout(&[("options", "-c lock_timeout=100 --lock-timeout=900")], 2000), 900);
}

#[test]
fn options_are_read_as_the_server_reads_them() {
    for options in [
        "-c lock_timeout=700",
        "  -clock_timeout=700 ",
        "--lock_timeout=700",
        "--LOCK-timeout=700",
        "-c\tlock_timeout=700ms",
        "-ec lock_timeout=700",
        "-S 64 -c lock_timeout=700",
        "-c lock_timeout=0.7\\ s",
        "-c lock\\_timeout=700",
        "-c geqo=off -c lock_timeout=700",
        "word -c lock_timeout=700",
    ] {
        assert_eq!(lock_timeout(&[("options", options)], 2000), 700, "{options}");
    }
    for options in ["-S -c lock_timeout=700", "-- -c lock_timeout=700", "-c", "-c lock_timeout", "lock_timeout=700", "\\-\\", ""] {
        assert_eq!(lock_timeout(&[("options", options)], 2000), 2000, "{options}");
    }
}

#[test]
fn a_backslash_keeps_the_next_byte() {
    let words = |text: &str| split_options(text.as_bytes()).into_iter().map(|word| String::from_utf8(word).unwrap()).collect::<Vec<_>>();
    assert_eq!(words(r"a\ b c\\d \\ \ "), ["a b", r"c\d", r"\", " "]);
    assert_eq!(words(" \t\n"), Vec::<String>::new());
}

#[test]
fn times_have_postgresqls_units() {
    let cases = [
        ("5", 5),
        (" 5 ms ", 5),
        ("1s", 1_000),
        ("1min", 60_000),
        ("1h", 3_600_000),
        ("1d", 86_400_000),
        ("1500us", 2),
        ("400us", 0),
        ("0.5", 0),
        ("1.5", 2),
        ("0.7s", 700),
        (".5s", 500),
        ("1e3", 1_000),
        ("1E3ms", 1_000),
        ("0x10", 16),
        ("010", 8),
        ("010.5", 10),
        ("+5", 5),
        ("-0", 0),
        ("0.00001d", 0),
        ("2147483647", 2_147_483_647),
    ];
    for (text, expected) in cases {
        assert_eq!(milliseconds(text.as_bytes()), Some(expected), "{text}");
    }
    for text in
        ["", "s", "5 S", "5m", "-1", "2147483648", "99999999999999999999", "5 ms x", "08", "0x", "nan", "inf", "'2s'", "5,5", "1.2.3", "\u{a0}5"]
    {
        assert_eq!(milliseconds(text.as_bytes()), None, "{text}");
    }
    assert_eq!(milliseconds(b"5\xff"), None);
}

#[test]
fn booleans_may_be_abbreviated() {
    for text in ["on", "ON", "t", "tr", "true", "y", "yes", "1"] {
        assert_eq!(boolean(text.as_bytes()), Some(true), "{text}");
    }
    for text in ["off", "of", "f", "FALSE", "n", "no", "0"] {
        assert_eq!(boolean(text.as_bytes()), Some(false), "{text}");
    }
    for text in ["", "o", "truely", "2", " on", "10"] {
        assert_eq!(boolean(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn only_utf8_is_accepted_in_all_its_spellings() {
    for text in ["UTF8", "utf-8", "'utf-8'", "Unicode", "\"UTF8\"", "utf_8"] {
        assert_eq!(unacceptable(&message(&[("client_encoding", text)])), None, "{text}");
    }
    for text in ["LATIN1", "SQL_ASCII", "GBK", "auto", "", "utf88"] {
        let expected = Some(Unacceptable::ClientEncoding(text.to_owned()));
        assert_eq!(unacceptable(&message(&[("client_encoding", text)])), expected, "{text}");
    }
    assert!(unacceptable(&message(&[("options", "-c client-encoding=SJIS")])).is_some());
    assert_eq!(unacceptable(&message(&[("client_encoding", "UTF8"), ("options", "-c client_encoding=SJIS")])), None);
    assert_eq!(unacceptable(&message(&[("user", "u")])), None);
}

#[test]
fn backslashes_in_strings_and_replication_are_refused() {
    assert_eq!(unacceptable(&message(&[("standard_conforming_strings", "on")])), None);
    let expected = Some(Unacceptable::StandardConformingStrings("of".to_owned()));
    assert_eq!(unacceptable(&message(&[("options", "--standard-conforming-strings=of")])), expected);
    for value in ["database", "true", "1", "on", "maybe"] {
        assert_eq!(unacceptable(&message(&[("replication", value), ("replication", "false")])), Some(Unacceptable::Replication), "{value}");
    }
    assert_eq!(unacceptable(&message(&[("replication", "false")])), None);
    let expected = Some(Unacceptable::SessionReplicationRole("replica".into()));
    assert_eq!(unacceptable(&message(&[("options", "-c session_replication_role=replica")])), expected);
    assert_eq!(unacceptable(&message(&[("Session_Replication_Role", "Origin")])), None);
    assert_eq!(unacceptable(&message(&[("event_triggers", "off")])), Some(Unacceptable::EventTriggers("off".into())));
    assert_eq!(unacceptable(&message(&[("event_triggers", "on")])), None);
}

#[test]
fn the_database_defaults_to_the_role() {
    let expected = |role: &str, database: &str| Who { role: role.to_owned(), database: database.to_owned(), application_name: None };
    assert_eq!(who(&message(&[("user", "u")])), Some(expected("u", "u")));
    assert_eq!(who(&message(&[("user", "u"), ("database", "")])), Some(expected("u", "u")));
    assert_eq!(who(&message(&[("user", "u"), ("database", "d"), ("user", "v")])), Some(expected("v", "d")));
    let long = "x".repeat(70);
    assert_eq!(who(&message(&[("user", &long)])), Some(expected(&long[..63], &long[..63])));
    assert_eq!(who(&message(&[("user", "")])), None);
    assert_eq!(who(&message(&[("database", "d")])), None);
    let named = who(&message(&[("user", "u"), ("options", "-c application_name=deploy\\ tool")])).unwrap();
    assert_eq!(named.application_name.as_deref(), Some("deploy tool"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(options in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = switches(&split_options(&options));
        let _ = milliseconds(&options);
        let _ = boolean(&options);
    }

    #[test]
    fn strange_numbers_do_not_make_it_panic(text in "[-+0-9xXeE. a-f]{0,12}(us|ms|s|min|h|d)?") {
        let _ = milliseconds(text.as_bytes());
    }
}
