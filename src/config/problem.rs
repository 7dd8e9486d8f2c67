//! What is wrong with a config file, in words that lead to the line.

use std::fmt;
use std::ops::Range;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, naming section and key.
    pub message: String,
}

/// Where a problem stands, in the order in which problems are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of the file, from 1.
    Line(usize),
    /// The file as a whole.
    File,
    /// A flag or the environment.
    Outside,
}

/// Everything that is wrong with the config; displayed as one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file's name as given; empty without a file.
    pub file: String,
    /// In the order of lines; never empty.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// The file itself cannot be read.
    pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Self {
        Self { file: file.to_owned(), problems: vec![Problem { place: Place::File, message: format!("cannot be read: {error}") }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write_place(f, &self.file, problem.place)?;
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, file: &str, place: Place) -> fmt::Result {
    match (file, place) {
        ("", _) | (_, Place::Outside) => Ok(()),
        (file, Place::Line(line)) => write!(f, "{file}:{line}: "),
        (file, Place::File) => write!(f, "{file}: "),
    }
}

/// Collects problems while a file is read.
pub(super) struct Problems<'a> {
    file: &'a str,
    text: &'a str,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    /// Nothing wrong so far.
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    /// A problem at a place of the file.
    pub(super) fn at(&mut self, span: &Range<usize>, message: impl Into<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.found.push(Problem { place: Place::Line(line), message: message.into() });
    }

    /// A problem of the file as a whole.
    pub(super) fn anywhere(&mut self, message: impl Into<String>) {
        self.found.push(Problem { place: Place::File, message: message.into() });
    }

    /// A problem of a flag or the environment.
    pub(super) fn outside(&mut self, message: impl Into<String>) {
        self.found.push(Problem { place: Place::Outside, message: message.into() });
    }

    /// The result, if nothing went wrong.
    pub(super) fn finish<T>(mut self, result: Option<T>) -> Result<T, ConfigError> {
        match result {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => {
                self.found.sort_by_key(|problem| problem.place);
                Err(ConfigError { file: self.file.to_owned(), problems: self.found })
            }
        }
    }
}
