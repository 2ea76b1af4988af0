//! Works on a study's trials, one after the other, until none is left that it could take.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use palimpsest_study::file::Checkpoints;
use palimpsest_study::plan::{Measurement, Plan, Trial};
use palimpsest_study::trial::{Claim, Failed, TrialFolder};
use serde_json::json;

use super::driver::{Driver, Ended};
use super::measure;
use super::progress::StudyProgress;

/// What workers of a process share.
pub(super) struct Work<'a> {
    pub(super) plan: &'a Plan,
    pub(super) measurements: &'a [Vec<Measurement<'a>>],
    pub(super) trials: &'a std::path::Path,
    pub(super) driver: &'a Driver,
    pub(super) stop: &'a AtomicBool,
    pub(super) progress: &'a StudyProgress,
    pub(super) retry_failed: bool,
    /// Whether trials may still be begun: time and room.
    pub(super) may_begin: &'a (dyn Fn() -> bool + Sync),
}

/// How long a worker without work waits for trials of others that may have been killed.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(200);

/// How a trial was left.
enum Left {
    Measured,
    Failed(Failed),
    Stopped,
}

impl Work<'_> {
    /// Takes trials in the order of the seeds, so that a study that is stopped early has whole comparisons.
    ///
    /// # Errors
    /// A folder that can't be written. What happens to a trial is noted in its folder and is no error.
    pub(super) fn run(&self) -> Result<()> {
        let mut idle_since = None;
        loop {
            self.pass()?;
            if self.stop.load(Ordering::Relaxed) || !(self.may_begin)() || !self.with_others() {
                return Ok(());
            }
            // A process that was killed just now gives its trial back in a moment.
            if idle_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether a trial that is left is another process's, or another worker's.
    fn with_others(&self) -> bool {
        (0..self.plan.trials.len()).any(|index| {
            let folder = TrialFolder::of(self.trials, &self.plan.trials[index].id);
            !self.is_measured(&folder, index) && (folder.is_claimed() || folder.failed().is_none())
        })
    }

    fn pass(&self) -> Result<()> {
        for index in self.order() {
            if self.stop.load(Ordering::Relaxed) || !(self.may_begin)() {
                return Ok(());
            }
            let trial = &self.plan.trials[index];
            let folder = TrialFolder::of(self.trials, &trial.id);
            if self.is_measured(&folder, index) || (folder.failed().is_some() && !self.retry_failed) {
                continue;
            }
            let Some(claim) = folder.claim()? else { continue };
            // Another worker may have ended it since.
            if self.is_measured(&folder, index) {
                continue;
            }
            match folder.failed() {
                Some(_) if self.retry_failed && self.progress.first_time(index) => folder.forgive()?,
                Some(_) => continue,
                None => {}
            }
            let name = format!("{}, seed {}", self.plan.cell_name(&self.plan.cells[trial.cell]), trial.seed);
            match self.work_on(&folder, trial, index, &claim)? {
                Left::Measured => self.progress.measured(&name),
                Left::Stopped => return Ok(()),
                Left::Failed(failed) => {
                    folder.fail(&failed)?;
                    self.progress.failed(&name, &failed);
                }
            }
        }
        Ok(())
    }

    /// Seed by seed.
    fn order(&self) -> Vec<usize> {
        let place = |seed: u64| self.plan.seeds.iter().position(|known| *known == seed);
        let mut order: Vec<usize> = (0..self.plan.trials.len()).collect();
        order.sort_by_key(|&index| (place(self.plan.trials[index].seed), index));
        order
    }

    fn is_measured(&self, folder: &TrialFolder, index: usize) -> bool {
        // Read, not only seen: what was damaged is measured again.
        folder.is_trained() && self.measurements[index].iter().all(|m| folder.scores(&m.key).is_some())
    }

    fn work_on(&self, folder: &TrialFolder, trial: &Trial, index: usize, claim: &Claim) -> Result<Left> {
        let log = folder.path("log");
        let run = folder.path("run");
        let wanted: Vec<&Measurement<'_>> =
            self.measurements[index].iter().filter(|m| folder.scores(&m.key).is_none()).collect();
        let without_weights = || fs::read_dir(run.join("checkpoints")).into_iter().flatten().next().is_none();
        if !folder.is_trained() || (!wanted.is_empty() && without_weights()) {
            let arguments = self.training(folder, trial)?;
            let started = Instant::now();
            match self.driver.run(&arguments, &log, claim, self.stop)? {
                Ended::Done(_) => {}
                Ended::Stopped => return Ok(Left::Stopped),
                Ended::Failed(why) => return Ok(Left::Failed(Failed { during: "training".to_owned(), why })),
            }
            folder.keep_scores("trained", &json!({ "seconds": started.elapsed().as_secs_f64() }))?;
        }
        for measurement in wanted {
            let arguments = measure::arguments(folder, measurement)?;
            let during = || format!("measuring {}", measurement.key);
            let started = Instant::now();
            match self.driver.run(&arguments, &log, claim, self.stop)? {
                Ended::Done(Some(mut scores)) => {
                    scores["seconds"] = json!(started.elapsed().as_secs_f64());
                    folder.keep_scores(&measurement.key, &scores)?;
                }
                Ended::Done(None) => {
                    let why = "the command gave no result".to_owned();
                    return Ok(Left::Failed(Failed { during: during(), why }));
                }
                Ended::Stopped => return Ok(Left::Stopped),
                Ended::Failed(why) => return Ok(Left::Failed(Failed { during: during(), why })),
            }
        }
        self.tidy(folder)?;
        Ok(Left::Measured)
    }

    /// The command that begins the trial's run, or goes on with it.
    fn training(&self, folder: &TrialFolder, trial: &Trial) -> Result<Vec<String>> {
        let run = folder.path("run");
        let metrics = || fs::metadata(run.join("metrics.jsonl")).is_ok_and(|meta| meta.len() > 0);
        let checkpoints = || fs::read_dir(run.join("checkpoints")).into_iter().flatten().next().is_some();
        let begun =
            run.join("config.toml").is_file() && (checkpoints() || (!metrics() && !folder.is_trained()));
        let path = run.display().to_string();
        if begun {
            return Ok(vec!["resume".to_owned(), path]);
        }
        // Killed before its first checkpoint, or its weights are gone: it has nothing to go on from.
        if run.exists() {
            fs::remove_dir_all(&run).map_err(|e| Error::io(&run, &e))?;
        }
        let recipe = folder.path("recipe.toml");
        let cell = self.plan.cell_name(&self.plan.cells[trial.cell]);
        let text = format!(
            "# Study {}: {cell}, seed {}\n{}",
            self.plan.name,
            trial.seed,
            self.plan.recipe(trial)?.to_toml()
        );
        write_atomically(&recipe, text.as_bytes())?;
        Ok(vec!["pretrain".to_owned(), recipe.display().to_string(), "--out".to_owned(), path])
    }

    /// Removes what nobody needs of a measured trial.
    fn tidy(&self, folder: &TrialFolder) -> Result<()> {
        let checkpoints = folder.path("run/checkpoints");
        let mut files: Vec<_> =
            fs::read_dir(&checkpoints).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        if self.plan.checkpoints == Checkpoints::Last {
            files.pop();
        }
        files.iter().try_for_each(|file| fs::remove_file(file).map_err(|e| Error::io(file, &e)))?;
        // Heads that are trained save themselves.
        let saved = folder.path("run/eval");
        match fs::remove_dir_all(&saved) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&saved, &e)),
            _ => Ok(()),
        }
    }
}
