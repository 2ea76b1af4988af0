//! A run in a few figures, for the terminal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use palimpsest_core::train::{Checkpoint, RunFolder};
use serde::{Deserialize, Serialize};

use super::load::{Run, accuracy};
use super::{number, recipe};

/// A recipe's keys, dotted, and their values.
pub(crate) type Settings = Vec<(String, String)>;

/// Where a run stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Overview {
    /// Its folder.
    pub(crate) run: String,
    /// The recipe's name.
    pub(crate) name: String,
    /// The recipe in a line.
    pub(crate) recipe: String,
    /// In words.
    pub(crate) state: String,
    pub(crate) finished: bool,
    /// Whether a process trains it now.
    #[serde(default)]
    pub(crate) running: bool,
    /// Steps done, as far as they were logged.
    pub(crate) steps: Option<u64>,
    /// Steps of the whole run, where the recipe and the log tell.
    pub(crate) total: Option<u64>,
    pub(crate) epochs: Option<f64>,
    /// The last one that was logged; of a finished run the mean over its last 20 steps.
    pub(crate) loss: Option<f64>,
    /// Further facts, by their names: some of [`FACTS`].
    pub(crate) facts: BTreeMap<String, String>,
    /// Steps whose weights are there.
    pub(crate) checkpoints: Vec<u64>,
    /// Steps that were not finite.
    pub(crate) failures: Vec<u64>,
    pub(crate) scores: Vec<Score>,
    /// On disk.
    pub(crate) bytes: u64,
}

/// The names of facts, in the order in which they are told.
pub(crate) const FACTS: [&str; 7] = ["started", "backend", "device", "speed", "hash", "revision", "command"];

/// A head's accuracy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Score {
    pub(crate) head: String,
    pub(crate) pretrained: Option<f64>,
    pub(crate) random: Option<f64>,
}

impl Overview {
    /// What a run's folder tells; what is missing in it is left out.
    pub(crate) fn of(folder: &RunFolder) -> Self {
        Self::with_settings(folder).0
    }

    /// The same, and the recipe key by key.
    pub(crate) fn with_settings(folder: &RunFolder) -> (Self, Settings) {
        let run = Run::read(folder);
        let settings = recipe::flatten(&run.recipe);
        let (steps, epochs) = (run.steps(), run.epochs());
        let finished = run.summary.is_ok();
        let total = total_steps(&run);
        let loss = run.summary.as_ref().ok().and_then(|summary| summary["loss"].as_f64());
        let loss = loss.or_else(|| run.metrics.series("loss").points.last().map(|point| point.value));
        let text = |key: &str| run.environment(&[key]).map(str::to_owned);
        let speed = run.measured("images_per_second").map(|rate| format!("{rate:.0} images/s"));
        let facts = [
            ("started", Some(run.date())),
            ("backend", text("backend.name").zip(text("backend.version")).map(|(n, v)| format!("{n} {v}"))),
            ("device", text("device")),
            ("speed", speed),
            ("hash", run.hash.clone()),
            ("revision", text("revision")),
            ("command", text("command").map(|words| words.replace(", ", " "))),
        ];
        let result = run.result();
        let names = result.iter().flat_map(|result| &result.pretrained).map(|head| head.name.clone());
        let scores = names.map(|head| Score {
            pretrained: result.as_ref().and_then(|result| accuracy(&result.pretrained, &head)),
            random: result.as_ref().and_then(|result| result.baseline(&head)),
            head,
        });
        let checkpoints = Checkpoint::list(&folder.path("checkpoints")).unwrap_or_default();
        let step =
            |path: &std::path::PathBuf| path.file_stem()?.to_str()?.strip_prefix("step-")?.parse().ok();
        let overview = Self {
            recipe: recipe::recipe_title(&run.recipe),
            state: run.state(),
            finished,
            running: false,
            steps,
            total,
            epochs,
            loss,
            facts: facts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect(),
            checkpoints: checkpoints.iter().filter_map(step).collect(),
            scores: scores.collect(),
            bytes: folder_size(folder.root()),
            run: run.folder,
            name: run.name,
            failures: run.failures,
        };
        (overview, settings)
    }

    /// A process trains the run, or none does. The folder's files don't tell, the lock does.
    pub(crate) fn set_running(&mut self, running: bool) {
        self.running = running && !self.finished;
        if self.running {
            self.state = self.state.replacen("not finished", "running", 1);
        }
    }

    /// The state in a word: what is before the details.
    pub(crate) fn state_word(&self) -> &str {
        self.state.split(':').next().unwrap_or_default()
    }

    /// Steps done of all.
    pub(crate) fn progress(&self) -> String {
        let text = |steps: Option<u64>| steps.map_or(number::UNKNOWN.to_owned(), |steps| steps.to_string());
        format!("{} of {}", text(self.steps), text(self.total))
    }

    /// The loss in four digits.
    pub(crate) fn loss_text(&self) -> String {
        self.loss.map_or(number::UNKNOWN.to_owned(), |loss| number::significant(loss, 4))
    }

    /// The size on disk in MB.
    pub(crate) fn size(&self) -> String {
        format!("{:.1} MB", self.bytes as f64 / 1e6)
    }
}

/// Steps of the whole run, where the recipe and the log tell.
pub(super) fn total_steps(run: &Run) -> Option<u64> {
    let setting = |key: &str| recipe::number(&run.recipe, key).filter(|value| *value > 0.0);
    let (steps, epochs) = (run.steps(), run.epochs());
    match setting("train.steps") {
        _ if run.summary.is_ok() => steps,
        Some(steps) => Some(steps as u64),
        // The length of an epoch shows in the log alone.
        None => setting("train.epochs").zip(steps).zip(epochs).and_then(|((wanted, steps), epochs)| {
            (epochs > 0.0).then(|| (wanted * (steps as f64 / epochs).round()).round() as u64)
        }),
    }
}

/// Bytes of the files in a folder and below; links count for themselves.
pub(crate) fn folder_size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_size(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
