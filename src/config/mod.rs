//! Config: as written (`file`) and as used (`settings`).
//!
//! The way of a value: file (TOML) ← environment and flags (`overrides`) → checked (`validate`) → `Settings`.
//! Every problem is told at once, with file, line and key.

pub mod admin;
mod file;
mod keys;
pub mod network;
mod overrides;
mod problem;
pub mod settings;
mod store;
pub mod units;
mod validate;
mod webhook;

use std::path::{Path, PathBuf};

pub(crate) use keys::suggestion;
pub use overrides::Overrides;
use problem::Problems;
pub use problem::{ConfigError, Place, Problem};
use settings::Settings;

/// Where settings come from; kept for the life of the process, so that a reload reads the same places again.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The config file, when one was named.
    pub file: Option<PathBuf>,
    /// What environment and flags say.
    pub overrides: Overrides,
    /// The rule ids that `[rules]` and `[[exempt]]` may name.
    pub rules: Vec<&'static str>,
}

impl Source {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// When the file cannot be read, or for every problem in what was read.
    pub fn load(&self) -> Result<Settings, ConfigError> {
        let Some(path) = &self.file else {
            return read(&Text { content: "", name: "", directory: Path::new("") }, &self.overrides, &self.rules);
        };
        let name = path.display().to_string();
        let content = std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(&name, &error))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        read(&Text { content: &content, name: &name, directory }, &self.overrides, &self.rules)
    }
}

/// Reads a config file alone; relative paths in it start at its directory.
///
/// # Errors
/// When the file cannot be read, or for every problem in it.
pub fn load(path: &Path, rules: &[&'static str]) -> Result<Settings, ConfigError> {
    Source { file: Some(path.to_owned()), overrides: Overrides::default(), rules: rules.to_vec() }.load()
}

/// Reads config from text; `file_name` stands in problems, and relative paths start at its directory.
///
/// # Errors
/// For every problem in the text.
pub fn from_str(text: &str, file_name: &str, rules: &[&str]) -> Result<Settings, ConfigError> {
    let directory = Path::new(file_name).parent().unwrap_or(Path::new(""));
    read(&Text { content: text, name: file_name, directory }, &Overrides::default(), rules)
}

/// Every key that a config file may hold, as (section, key); inner tables are sections such as `listener.tls`.
#[must_use]
pub fn known_keys() -> Vec<(String, &'static str)> {
    keys::all()
}

/// A config file's text and where it stands.
struct Text<'a> {
    content: &'a str,
    name: &'a str,
    directory: &'a Path,
}

fn read(text: &Text<'_>, overrides: &Overrides, rules: &[&str]) -> Result<Settings, ConfigError> {
    let mut problems = Problems::new(text.name, text.content);
    let settings = file::parse(text.content, &mut problems)
        .and_then(|written| validate::settings(written, &validate::Context { overrides, rules, directory: text.directory }, &mut problems));
    problems.finish(settings)
}

#[cfg(test)]
mod tests;
