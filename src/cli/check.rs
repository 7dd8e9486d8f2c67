//! `pgairlock check`: files in, verdicts out; nothing is run.

use std::io::{IsTerminal, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::{SUCCESS, USAGE, fail};
use crate::catalog::estimate::{self, Speed};
use crate::catalog::facts::Facts;
use crate::catalog::questions::Answer;
use crate::check::judge::{self, Asking, Course, MOST_BYTES, Read};
use crate::check::report::{FileReport, Lines, Outcome, Problem};
use crate::check::source::{self, Around, Direction, Part};
use crate::check::{github, gitlab, json, sarif, text};
use crate::policy::foresee::Basis;
use crate::policy::settings::{PolicySettings, Principal};
use crate::upstream::client::{Client, DatabaseUrl, StatementError};
use crate::{config, rules};

/// Something is as bad as `--fail-on` says, or worse.
const FOUND: u8 = 1;
/// What could not be judged ends with the same as what could not be read.
const COULD_NOT: u8 = USAGE;
/// How long a server may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// The lock_timeout that a proxy keeps by default, in milliseconds.
const LOCK_TIMEOUT_MS: u64 = 2_000;

/// Flags of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// How the verdicts are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// The major version of PostgreSQL that is assumed without a database
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(13..=18))]
    pg_version: u32,
    /// Ask this database for what the files name; the password may be in PGPASSWORD
    #[arg(long, env = "PGAIRLOCK_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Config file of the proxy, for its policy and limits
    #[arg(long, env = "PGAIRLOCK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whether the files run in a transaction of their tool's; auto: as the tool of each file does it
    #[arg(long, value_name = "WHETHER", default_value = "auto")]
    transaction: Transaction,
    /// Which parts of the files are judged
    #[arg(long, value_name = "WAY", default_value = "up")]
    direction: Ways,
    /// The mildest verdict that ends with 1
    #[arg(long, value_name = "VERDICT", default_value = "refuse")]
    fail_on: FailOn,
    /// Files of SQL, directories of them, or - for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
    Github,
    Gitlab,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Transaction {
    Auto,
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ways {
    Up,
    Down,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Refuse,
    Defer,
    Rewrite,
    Never,
}

/// Judges and writes; returns the exit code.
pub(super) fn run(args: CheckArgs) -> u8 {
    let settings = match policy(args.config.as_deref()) {
        Ok(settings) => settings,
        Err(error) => return fail(USAGE, &error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(COULD_NOT, &error),
    };
    match runtime.block_on(check(&args, &settings)) {
        Ok(reports) => ended(&args, &reports),
        Err(why) => fail(COULD_NOT, &why),
    }
}

fn policy(file: Option<&Path>) -> Result<PolicySettings, config::ConfigError> {
    let ids: Vec<&'static str> = rules::ids().collect();
    Ok(match file {
        Some(file) => config::load(file, &ids)?.policy,
        None => PolicySettings::default(),
    })
}

fn ended(args: &CheckArgs, reports: &[FileReport]) -> u8 {
    // Nobody may be reading any more; that is no reason to end otherwise than said.
    let _ = write(args.format, reports);
    let worst = reports.iter().map(FileReport::outcome).max().unwrap_or(Outcome::Pass);
    let limit = match args.fail_on {
        FailOn::Refuse => Some(Outcome::Refuse),
        FailOn::Defer => Some(Outcome::Defer),
        FailOn::Rewrite => Some(Outcome::Rewrite),
        FailOn::Never => None,
    };
    if reports.iter().any(|report| !report.problems.is_empty()) {
        return COULD_NOT;
    }
    if limit.is_some_and(|limit| worst >= limit) { FOUND } else { SUCCESS }
}

fn write(format: Format, reports: &[FileReport]) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match format {
        Format::Text => {
            for report in reports {
                out.write_all(text::file(report).as_bytes())?;
            }
            out.write_all(text::summary(reports).as_bytes())?;
        }
        Format::Json => json::write(reports, &mut out)?,
        Format::Sarif => out.write_all(sarif::document(reports, env!("CARGO_PKG_VERSION")).as_bytes())?,
        Format::Github => out.write_all(github::document(reports).as_bytes())?,
        Format::Gitlab => out.write_all(gitlab::document(reports).as_bytes())?,
    }
    out.flush()
}

async fn check(args: &CheckArgs, settings: &PolicySettings) -> Result<Vec<FileReport>, String> {
    let files = files(&args.files)?;
    let server = match &args.database_url {
        Some(url) => Some(Server::ask(url).await?),
        None => None,
    };
    let principal = server.as_ref().map(|server| server.principal.clone()).unwrap_or_default();
    let basis = if server.is_some() { Basis::Catalog } else { Basis::Nothing };
    let asking = Asking { settings, principal: &principal, basis, lock_timeout_ms: LOCK_TIMEOUT_MS };
    let mut reports = Vec::with_capacity(files.len());
    let progress = Progress::of(files.len());
    for (number, path) in files.iter().enumerate() {
        progress.at(number, path);
        reports.push(one(args, path, server.as_ref(), &asking).await?);
    }
    progress.done();
    Ok(reports)
}

async fn one(args: &CheckArgs, path: &Path, server: Option<&Server>, asking: &Asking<'_>) -> Result<FileReport, String> {
    let name = path.display().to_string();
    let mut report =
        FileReport { path: name.clone(), text: String::new(), statements: Vec::new(), problems: Vec::new(), assumed: asking.basis == Basis::Nothing };
    report.text = match content(path) {
        Ok(text) => text,
        Err(message) => {
            report.problems.push(Problem { at: None, message });
            return Ok(report);
        }
    };
    let lines = Lines::of(&report.text);
    for part in source::parts(&name, &report.text).into_iter().filter(|part| args.wants(part.direction)) {
        let part = args.around(part);
        let chunks = judge::chunks(&report.text, &part);
        let mut course = Course::of(&report.text, &lines, &part, chunks.len());
        for chunk in &chunks {
            let (read, problems) = course.read(chunk);
            report.problems.extend(problems);
            let Some(read) = read else { continue };
            let facts = match server {
                Some(server) => server.facts(&read).await?,
                None => Facts { server_version: args.pg_version * 10_000, ..Facts::default() },
            };
            report.statements.extend(course.judge(&read, part.around, &facts, asking));
        }
    }
    report.statements.iter_mut().enumerate().for_each(|(index, statement)| statement.index = index);
    Ok(report)
}

impl CheckArgs {
    fn wants(&self, direction: Direction) -> bool {
        match self.direction {
            Ways::Up => direction == Direction::Up,
            Ways::Down => direction == Direction::Down,
            Ways::Both => true,
        }
    }

    fn around(&self, part: Part) -> Part {
        match self.transaction {
            Transaction::Auto => part,
            Transaction::Yes => Part { around: Around::Transaction, ..part },
            Transaction::No => Part { around: Around::Nothing, ..part },
        }
    }
}

/// The files that were given, and those in directories that were given, in the order of their names as people count.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in given {
        if path.is_dir() {
            let mut found = Vec::new();
            collect(path, &mut found)?;
            if found.is_empty() {
                return Err(format!("{}: no file of this directory ends in .sql", path.display()));
            }
            found.sort_by_cached_key(|path| natural(&path.display().to_string()));
            files.append(&mut found);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", directory.display());
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // A link to a directory may lead back here.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            collect(&entry.path(), found)?;
        } else if entry.path().extension().is_some_and(|extension| extension == "sql") {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// `2_x` before `10_x`: digits are compared as numbers.
fn natural(name: &str) -> Vec<(bool, u128, String)> {
    let mut parts: Vec<(bool, u128, String)> = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        parts.push((!is_number, part.parse().unwrap_or(0), part.to_owned()));
        rest = after;
    }
    parts
}

fn content(path: &Path) -> Result<String, String> {
    let limit = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > MOST_BYTES {
        return Err(format!("is longer than {MOST_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes().get(..at).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("is not UTF-8: line {line} has a byte that cannot be read")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The server that is asked.
struct Server {
    client: Client,
    version: u32,
    time_zone: String,
    principal: Principal,
    speed: Option<Speed>,
}

#[derive(Deserialize)]
struct Greeting {
    version: u32,
    time_zone: String,
    role: String,
    database: String,
}

/// Who and where we are. Nothing is changed by what follows, and no lock is waited for.
const GREETING: &str = "SELECT pg_catalog.json_build_object('version', pg_catalog.current_setting('server_version_num')::pg_catalog.int4, \
     'time_zone', pg_catalog.current_setting('TimeZone'), 'role', SESSION_USER, 'database', pg_catalog.current_database(), \
     'set', pg_catalog.set_config('default_transaction_read_only', 'on', false) OPERATOR(pg_catalog.||) pg_catalog.set_config('lock_timeout', '2s', false) \
     OPERATOR(pg_catalog.||) pg_catalog.set_config('statement_timeout', '10s', false))::pg_catalog.text";

impl Server {
    async fn ask(url: &str) -> Result<Self, String> {
        let password = std::env::var("PGPASSWORD").ok();
        let url = DatabaseUrl::read(url, password.as_deref()).map_err(|why| format!("--database-url (PGAIRLOCK_DATABASE_URL) {why}"))?;
        let client = Client::connect(&url.named("pgairlock check"), LIMIT).await.map_err(|error| error.to_string())?;
        let unusable = |why: String| format!("the database could not be asked: {why}");
        let answer = client.run(GREETING, &[]).await.map_err(|error| unusable(error.to_string()))?.unwrap_or_default();
        let greeting: Greeting = serde_json::from_str(&answer).map_err(|error| unusable(error.to_string()))?;
        let principal = Principal { role: greeting.role, database: greeting.database, application_name: None };
        // Without it the times are those of another server, and say so.
        let speed = client.run(estimate::QUESTION, &[]).await.ok().flatten().and_then(|answer| Speed::read(&answer));
        Ok(Self { client, version: greeting.version, time_zone: greeting.time_zone, principal, speed })
    }

    async fn facts(&self, read: &Read) -> Result<Facts, String> {
        let inquiry = read.inquiry();
        let mut answers = Vec::new();
        for question in inquiry.questions() {
            answers.push(match self.client.run(question.sql, &question.parameters).await {
                Ok(text) => Answer::Text(text),
                // What is not answered is not known.
                Err(StatementError::Server { .. }) => Answer::Failed,
                Err(StatementError::Lost(why)) => return Err(format!("the connection to the database is lost: {why}")),
            });
        }
        Ok(Facts { speed: self.speed, ..inquiry.facts(self.version, &self.time_zone, &answers) })
    }
}

/// A line on the terminal, while there is one to look at.
struct Progress {
    files: usize,
    shown: bool,
}

/// So few are over before anybody looks.
const FEW_FILES: usize = 20;

impl Progress {
    fn of(files: usize) -> Self {
        Self { files, shown: files > FEW_FILES && std::io::stderr().is_terminal() }
    }

    fn at(&self, number: usize, path: &Path) {
        if self.shown {
            const WIDTH: usize = 30;
            let done = WIDTH * number / self.files.max(1);
            let _ =
                write!(std::io::stderr(), "\r\x1b[K[{}{}] {number}/{} {}", "#".repeat(done), " ".repeat(WIDTH - done), self.files, path.display());
        }
    }

    fn done(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn files_are_counted_as_people_count() {
        let mut names = ["V10__c.sql", "V9__b.sql", "V1__a.sql", "a/2.sql", "a/11.sql"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["V1__a.sql", "V9__b.sql", "V10__c.sql", "a/2.sql", "a/11.sql"]);
    }
}
