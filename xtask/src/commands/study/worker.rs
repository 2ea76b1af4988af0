//! Works on a study's trials, one after the other, until none is left that it could take.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use palimpsest_core::{Error, Result};
use palimpsest_study::plan::{Measurement, Plan};
use palimpsest_study::trial::{Failed, TrialFolder};

use super::driver::{DISK_FULL, Driver};
use super::progress::StudyProgress;
use super::trial_work::{Left, TRAINING, TrialWork};

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

impl Work<'_> {
    /// Takes trials in the order of the seeds, so that a study that is stopped early has whole comparisons.
    ///
    /// # Errors
    /// A full disk. What else happens to a trial is told, noted in its folder where that can be, and stops no other.
    pub(super) fn run(&self) -> Result<()> {
        let mut given_up = HashSet::new();
        let mut idle_since = None;
        loop {
            let worked = self.pass(&mut given_up)?;
            if self.stop.load(Ordering::Relaxed) || !(self.may_begin)() || !self.with_others(&given_up) {
                return Ok(());
            }
            // A process that was killed just now gives its trial back in a moment.
            if worked {
                idle_since = None;
            }
            if idle_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether a trial that is left is another process's, or another worker's.
    fn with_others(&self, given_up: &HashSet<usize>) -> bool {
        (0..self.plan.trials.len()).filter(|index| !given_up.contains(index)).any(|index| {
            let folder = TrialFolder::of(self.trials, &self.plan.trials[index].id);
            !self.is_measured(&folder, index) && (folder.is_claimed() || folder.failed().is_none())
        })
    }

    /// Works on each trial that is free; whether there was one.
    fn pass(&self, given_up: &mut HashSet<usize>) -> Result<bool> {
        let mut worked = false;
        for index in self.order() {
            if self.stop.load(Ordering::Relaxed) || !(self.may_begin)() {
                break;
            }
            if given_up.contains(&index) {
                continue;
            }
            let trial = &self.plan.trials[index];
            let name = format!("{}, seed {}", self.plan.cell_name(&self.plan.cells[trial.cell]), trial.seed);
            let left = match self.take(index) {
                Ok(None) => continue,
                Ok(Some(left)) => left,
                Err(error) if error.message() == DISK_FULL => return Err(error),
                Err(error) => {
                    Left::Failed(Failed { during: "its folder".to_owned(), why: error.to_string() })
                }
            };
            match left {
                Left::Measured => {
                    worked = true;
                    self.progress.measured(&name);
                }
                // This worker isn't the one to try it again: whoever stopped it may do so again.
                Left::Stopped => drop(given_up.insert(index)),
                Left::Failed(failed) => {
                    given_up.insert(index);
                    self.progress.failed(&name, &failed);
                }
            }
        }
        Ok(worked)
    }

    /// Works on a trial, if it is free and something of it is left.
    fn take(&self, index: usize) -> Result<Option<Left>> {
        let trial = &self.plan.trials[index];
        let folder = TrialFolder::of(self.trials, &trial.id);
        if self.is_measured(&folder, index) || (folder.failed().is_some() && !self.retry_failed) {
            return Ok(None);
        }
        let Some(claim) = folder.claim()? else { return Ok(None) };
        // Another worker may have ended it since.
        if self.is_measured(&folder, index) {
            return Ok(None);
        }
        match folder.failed() {
            Some(failed) if self.retry_failed && self.progress.first_time(index) => {
                let run = folder.path("run");
                // From its beginning: what is there led to the failure, or was changed since.
                if failed.during == TRAINING && run.exists() {
                    fs::remove_dir_all(&run).map_err(|e| Error::io(&run, &e))?;
                }
                folder.forgive()?;
            }
            Some(_) => return Ok(None),
            None => {}
        }
        let measurements = &self.measurements[index];
        let left = TrialWork {
            plan: self.plan,
            trial,
            folder: &folder,
            driver: self.driver,
            claim: &claim,
            stop: self.stop,
        }
        .run(measurements)?;
        if let Left::Failed(failed) = &left {
            folder.fail(failed)?;
        }
        Ok(Some(left))
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
}
