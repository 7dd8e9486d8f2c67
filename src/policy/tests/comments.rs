//! What is composed of a user's ALTER TABLE, whatever comments stand in it.

use super::*;
use crate::sql::tokens;

/// Comments that may stand between any two tokens.
const COMMENTS: &[&str] = &["-- note\n", "-- a, 'b' \"c\" (\r\n", "/* x */", "/* -- x */", "/* , */-- y\n", "\n--\n"];

/// Commands with `~` where a comment may stand, and what they must become in the first statement; none where they leave it.
const COMMANDS: &[(&str, Option<&str>)] = &[
    ("ADD COLUMN c int~ CHECK (c > 0~)~ DEFAULT 5", Some("ADD COLUMN c int DEFAULT 5, ADD CONSTRAINT t_c_check CHECK (c > 0) NOT VALID")),
    ("ADD COLUMN c int~ DEFAULT 5~ CHECK (c > 0)", Some("ADD COLUMN c int DEFAULT 5, ADD CONSTRAINT t_c_check CHECK (c > 0) NOT VALID")),
    (
        "ADD COLUMN c int~ DEFAULT 5~ CHECK (c > 0)~ NOT NULL",
        Some("ADD COLUMN c int DEFAULT 5 NOT NULL, ADD CONSTRAINT t_c_check CHECK (c > 0) NOT VALID"),
    ),
    (
        "ADD COLUMN c int~ CONSTRAINT k CHECK~ (c > 0)~ NOT NULL~ DEFAULT 5",
        Some("ADD COLUMN c int NOT NULL DEFAULT 5, ADD CONSTRAINT k CHECK (c > 0) NOT VALID"),
    ),
    ("ADD COLUMN c int~ UNIQUE~ NOT NULL~ DEFAULT 7", Some("ADD COLUMN c int NOT NULL DEFAULT 7")),
    ("ADD COLUMN c int~ UNIQUE~ DEFERRABLE~ DEFAULT 7", Some("ADD COLUMN c int DEFAULT 7")),
    ("ADD COLUMN c int~ UNIQUE~ CHECK (c > 1)~ NULL", Some("ADD COLUMN c int NULL, ADD CONSTRAINT t_c_check CHECK (c > 1) NOT VALID")),
    (
        "ADD COLUMN c int~ DEFAULT 1~ REFERENCES p~ (id)~ ON DELETE CASCADE~ NOT NULL",
        Some("ADD COLUMN c int DEFAULT 1 NOT NULL, ADD CONSTRAINT t_c_fkey FOREIGN KEY (c) REFERENCES p (id) ON DELETE CASCADE NOT VALID"),
    ),
    (
        "ADD COLUMN c int~ REFERENCES p (id)~ DEFERRABLE~ INITIALLY~ DEFERRED~ DEFAULT 1",
        Some("ADD COLUMN c int DEFAULT 1, ADD CONSTRAINT t_c_fkey FOREIGN KEY (c) REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED NOT VALID"),
    ),
    (
        "ADD c text~ CHECK (c <> '--')~ COLLATE \"C\"~ DEFAULT '/*'",
        Some("ADD c text COLLATE \"C\" DEFAULT '/*', ADD CONSTRAINT t_c_check CHECK (c <> '--') NOT VALID"),
    ),
    ("ADD~ COLUMN~ IF NOT EXISTS~ c~ varchar(5)~ UNIQUE", Some("ADD COLUMN IF NOT EXISTS c varchar(5)")),
    (
        "ADD COLUMN c int~ CHECK (c > 0)~ CHECK (c < 9)~ DEFAULT 5",
        Some("ADD COLUMN c int DEFAULT 5, ADD CONSTRAINT t_c_check CHECK (c > 0) NOT VALID, ADD CONSTRAINT t_c_check1 CHECK (c < 9) NOT VALID"),
    ),
    ("ADD COLUMN c int~ DEFAULT (1~ + 2)~ UNIQUE", Some("ADD COLUMN c int DEFAULT (1 + 2)")),
    ("ADD COLUMN d int", Some("ADD COLUMN d int")),
    ("ADD COLUMN d int~ DEFAULT 1~ NOT NULL", Some("ADD COLUMN d int DEFAULT 1 NOT NULL")),
    ("ADD d text~ DEFAULT $$--$$", Some("ADD d text DEFAULT $$--$$")),
    ("ADD COLUMN d text[]~ DEFAULT ARRAY['a'~, 'b']", Some("ADD COLUMN d text[] DEFAULT ARRAY['a', 'b']")),
    ("ADD COLUMN d int~ REFERENCES p", Some("ADD COLUMN d int REFERENCES p")),
    ("ADD CHECK~ (a > 0)", Some("ADD CONSTRAINT t_a_check CHECK (a > 0) NOT VALID")),
    ("ADD~ CHECK~ (a > 0~)", Some("ADD CONSTRAINT t_a_check CHECK (a > 0) NOT VALID")),
    ("ADD~ CHECK (a > 0)~ NO INHERIT", Some("ADD CONSTRAINT t_a_check CHECK (a > 0) NO INHERIT NOT VALID")),
    ("ADD~ CONSTRAINT~ x~ CHECK~ (a > 0)", Some("ADD CONSTRAINT x CHECK (a > 0) NOT VALID")),
    ("ADD~ CONSTRAINT~ \"X -- y\"~ CHECK (a > 0)", Some("ADD CONSTRAINT \"X -- y\" CHECK (a > 0) NOT VALID")),
    ("ADD CONSTRAINT x CHECK (a > 0)~ NOT VALID", Some("ADD CONSTRAINT x CHECK (a > 0) NOT VALID")),
    ("ADD~ FOREIGN KEY~ (a)~ REFERENCES~ p~ (id)", Some("ADD CONSTRAINT t_a_fkey FOREIGN KEY (a) REFERENCES p (id) NOT VALID")),
    (
        "ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES p~ ON DELETE SET NULL~ DEFERRABLE",
        Some("ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES p ON DELETE SET NULL DEFERRABLE NOT VALID"),
    ),
    ("ALTER~ COLUMN~ a~ SET~ NOT NULL", Some("ADD CONSTRAINT __pgairlock_t_a_nn CHECK (a IS NOT NULL) NOT VALID")),
    ("ALTER id~ SET NOT NULL", Some("ALTER id SET NOT NULL")),
    ("ADD~ UNIQUE~ (a)", None),
    ("ADD CONSTRAINT u UNIQUE (a~, b)~ WITH (fillfactor~ = 70~)", None),
    ("ADD CONSTRAINT u UNIQUE~ (a)~ INCLUDE (ts)~ DEFERRABLE", None),
    ("ALTER a~ SET DEFAULT~ 5", Some("ALTER a SET DEFAULT 5")),
    ("ALTER a~ DROP DEFAULT", Some("ALTER a DROP DEFAULT")),
    ("ALTER b~ TYPE~ varchar~ (100)", Some("ALTER b TYPE varchar(100)")),
    ("ALTER ts~ DROP NOT NULL", Some("ALTER ts DROP NOT NULL")),
    ("OWNER TO~ somebody", Some("OWNER TO somebody")),
    ("SET~ (fillfactor~ = 70)", Some("SET (fillfactor = 70)")),
    ("DISABLE TRIGGER~ USER", Some("DISABLE TRIGGER USER")),
    ("DROP CONSTRAINT~ IF EXISTS~ gone", Some("DROP CONSTRAINT IF EXISTS gone")),
    ("ALTER a~ SET STATISTICS~ 100", Some("ALTER a SET STATISTICS 100")),
    ("REPLICA IDENTITY~ FULL", Some("REPLICA IDENTITY FULL")),
];

/// The tokens of a statement: what is left of it without comments and white space.
fn letters(sql: &str) -> Vec<String> {
    let tokens = tokens::significant(sql, &(0..sql.len())).unwrap();
    tokens.iter().map(|token| sql[token.span.clone()].to_owned()).collect()
}

/// The first statement that the server would be sent.
fn first_step(sql: &str) -> String {
    match ask().of(sql).decision.plan {
        Plan::Rewrite(form) => form.steps()[0].sql.clone(),
        Plan::Pass => sql.to_owned(),
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn no_comment_hides_a_command_or_a_part_of_one() {
    for (command, kept) in COMMANDS {
        for comment in COMMENTS {
            let command = command.replace('~', &format!(" {comment} "));
            if let Some(kept) = kept {
                let sql = format!("ALTER TABLE t {comment} {command} {comment}");
                assert_eq!(letters(&first_step(&sql)), letters(&format!("ALTER TABLE t {kept}")), "{sql}");
            }
            let before = format!("ALTER TABLE IF EXISTS t {comment} {command} {comment} , {comment} ADD COLUMN z int {comment} UNIQUE");
            let after = format!("ALTER TABLE IF EXISTS t {comment} ADD COLUMN z int {comment} UNIQUE {comment} , {comment} {command}");
            let expected = match kept {
                Some(kept) => [format!("{kept}, ADD COLUMN z int"), format!("ADD COLUMN z int, {kept}")],
                None => ["ADD COLUMN z int".to_owned(), "ADD COLUMN z int".to_owned()],
            };
            for (sql, expected) in [before, after].iter().zip(expected) {
                // What cannot be taken back does not go together with a step that may fail.
                if let Plan::Refuse(refusal) = ask().of(sql).decision.plan {
                    assert!(NOT_TAKEN_BACK.iter().any(|word| command.starts_with(word)), "{sql}: {}", refusal.message);
                    assert!(refusal.message.contains("write each as a statement of its own"), "{sql}: {}", refusal.message);
                    continue;
                }
                assert_eq!(letters(&first_step(sql)), letters(&format!("ALTER TABLE IF EXISTS t {expected}")), "{sql}");
            }
        }
    }
}

/// Commands that change what was there before.
const NOT_TAKEN_BACK: &[&str] = &["ALTER a", "ALTER b", "ALTER ts", "OWNER", "SET", "DISABLE", "DROP", "REPLICA"];
