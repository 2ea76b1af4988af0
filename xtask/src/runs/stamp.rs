//! What tells that a run's folder has changed.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Names, sizes and times of a run's files.
pub(crate) struct Stamp {
    /// Another one where anything has changed.
    pub(crate) hash: u64,
    /// When training last wrote something, in seconds since 1970.
    pub(crate) changed: u64,
    newest: Duration,
    settled: bool,
}

/// Times of files are coarse, by seconds on some file systems: what changed just now may change again unseen.
const SETTLED: Duration = Duration::from_secs(3);

/// What training writes; a report or a tag that comes later makes a run no younger.
const OF_TRAINING: [&str; 4] = ["config.toml", "metrics.jsonl", "train.log", "summary.json"];

impl Stamp {
    pub(crate) fn of(run: &Path) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        let mut stamp = Self { hash: 0, changed: 0, newest: Duration::ZERO, settled: false };
        stamp.add(run, 0, &mut hasher);
        stamp.hash = hasher.finish();
        stamp.settled = stamp.newest + SETTLED < now;
        stamp
    }

    /// The folder's own entries. In folders of it, entries that come and go change the folder's time; scores of
    /// evaluations may be replaced two folders down.
    fn add(&mut self, folder: &Path, depth: usize, hasher: &mut DefaultHasher) {
        let mut entries: Vec<_> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some((entry.file_name(), entry.metadata().ok()?)))
            .collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, meta) in entries {
            // The lock says who trains, not what became of it.
            if name == ".lock" {
                continue;
            }
            let time = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let time = time.unwrap_or_default();
            (&name, time, meta.is_dir(), if meta.is_dir() { 0 } else { meta.len() }).hash(hasher);
            self.newest = self.newest.max(time);
            if depth == 0 && OF_TRAINING.iter().any(|known| name == *known) {
                self.changed = self.changed.max(time.as_secs());
            }
            if meta.is_dir() && (depth > 0 || name == "eval") && depth < 3 {
                self.add(&folder.join(&name), depth + 1, hasher);
            }
        }
    }

    /// Whether the files are old enough for what they hold now to be known by their times.
    pub(crate) fn settled(&self) -> bool {
        self.settled
    }
}
