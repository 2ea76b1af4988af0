//! The training loop: steps, metrics, checkpoints, evaluations, and the ways to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::json;

use super::{RunFolder, StepReport, Trainer};
use crate::data::BatchSource;
use crate::{Error, Result};

/// What watches a run: bars, logs, pictures, evaluations. The loop calls it; it changes nothing.
pub trait Observer {
    /// After every step.
    ///
    /// # Errors
    /// An output that can't be written; the run stops.
    fn step(&mut self, trainer: &Trainer, report: &StepReport) -> Result<()>;
    /// When sample pictures are due.
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
    /// Seconds of this process, evaluations and pictures left out.
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
    let settings = trainer.recipe.train.clone();
    let eval_every = trainer.recipe.eval.every;
    let (steps_per_epoch, total) = (trainer.steps_per_epoch, trainer.total_steps);
    let due = |every: f64, step: u64| {
        let interval = (every * steps_per_epoch as f64).round().max(1.0) as u64;
        every > 0.0 && step.is_multiple_of(interval)
    };
    let mut recent = std::collections::VecDeque::new();
    let (mut seconds, mut waited, mut images) = (0.0, 0.0, 0);
    let mut skipped = 0;
    if trainer.step_count() == 0 {
        // A run can be resumed from its very start.
        observer.checkpoint(&folder.save(&trainer.checkpoint()?, settings.keep_last)?);
    }
    while trainer.step_count() < total {
        let started = Instant::now();
        let batch = source.next_batch()?;
        let data = started.elapsed().as_secs_f64();
        if source.skipped() > skipped {
            skipped = source.skipped();
            observer.warn(&format!("{skipped} broken files skipped so far"));
        }
        let log = (trainer.step_count() + 1).is_multiple_of(settings.log_every as u64);
        let mut report = trainer.train_step(&batch, log)?;
        trainer.take_notices().iter().for_each(|notice| observer.warn(notice));
        report.phases.data = data;
        seconds += started.elapsed().as_secs_f64();
        waited += data;
        images += report.images;
        if !report.loss().is_finite() || !report.grad_norm.is_finite() {
            return Err(diverged(trainer, folder, &batch, &report)?);
        }
        source.recycle(batch);
        recent.push_back(report.loss());
        if recent.len() > 20 {
            recent.pop_front();
        }
        let step = trainer.step_count();
        if log || step == total {
            folder.append_metrics(&metrics_line(trainer, &report))?;
        }
        observer.step(trainer, &report)?;
        if due(settings.samples_every, step) || step == total {
            observer.samples(trainer, folder)?;
        }
        if due(eval_every, step) && step != total {
            record_evaluation(trainer, folder, observer)?;
        }
        let stop = interrupted.load(Ordering::Relaxed);
        if due(settings.checkpoint_every, step) || step == total || stop {
            observer.checkpoint(&folder.save(&trainer.checkpoint()?, settings.keep_last)?);
        }
        if stop {
            return Err(Error::interrupted(format!(
                "interrupted after step {step}; a checkpoint was written"
            ))
            .mend(format!("continue with: cargo xtask resume {}", folder.root().display())));
        }
    }
    record_evaluation(trainer, folder, observer)?;
    Ok(Summary {
        steps: trainer.step_count(),
        epochs: trainer.epoch(),
        loss: recent.iter().sum::<f64>() / recent.len().max(1) as f64,
        seconds,
        images_per_second: images as f64 / seconds.max(1e-9),
        data_wait: waited / seconds.max(1e-9),
    })
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
    for (name, value) in &report.scalars {
        line[name] = json!(value);
    }
    line
}

/// Saves what the failed step was fed and says where.
fn diverged(
    trainer: &Trainer,
    folder: &RunFolder,
    batch: &crate::data::Batch,
    report: &StepReport,
) -> Result<Error> {
    let plan = trainer.plan(batch)?;
    let mut losses = report.scalars.clone();
    losses.push(("grad_norm".to_owned(), report.grad_norm));
    let saved = folder.save_failure(report.step, batch, &plan, &losses)?;
    folder.save(&trainer.checkpoint()?, trainer.recipe.train.keep_last)?;
    let list: Vec<String> = losses.iter().map(|(name, value)| format!("{name} {value}")).collect();
    Ok(Error::failure(format!("step {} is not finite: {}", report.step, list.join(", ")))
        .at(folder.root().display())
        .mend(format!(
            "lower optimizer.lr or set optimizer.clip. The weights before the step are checkpointed, its batch and plan are in {}; \
             do it again with: cargo xtask run replay {}",
            saved.display(),
            folder.root().display()
        )))
}
