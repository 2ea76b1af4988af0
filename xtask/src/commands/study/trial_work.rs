//! What is done for one trial: its run, then what is measured of it, each by a process of the driver.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use palimpsest_core::recipe::Recipe;
use palimpsest_core::stored::write_atomically;
use palimpsest_core::train::{Checkpoint, RunFolder};
use palimpsest_core::{Error, Result};
use palimpsest_study::file::Checkpoints;
use palimpsest_study::plan::{Measurement, Plan, Trial};
use palimpsest_study::scores::lacks;
use palimpsest_study::trial::{Claim, Failed, TrialFolder};
use serde_json::{Value, json};

use super::driver::{Driver, Ended};
use super::measure;

/// What a trial is doing before it is measured.
pub(super) const TRAINING: &str = "training";

/// How a trial was left.
pub(super) enum Left {
    Measured,
    Failed(Failed),
    /// Its process was asked to stop; what it did so far is kept.
    Stopped,
}

/// A trial that is claimed.
pub(super) struct TrialWork<'a> {
    pub(super) plan: &'a Plan,
    pub(super) trial: &'a Trial,
    pub(super) folder: &'a TrialFolder,
    pub(super) driver: &'a Driver,
    pub(super) claim: &'a Claim,
    pub(super) stop: &'a AtomicBool,
}

impl TrialWork<'_> {
    /// Trains and measures what isn't yet.
    ///
    /// # Errors
    /// A folder that can't be written, or a full disk.
    pub(super) fn run(&self, measurements: &[Measurement<'_>]) -> Result<Left> {
        let folder = self.folder;
        let wanted: Vec<&Measurement<'_>> =
            measurements.iter().filter(|m| folder.scores(&m.key).is_none()).collect();
        if !folder.is_trained() || (!wanted.is_empty() && !self.has_last_weights()) {
            let started = Instant::now();
            let left = self.process(&self.training()?, TRAINING, |_| None)?;
            if !matches!(left, Left::Measured) {
                return Ok(left);
            }
            folder.keep_scores("trained", &json!({ "seconds": started.elapsed().as_secs_f64() }))?;
            if let Some(failed) = self.other_images() {
                return Ok(Left::Failed(failed));
            }
        }
        if let Some(failed) = self.other_recipe()? {
            return Ok(Left::Failed(failed));
        }
        for measurement in wanted {
            let during = format!("measuring {}", measurement.key);
            let keep = |scores: Value| self.wrong(measurement, &scores);
            let left = self.measured(measurement, &during, keep)?;
            if !matches!(left, Left::Measured) {
                return Ok(left);
            }
        }
        self.tidy()?;
        Ok(Left::Measured)
    }

    fn measured(
        &self,
        measurement: &Measurement<'_>,
        during: &str,
        wrong: impl Fn(Value) -> Option<String>,
    ) -> Result<Left> {
        let arguments = measure::arguments(self.folder, measurement)?;
        let started = Instant::now();
        let mut kept = Value::Null;
        let left = self.process(&arguments, during, |scores| {
            let Some(scores) = scores else { return Some("the command gave no result".to_owned()) };
            kept = scores.clone();
            wrong(scores)
        })?;
        if matches!(left, Left::Measured) {
            kept["seconds"] = json!(started.elapsed().as_secs_f64());
            self.folder.keep_scores(&measurement.key, &kept)?;
        }
        Ok(left)
    }

    /// Runs a process; `wrong` looks at its result.
    fn process(
        &self,
        arguments: &[String],
        during: &str,
        wrong: impl FnOnce(Option<Value>) -> Option<String>,
    ) -> Result<Left> {
        let failed = |why: String| Left::Failed(Failed { during: during.to_owned(), why });
        Ok(match self.driver.run(arguments, &self.folder.path("log"), self.claim, self.stop)? {
            Ended::Done(result) => wrong(result).map_or(Left::Measured, failed),
            Ended::Stopped => Left::Stopped,
            Ended::Failed(why) => failed(why),
        })
    }

    /// Why scores aren't those of the trial.
    fn wrong(&self, measurement: &Measurement<'_>, scores: &Value) -> Option<String> {
        let steps = self.folder.summary()?["steps"].as_u64()?;
        match scores["step"].as_u64() {
            Some(step) if step != steps => Some(format!("it was measured after step {step} of {steps}")),
            _ => lacks(measurement, scores),
        }
    }

    /// Whether the weights of its last step are there.
    fn has_last_weights(&self) -> bool {
        let steps = self.folder.summary().and_then(|summary| summary["steps"].as_u64());
        steps.is_some_and(|steps| {
            self.checkpoints().last().is_some_and(|last| last.ends_with(Checkpoint::file_name(steps)))
        })
    }

    fn checkpoints(&self) -> Vec<PathBuf> {
        Checkpoint::list(&self.folder.path("run/checkpoints")).unwrap_or_default()
    }

    /// A run on other images than were planned stands under a name that isn't its own.
    fn other_images(&self) -> Option<Failed> {
        let planned = &self.plan.cells[self.trial.cell].images.training;
        let environment: Value =
            serde_json::from_slice(&fs::read(self.folder.path("run/env.json")).ok()?).ok()?;
        let trained = environment["data"]["list"].as_str()?;
        let same = planned.split(' ').next() == Some(trained);
        (!same).then(|| Failed {
            during: TRAINING.to_owned(),
            why: "the training images have changed since the study was planned; start it again, or put them back".to_owned(),
        })
    }

    /// A run that somebody went on with by hand, with other keys, is no longer the cell's.
    fn other_recipe(&self) -> Result<Option<Failed>> {
        let run = self.folder.path("run");
        // Without a recipe only its scores were put back.
        if !run.join("config.toml").exists() {
            return Ok(None);
        }
        let (planned, trained) = (self.plan.recipe(self.trial)?, RunFolder::open(&run)?.recipe(&[])?);
        let changes = Recipe::difference(planned.table(), trained.table());
        Ok((!changes.is_empty()).then(|| Failed {
            during: TRAINING.to_owned(),
            why: format!(
                "its run was changed by hand ({}); --retry-failed trains it again",
                changes.join(", ")
            ),
        }))
    }

    /// The command that begins the trial's run, or goes on with it.
    fn training(&self) -> Result<Vec<String>> {
        let run = self.folder.path("run");
        let metrics = || fs::metadata(run.join("metrics.jsonl")).is_ok_and(|meta| meta.len() > 0);
        let trained = self.folder.is_trained();
        let begun =
            run.join("config.toml").is_file() && !trained && (!self.checkpoints().is_empty() || !metrics());
        let path = run.display().to_string();
        if begun {
            return Ok(vec!["resume".to_owned(), path]);
        }
        // Killed before its first checkpoint, or its weights are gone: it has nothing to go on from.
        if run.exists() {
            fs::remove_dir_all(&run).map_err(|e| Error::io(&run, &e))?;
        }
        let recipe = self.folder.path("recipe.toml");
        let cell = self.plan.cell_name(&self.plan.cells[self.trial.cell]);
        let text = format!(
            "# Study {}: {cell}, seed {}\n{}",
            self.plan.name,
            self.trial.seed,
            self.plan.recipe(self.trial)?.to_toml()
        );
        write_atomically(&recipe, text.as_bytes())?;
        Ok(vec!["pretrain".to_owned(), recipe.display().to_string(), "--out".to_owned(), path])
    }

    /// Removes what nobody needs of a measured trial.
    fn tidy(&self) -> Result<()> {
        let mut files = self.checkpoints();
        if self.plan.checkpoints == Checkpoints::Last {
            files.pop();
        }
        files.iter().try_for_each(|file| fs::remove_file(file).map_err(|e| Error::io(file, &e)))?;
        // Heads that are trained save themselves.
        let saved = self.folder.path("run/eval");
        match fs::remove_dir_all(&saved) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&saved, &e)),
            _ => Ok(()),
        }
    }
}
