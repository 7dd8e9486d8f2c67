//! The settings that decide; filled and validated by `config`.

use std::collections::BTreeMap;

pub use crate::rules::protection::Protection;
pub use crate::rules::{goes_by_size, guards_the_proxy};
pub use crate::sql::redact::Literals;

/// What policy a listener's sessions live under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySettings {
    /// Relations below this many bytes are small: their lock and work hazards pass. Default 1 MB (1,048,576).
    pub small_table_bytes: u64,
    /// The same by rule id, where a rule has a size of its own.
    pub thresholds: BTreeMap<String, u64>,
    /// Longest string of SQL that is parsed, in bytes; longer ones are refused. Default 4 MB.
    pub statement_bytes: usize,
    /// What no transaction can hold may wait for its COMMIT; otherwise it is refused there. Default yes.
    pub defers: bool,
    /// How long the rows are searched for what a constraint does not allow before it is left for after COMMIT, in milliseconds. Default 2 s.
    pub search_ms: u64,
    /// How long a COMMIT is held back at most for one step of what waits for it, in milliseconds. Default 1 h.
    pub hold_ms: u64,
    /// Severity by rule id; absent is `Refuse`.
    pub rules: BTreeMap<String, Severity>,
    /// Exceptions, each with its reason.
    pub exemptions: Vec<Exemption>,
    /// Tables that nothing but an exemption of their own lets anybody hit.
    pub protected: Vec<Protection>,
    /// Who may lift what by a directive in the SQL. Default nobody, nothing.
    pub directives: Vec<Grant>,
    /// Refusals that a person may lift. Default none.
    pub approvals: Vec<Approvable>,
    /// Where approvers find the dashboard, without a `/` at its end. Default nowhere.
    pub dashboard: Option<String>,
    /// What becomes of values in what is recorded. Default they stay.
    pub literals: Literals,
    /// Which statements are recorded. Default DDL.
    pub recorded: Recorded,
}

/// Which statements are recorded, each before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// DDL and its like, and whatever a rule has something to say about. The rest is counted.
    Ddl,
    /// Every one.
    All,
}

/// What a rule's finding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Act as designed: rewrite or refuse.
    Refuse,
    /// Forward unchanged with a WARNING.
    Warn,
    /// Forward unchanged, recorded only.
    Off,
}

/// `[[exempt]]`: all given fields must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// The role that logged in.
    pub role: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// `schema.table`, or a bare name that means any schema.
    pub table: Option<String>,
    /// application_name as sent at start-up.
    pub application_name: Option<String>,
    /// The rules that it lifts; never empty.
    pub rules: Vec<String>,
    /// Why; never empty; goes into every record.
    pub reason: String,
}

/// `[[directive]]`: who may have a rule lifted by a directive in the SQL. All given fields must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The role that logged in.
    pub role: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// application_name as sent at start-up.
    pub application_name: Option<String>,
    /// The rules that may be lifted; never empty, and none that guards the proxy.
    pub rules: Vec<String>,
}

/// `[[approval]]`: what a person may let through, one statement at a time. All given fields must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvable {
    /// The role that logged in.
    pub role: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// application_name as sent at start-up.
    pub application_name: Option<String>,
    /// The rules that may be lifted; never empty, and none that guards the proxy.
    pub rules: Vec<String>,
    /// How many persons have to say so: 1 or 2. Default 1.
    pub people: u32,
    /// How long a statement waits for them where its transaction holds nothing, in milliseconds. Default 0: it fails at once.
    pub wait_ms: u64,
}

/// Who is asking, as far as policy looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Principal {
    /// The role of the start-up packet.
    pub role: String,
    /// The database.
    pub database: String,
    /// application_name of the start-up packet.
    pub application_name: Option<String>,
}

/// What the listener does with findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Rewrite and refuse.
    Enforce,
    /// Forward unchanged; NOTICE and record what enforce would do; lock_timeout held.
    Warn,
    /// Bytes.
    Off,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            small_table_bytes: 1 << 20,
            thresholds: BTreeMap::new(),
            statement_bytes: 4 << 20,
            defers: true,
            search_ms: 2_000,
            hold_ms: 3_600_000,
            rules: BTreeMap::new(),
            exemptions: Vec::new(),
            directives: Vec::new(),
            protected: Vec::new(),
            approvals: Vec::new(),
            dashboard: None,
            literals: Literals::Keep,
            recorded: Recorded::Ddl,
        }
    }
}
