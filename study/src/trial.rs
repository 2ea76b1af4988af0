//! A trial's folder: who works on it, and what came of it.
//!
//! `TRIALS/ID/` holds `run/` (an ordinary run's folder), `scores/` (a file a measurement, by the hash of what was asked),
//! `recipe.toml`, `log`, and, where it came to that, `failed.json`. Whoever works on it holds the lock of `lock`, which the system
//! frees when the process ends, however it does. A process that is started for a trial is given the same open file, so that
//! the lock holds as long as it lives.

use std::fs::{self, File, TryLockError};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use palimpsest_core::stored::{check_regular, write_atomically};
use palimpsest_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A trial's folder.
#[derive(Debug, Clone)]
pub struct TrialFolder {
    root: PathBuf,
}

/// Why a trial failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// What it was doing.
    pub during: String,
    /// The end of what it told.
    pub why: String,
}

/// The right to work on a trial, held until it is dropped and every process that was given it has ended.
#[derive(Debug)]
pub struct Claim(File);

impl Claim {
    /// The open file that carries the lock, for a process that works on the trial.
    ///
    /// # Errors
    /// No file descriptor left.
    pub fn carried(&self) -> Result<File> {
        self.0.try_clone().map_err(|e| Error::failure(format!("no file can be opened: {e}")))
    }
}

impl TrialFolder {
    /// The folder of the trial `id` among all trials.
    pub fn of(trials: &Path, id: &str) -> Self {
        Self { root: trials.join(id) }
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Claims the trial; `None` where another process works on it.
    ///
    /// # Errors
    /// A folder that can't be written, or that lies where there are no locks.
    pub fn claim(&self) -> Result<Option<Claim>> {
        fs::create_dir_all(&self.root).map_err(|e| Error::io(&self.root, &e))?;
        let path = self.path("lock");
        check_regular(&path)?;
        let open = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = open.map_err(|e| Error::io(&path, &e))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(Error::failure(format!("this file system has no locks: {e}"))
                .at(path.display())
                .help("choose another --trials, on a disk that has them, or mount it with locks (Lustre: -o flock)")),
            Ok(()) => {
                // Who it is helps a person who looks; nothing reads it.
                let _ = file.rewind().and_then(|()| file.set_len(0));
                let _ = writeln!(file, "process {} of {}", std::process::id(), host());
                Ok(Some(Claim(file)))
            }
        }
    }

    /// Whether another process works on it now.
    pub fn is_claimed(&self) -> bool {
        let Ok(file) = File::open(self.path("lock")) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// The file of a measurement.
    fn scores_file(&self, measurement: &str) -> PathBuf {
        self.path("scores").join(format!("{measurement}.json"))
    }

    /// Whether training is done.
    pub fn is_trained(&self) -> bool {
        self.path("run/summary.json").is_file()
    }

    /// Whether a measurement is there.
    pub fn is_measured(&self, measurement: &str) -> bool {
        self.scores_file(measurement).is_file()
    }

    /// What was measured.
    pub fn scores(&self, measurement: &str) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.scores_file(measurement)).ok()?).ok()
    }

    /// Keeps a measurement.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub fn keep_scores(&self, measurement: &str, scores: &Value) -> Result<()> {
        let folder = self.path("scores");
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, &e))?;
        write_atomically(&self.scores_file(measurement), format!("{scores:#}\n").as_bytes())
    }

    /// The summary of its training.
    pub fn summary(&self) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.path("run/summary.json")).ok()?).ok()
    }

    /// Why it failed, if it did.
    pub fn failed(&self) -> Option<Failed> {
        serde_json::from_slice(&fs::read(self.path("failed.json")).ok()?).ok()
    }

    /// Notes that it failed: it isn't begun again unless the user asks for it.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub fn fail(&self, failed: &Failed) -> Result<()> {
        let text = serde_json::to_string_pretty(failed).map_err(|e| Error::failure(e.to_string()))?;
        write_atomically(&self.path("failed.json"), format!("{text}\n").as_bytes())
    }

    /// Forgets that it failed.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub fn forgive(&self) -> Result<()> {
        let path = self.path("failed.json");
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, &e)),
            _ => Ok(()),
        }
    }
}

/// This machine's name, as the system tells it.
fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "this machine".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_process_at_a_time_claims_a_trial() {
        let root = tempfile::tempdir().expect("a folder");
        let trial = TrialFolder::of(root.path(), "a");
        assert!(!trial.is_claimed());
        let claim = trial.claim().expect("a lock").expect("the first has it");
        assert!(trial.claim().expect("a lock").is_none() && trial.is_claimed());
        // The lock holds as long as any process has the file open.
        let carried = claim.carried().expect("a file");
        drop(claim);
        assert!(trial.claim().expect("a lock").is_none());
        drop(carried);
        assert!(trial.claim().expect("a lock").is_some());
    }

    #[test]
    fn scores_and_failures_are_kept() {
        let root = tempfile::tempdir().expect("a folder");
        let trial = TrialFolder::of(root.path(), "a");
        trial.claim().expect("a lock").expect("it is free");
        assert!(!trial.is_measured("knn-1"));
        trial.keep_scores("knn-1", &json!({ "accuracy": 0.5 })).expect("room");
        assert_eq!(trial.scores("knn-1"), Some(json!({ "accuracy": 0.5 })));
        let failed = Failed { during: "training".to_owned(), why: "the loss is not finite".to_owned() };
        trial.fail(&failed).expect("room");
        assert_eq!(trial.failed(), Some(failed));
        trial.forgive().expect("it was there");
        trial.forgive().expect("nothing to forgive");
        assert_eq!(trial.failed(), None);
    }
}
