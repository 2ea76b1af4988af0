//! What a process of a check found, on its way to the process that started it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use palimpsest_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a process of a check found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Name, version and interface of the engine; empty where it could not be opened.
    pub(super) engine: String,
    pub(super) laws: Vec<Law>,
    /// Fingerprints of sums whose bits depend on their order.
    pub(super) bits: Vec<u64>,
    /// When the barrier was entered and left, in seconds of the machine's clock.
    pub(super) barrier: Option<[f64; 2]>,
    /// When this rank left, or noticed that another had.
    pub(super) parted: Option<f64>,
    /// What the ranks left as last words, where the engine knows.
    pub(super) fates: Option<Vec<Option<String>>>,
    /// What ended the process before its time.
    pub(super) error: Option<String>,
}

/// Something that an engine must hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Law {
    pub(super) law: String,
    /// None for a figure that is only told.
    pub(super) passed: Option<bool>,
    pub(super) told: String,
}

impl Law {
    pub(super) fn of(law: impl Into<String>, found: std::result::Result<String, String>) -> Self {
        let passed = found.is_ok();
        let told = found.unwrap_or_else(|told| told);
        Self { law: law.into(), passed: Some(passed), told }
    }

    pub(super) fn figure(law: impl Into<String>, told: String) -> Self {
        Self { law: law.into(), passed: None, told }
    }
}

/// Seconds of the machine's clock, which its processes share.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Where rank `rank` answers.
fn place(folder: &Path, rank: usize) -> PathBuf {
    folder.join(format!("rank-{rank}.json"))
}

impl Answer {
    /// Writes it; seen whole or not at all.
    pub(super) fn write(&self, folder: &Path, rank: usize) -> Result<()> {
        let path = place(folder, rank);
        let half = path.with_extension("half");
        let text = serde_json::to_string(self).map_err(|e| Error::failure(e.to_string()))?;
        fs::write(&half, text).and_then(|()| fs::rename(&half, &path)).map_err(|e| Error::io(&path, &e))
    }

    /// Reads it, if the rank answered.
    pub(super) fn read(folder: &Path, rank: usize) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(place(folder, rank)).ok()?).ok()
    }
}

/// Tells that a rank has come so far.
pub(super) fn mark(folder: &Path, rank: usize) -> Result<()> {
    let path = marker(folder, rank);
    fs::write(&path, "").map_err(|e| Error::io(&path, &e))
}

/// The file that tells it.
pub(super) fn marker(folder: &Path, rank: usize) -> PathBuf {
    folder.join(format!("rank-{rank}.here"))
}
