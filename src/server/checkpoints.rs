//! The file of checkpoints, and the process's own end of it. Blocks while it writes: to be called where that may be.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::audit::chain::Head;
use crate::audit::checkpoint::Checkpointer;
use crate::audit::signed::Unwritable;

/// Why a checkpoint is not on disk.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file.
    #[error("the checkpoint file {path} cannot be written: {source}; nothing but the store says meanwhile where the audit log ends")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The line.
    #[error(transparent)]
    Line(#[from] Unwritable),
}

/// A file to which lines are added, by several processes too.
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    file: File,
    /// Its last line has no end: a process died in it.
    torn: bool,
}

impl CheckpointFile {
    /// Opens it, or makes it with mode 0600.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let wrong = |source| CheckpointError::File { path: path.display().to_string(), source };
        let file = opened(path).map_err(wrong)?;
        let torn = has_open_end(&file).map_err(wrong)?;
        Ok(Self { path: path.to_owned(), file, torn })
    }

    /// Puts a line, which has no line break, at its end; it is on disk when this returns. A file that was moved away is made anew.
    ///
    /// # Errors
    /// When it is not on disk for certain: the same line is to be written again, before any other.
    pub fn append(&mut self, line: &str) -> Result<(), CheckpointError> {
        self.write(line).map_err(|source| CheckpointError::File { path: self.path.display().to_string(), source })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        if !self.is_in_place()? {
            self.file = opened(&self.path)?;
            self.torn = has_open_end(&self.file)?;
        }
        let begin = if self.torn { "\n" } else { "" };
        // Whatever comes of it, a line that follows begins as one of its own.
        self.torn = true;
        self.file.write_all(format!("{begin}{line}\n").as_bytes())?;
        self.file.sync_data()?;
        self.torn = false;
        Ok(())
    }

    fn is_in_place(&self) -> io::Result<bool> {
        let own = self.file.metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn opened(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    // So that a crash does not take the name of a new file along.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()?;
    Ok(file)
}

fn has_open_end(file: &File) -> io::Result<bool> {
    let mut file = file;
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// The checkpoints of this process: made, and written in their order whatever fails in between.
#[derive(Debug)]
pub struct Checkpoints {
    checkpointer: Checkpointer,
    file: CheckpointFile,
    /// Made, and not on disk for certain.
    unwritten: Option<String>,
}

impl Checkpoints {
    /// Into this file.
    #[must_use]
    pub fn new(checkpointer: Checkpointer, file: CheckpointFile) -> Self {
        Self { checkpointer, file, unwritten: None }
    }

    /// The process's own entries up to this one are on disk.
    pub fn written(&mut self, seq: i64) {
        self.checkpointer.written(seq);
    }

    /// When there is something to do, in Unix microseconds.
    #[must_use]
    pub fn due(&self) -> Option<i64> {
        if self.unwritten.is_some() { Some(i64::MIN) } else { self.checkpointer.due() }
    }

    /// Makes the next one, of heads that are on disk, and writes it; gives the line, which the log may tell too.
    ///
    /// # Errors
    /// When it is not on disk for certain; the next call writes it again.
    pub fn make(&mut self, heads: &[Head], now_unix_micros: i64) -> Result<Option<String>, CheckpointError> {
        if let Some(line) = &self.unwritten {
            self.file.append(line)?;
            return Ok(self.unwritten.take());
        }
        self.unwritten = self.checkpointer.line(heads, now_unix_micros)?;
        let Some(line) = &self.unwritten else { return Ok(None) };
        self.file.append(line)?;
        Ok(self.unwritten.take())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::audit::chain::Digest;
    use crate::audit::keys::SigningKey;
    use crate::audit::verify::{File as Witness, Proof, Verifier};

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn lines_are_added_and_a_torn_one_gets_an_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoints.jsonl");
        CheckpointFile::open(&path).unwrap().append("{1}").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "{1}\n{2").unwrap();
        let (mut one, mut other) = (CheckpointFile::open(&path).unwrap(), CheckpointFile::open(&path).unwrap());
        one.append("{3}").unwrap();
        other.append("{4}").unwrap();
        one.append("{5}").unwrap();
        assert_eq!(text(&path), "{1}\n{2\n{3}\n\n{4}\n{5}\n");
        let moved = directory.path().join("moved");
        std::fs::rename(&path, &moved).unwrap();
        one.append("{6}").unwrap();
        assert_eq!((text(&path).as_str(), text(&moved).ends_with("{5}\n")), ("{6}\n", true));
    }

    #[test]
    fn a_place_that_cannot_be_written_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let error = CheckpointFile::open(&directory.path().join("not/there")).unwrap_err().to_string();
        assert!(error.contains("not/there cannot be written"), "{error}");
        assert!(CheckpointFile::open(directory.path()).is_err());
    }

    #[test]
    fn what_could_not_be_written_comes_before_what_follows() {
        let directory = tempfile::tempdir().unwrap();
        let (place, away) = (directory.path().join("in"), directory.path().join("out"));
        std::fs::create_dir(&place).unwrap();
        let path = place.join("checkpoints");
        let key = SigningKey::from_pem(&SigningKey::text_of(&[1; 32])).unwrap();
        let public = key.public();
        let mut checkpoints = Checkpoints::new(Checkpointer::new(key, "w".into(), vec![]), CheckpointFile::open(&path).unwrap());
        let head = |seq| Head { writer: "w".into(), number: 1, seq, hash: Digest([7; 32]) };
        checkpoints.written(1);
        assert!(checkpoints.make(&[head(1)], 10).unwrap().is_some());
        checkpoints.written(2);
        std::fs::rename(&place, &away).unwrap();
        assert!(checkpoints.make(&[head(2)], 20).is_err());
        assert_eq!(checkpoints.due(), Some(i64::MIN));
        std::fs::rename(&away, &place).unwrap();
        assert!(checkpoints.make(&[head(3)], 30).unwrap().unwrap().contains("\"seq\":2"));
        assert!(checkpoints.make(&[head(3)], 40).unwrap().unwrap().contains("\"seq\":3"));
        let file = text(&path);
        let verdict = Verifier::new(&[public], &[Witness { name: "checkpoints", text: &file }]).finish();
        assert_eq!((verdict.proof, verdict.checkpoints, verdict.findings.len()), (Proof::Signed, 3, 1), "{verdict:?}");
    }
}
