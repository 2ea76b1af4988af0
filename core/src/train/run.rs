//! The training loop: steps, metrics, checkpoints, evaluations, and the ways to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::steps::{self, Steps};
use super::{RunFolder, StepReport, Trainer};
use crate::data::{Batch, BatchSource};
use crate::{Error, Result};

/// What watches a run: bars, logs, images, evaluations. The loop calls it; it changes nothing.
pub trait Observer {
    /// After every step.
    ///
    /// # Errors
    /// An output that can't be written; the run stops.
    fn step(&mut self, trainer: &Trainer, report: &StepReport) -> Result<()>;
    /// When sample sheets are due.
    ///
    /// # Errors
    /// As above.
    fn samples(&mut self, trainer: &Trainer, folder: &RunFolder) -> Result<()>;
    /// When an evaluation is due; returns what goes into the metrics.
    ///
    /// # Errors
    /// As above, or the heads' failure.
    fn evaluate(&mut self, trainer: &Trainer) -> Result<serde_json::Value>;
    /// After a checkpoint was written.
    fn checkpoint(&mut self, path: &std::path::Path);
    /// Something that the user should read.
    fn warn(&mut self, message: &str);
}

/// How a run ended.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Summary {
    /// Steps done.
    pub steps: u64,
    /// Epochs done.
    pub epochs: f64,
    /// The mean loss of the last steps (up to 20).
    pub loss: f64,
    /// Seconds of this process, evaluations and images left out.
    pub seconds: f64,
    /// Images per second of training.
    pub images_per_second: f64,
    /// The share of the time spent waiting for data.
    pub data_wait: f64,
}

/// Trains to the recipe's end, from wherever the trainer stands.
///
/// # Errors
/// A loss that isn't finite (what the step was fed is saved), an interrupt (after a checkpoint), a
/// full disk (the last good checkpoint stays), or a failure of data or backend.
pub fn run(
    trainer: &mut Trainer,
    source: &mut dyn BatchSource,
    folder: &RunFolder,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<Summary> {
    source.seek(trainer.step_count())?;
    if trainer.step_count() == 0 {
        // A run can be resumed from its very start.
        observer.checkpoint(&folder.save(&trainer.checkpoint()?, trainer.recipe.train.keep_last)?);
    }
    let pace = steps::take(&mut Run { trainer, source, folder, observer, interrupted, skipped: 0 })?;
    record_evaluation(trainer, folder, observer)?;
    Ok(Summary {
        steps: trainer.step_count(),
        epochs: trainer.epoch(),
        loss: pace.loss(),
        seconds: pace.seconds,
        images_per_second: pace.images_per_second(),
        data_wait: pace.data_wait(),
    })
}

struct Run<'a> {
    trainer: &'a mut Trainer,
    source: &'a mut dyn BatchSource,
    folder: &'a RunFolder,
    observer: &'a mut dyn Observer,
    interrupted: &'a AtomicBool,
    /// Broken files that were told.
    skipped: u64,
}

impl Run<'_> {
    /// Whether something is due that is done every so many epochs.
    fn every(&self, epochs: f64) -> bool {
        let interval = (epochs * self.trainer.steps_per_epoch as f64).round().max(1.0) as u64;
        epochs > 0.0 && self.trainer.step_count().is_multiple_of(interval)
    }

    /// Whether the step of this number, from 1, is logged and looks at attention.
    fn logs(&self, step: u64) -> bool {
        step.is_multiple_of(self.trainer.recipe.train.log_every as u64)
    }
}

impl Steps for Run<'_> {
    type Batch = Batch;

    fn due(&self) -> bool {
        self.trainer.step_count() < self.trainer.total_steps
    }

    fn batch(&mut self) -> Result<Batch> {
        self.source.next_batch()
    }

    fn step(&mut self, batch: &Batch) -> Result<StepReport> {
        let skipped = self.source.skipped();
        if skipped > self.skipped {
            self.skipped = skipped;
            self.observer.warn(&format!("{skipped} broken files skipped so far"));
        }
        let observe = self.logs(self.trainer.step_count() + 1);
        let report = self.trainer.train_step(batch, observe)?;
        self.trainer.take_notices().iter().for_each(|notice| self.observer.warn(notice));
        Ok(report)
    }

    fn diverged(&mut self, batch: &Batch, report: &StepReport) -> Result<Error> {
        diverged(self.trainer, self.folder, batch, report)
    }

    fn recycle(&mut self, batch: Batch) {
        self.source.recycle(batch);
    }

    fn stepped(&mut self, report: &StepReport) -> Result<()> {
        let step = self.trainer.step_count();
        let last = step == self.trainer.total_steps;
        let settings = &self.trainer.recipe.train;
        let (samples_every, checkpoint_every) = (settings.samples_every, settings.checkpoint_every);
        if last || self.logs(step) {
            self.folder.append_metrics(&metrics_line(self.trainer, report))?;
        }
        self.observer.step(self.trainer, report)?;
        if last || self.every(samples_every) {
            self.observer.samples(self.trainer, self.folder)?;
        }
        if !last && self.every(self.trainer.recipe.eval.every) {
            record_evaluation(self.trainer, self.folder, self.observer)?;
        }
        let stop = self.interrupted.load(Ordering::Relaxed);
        if last || stop || self.every(checkpoint_every) {
            let keep = self.trainer.recipe.train.keep_last;
            self.observer.checkpoint(&self.folder.save(&self.trainer.checkpoint()?, keep)?);
        }
        if stop {
            return Err(Error::interrupted(format!(
                "interrupted after step {step}; a checkpoint was written"
            ))
            .help(format!("continue with: cargo xtask resume {}", self.folder.root().display())));
        }
        Ok(())
    }
}

fn record_evaluation(trainer: &Trainer, folder: &RunFolder, observer: &mut dyn Observer) -> Result<()> {
    let results = observer.evaluate(trainer)?;
    if results.is_null() {
        return Ok(());
    }
    folder.append_metrics(&json!({ "step": trainer.step_count(), "epoch": trainer.epoch(), "eval": results }))
}

fn metrics_line(trainer: &Trainer, report: &StepReport) -> serde_json::Value {
    let mut line = json!({
        "step": report.step,
        "epoch": trainer.epoch(),
        "lr": report.lr,
        "grad_norm": report.grad_norm,
        "images_per_second": report.images as f64 / report.phases.total().max(1e-9),
        "data_wait": report.phases.data / report.phases.total().max(1e-9),
        "phases": report.phases,
    });
    for (name, value) in report.figures() {
        line[name] = json!(value);
    }
    line
}

/// Saves what the failed step was fed and says where.
fn diverged(trainer: &Trainer, folder: &RunFolder, batch: &Batch, report: &StepReport) -> Result<Error> {
    let plan = trainer.plan(batch)?;
    let mut losses = report.scalars.clone();
    losses.push(("grad_norm".to_owned(), report.grad_norm));
    let injection = trainer.model.site().into();
    let saved = folder.save_failure(report.step, batch, &plan, injection, &losses)?;
    folder.save(&trainer.checkpoint()?, trainer.recipe.train.keep_last)?;
    let list: Vec<String> = losses.iter().map(|(name, value)| format!("{name} {value}")).collect();
    Ok(Error::failure(format!("step {} is not finite: {}", report.step, list.join(", ")))
        .at(folder.root().display())
        .help(format!(
            "lower optimizer.lr or set optimizer.clip. The weights before the step are checkpointed, its batch and plan are in {}; \
             do it again with: cargo xtask run replay {}",
            saved.display(),
            folder.root().display()
        )))
}
