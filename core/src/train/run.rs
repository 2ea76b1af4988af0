//! The training loop: steps, metrics, checkpoints, evaluations, and the ways to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::parts::whole;
use super::steps::{self, Steps};
use super::{Checkpoint, Pace, RunFolder, Saved, Saver, StepReport, Trainer};
use crate::collective::{Identity, gather, gather_bytes};
use crate::data::{Batch, BatchSource};
use crate::{Error, ErrorKind, Result};

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
    fn evaluate(&mut self, trainer: &Trainer) -> Result<Value>;
    /// What the thread that writes a checkpoint calls first, to give way to those that train.
    fn writer(&self) -> fn() {
        || ()
    }
    /// After a checkpoint was written, which may be steps after it was due.
    fn checkpoint(&mut self, saved: &Saved);
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
    /// Seconds of the steps, over every leg of a run that was resumed; evaluations, images and checkpoints are left
    /// out, and so are steps that were lost and done again.
    pub seconds: f64,
    /// Images per second of training.
    pub images_per_second: f64,
    /// The share of the time spent waiting for data.
    pub data_wait: f64,
    /// What the heads scored at the end.
    pub eval: Value,
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
    let start = trainer.step_count();
    source.seek(start)?;
    if let Some(engine) = trainer.collective().cloned() {
        trainer.identity()?.compare(&*engine)?;
    }
    let pace = trainer.pace.clone();
    let saver = Saver::new(folder.clone(), trainer.recipe.train.keep_last, observer.writer());
    let mut run = Run { trainer, source, folder, observer, interrupted, saver, saved: vec![] };
    if start == 0 {
        // A run can be resumed from its very start.
        run.checkpoint_now()?;
    }
    // A process that was killed in an evaluation left it undone.
    if start > 0 && run.due() && run.every(run.trainer.recipe.eval.every) {
        run.evaluate()?;
    }
    let pace = steps::take(&mut run, pace)?;
    let eval = run.evaluate()?;
    Ok(Summary {
        steps: trainer.step_count(),
        epochs: trainer.epoch(),
        loss: pace.loss(),
        seconds: pace.seconds,
        images_per_second: pace.images_per_second(),
        data_wait: pace.data_wait(),
        eval,
    })
}

/// Steps between two looks at whether all processes still have the same weights. To copy and hash them takes less than a
/// step of any model.
const COMPARED_EVERY: u64 = 100;

struct Run<'a> {
    trainer: &'a mut Trainer,
    source: &'a mut dyn BatchSource,
    folder: &'a RunFolder,
    observer: &'a mut dyn Observer,
    interrupted: &'a AtomicBool,
    saver: Saver,
    /// Checkpoints that were written since the last line of metrics.
    saved: Vec<Saved>,
}

impl Run<'_> {
    /// Whether this process writes; the others of a run only follow.
    fn leads(&self) -> bool {
        self.trainer.collective().is_none_or(|engine| engine.world().leads())
    }

    /// A line of the log as rank 0 reads it: the others don't see what it writes at the same time.
    fn known_evaluation(&self, step: u64) -> Result<Option<Value>> {
        let known = if self.leads() { self.folder.evaluation(step)? } else { None };
        let Some(engine) = self.trainer.collective() else { return Ok(known) };
        let own = known.as_ref().map_or_else(Vec::new, |known| known.to_string().into_bytes());
        let all = gather_bytes(&**engine, &own)?;
        Ok(serde_json::from_slice(&all[0]).ok())
    }

    /// Whether something is due that is done every so many epochs.
    fn every(&self, epochs: f64) -> bool {
        let interval = (epochs * self.trainer.steps_per_epoch as f64).round().max(1.0) as u64;
        epochs > 0.0 && self.trainer.step_count().is_multiple_of(interval)
    }

    /// Whether the step of this number, from 1, is logged and looks at attention.
    fn logs(&self, step: u64) -> bool {
        step.is_multiple_of(self.trainer.recipe.train.log_every as u64)
    }

    /// Starts a checkpoint, which is written while training goes on. One that is being written is waited for.
    fn checkpoint(&mut self) -> Result<()> {
        if !self.leads() {
            return self.give();
        }
        let before = self.saver.save(|| self.trainer.checkpoint())?;
        self.written(before);
        Ok(())
    }

    /// Writes a checkpoint, and returns when it is whole.
    fn checkpoint_now(&mut self) -> Result<()> {
        if !self.leads() {
            return self.give();
        }
        let (before, saved) = self.saver.save_now(|| self.trainer.checkpoint())?;
        self.written(before);
        self.written(Some(saved));
        Ok(())
    }

    /// Gives rank 0, which writes a checkpoint, what it lacks: this process's part of the optimiser's state, if each has one.
    fn give(&self) -> Result<()> {
        if self.trainer.complete_alone() { Ok(()) } else { self.trainer.checkpoint().map(drop) }
    }

    /// Whether there is no checkpoint of a step yet, as rank 0 sees it.
    fn lacks_checkpoint(&self, step: u64) -> Result<bool> {
        let lacks = !self.folder.path("checkpoints").join(Checkpoint::file_name(step)).exists();
        match self.trainer.collective() {
            None => Ok(lacks),
            Some(engine) => Ok(gather(&**engine, &[f64::from(u8::from(lacks))])?[0][0] > 0.0),
        }
    }

    /// Waits until the checkpoint that is being written is whole.
    fn settle(&mut self) -> Result<()> {
        let saved = self.saver.settle()?;
        self.written(saved);
        Ok(())
    }

    fn written(&mut self, saved: Option<Saved>) {
        if let Some(saved) = saved {
            self.observer.checkpoint(&saved);
            self.saved.push(saved);
        }
    }

    /// The scores of the heads, which are logged; those of the log where this step's are there already.
    fn evaluate(&mut self) -> Result<Value> {
        // After the checkpoint: an evaluation may take long, and can be done again.
        self.settle()?;
        let step = self.trainer.step_count();
        let heads = &self.trainer.recipe.eval.heads;
        if let Some(known) = self.known_evaluation(step)?
            && heads.iter().all(|head| known["pretrained"][head].is_object())
        {
            return Ok(known);
        }
        let results = match self.observer.evaluate(self.trainer) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {
                if self.lacks_checkpoint(step)? {
                    self.checkpoint_now()?;
                }
                return Err(self.stopped(&format!("in the evaluation after step {step}")));
            }
            results => results?,
        };
        if !results.is_null() {
            let line = json!({ "step": step, "epoch": self.trainer.epoch(), "eval": results });
            self.folder.append_metrics(&line)?;
        }
        Ok(results)
    }

    /// The user has stopped the run.
    fn stopped(&self, place: &str) -> Error {
        Error::interrupted(format!("interrupted {place}; a checkpoint was written"))
            .help(format!("continue with: cargo xtask resume {}", self.folder.root().display()))
            .of_all()
            .saved()
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
        let warnings = self.source.take_warnings();
        warnings.iter().for_each(|warning| self.observer.warn(warning));
        let observe = self.logs(self.trainer.step_count() + 1);
        self.trainer.stop = self.interrupted.load(Ordering::Relaxed);
        let report = self.trainer.train_step_in_parts(batch, self.source, observe)?;
        self.trainer.take_notices().iter().for_each(|notice| self.observer.warn(notice));
        Ok(report)
    }

    fn diverged(&mut self, batch: &Batch, report: &StepReport, pace: &Pace) -> Result<Error> {
        self.settle()?;
        self.trainer.pace = pace.clone();
        let all;
        let batch = match self.source.parts() {
            1 => batch,
            _ => {
                all = whole(self.source, self.trainer.step_count())?;
                &all
            }
        };
        let Some(engine) = self.trainer.collective() else {
            return diverged(self.trainer, self.folder, batch, report);
        };
        // Rank 0 saves the part of the batch that isn't finite, whose ever it was.
        let own = if engine.world().rank == report.culprit { batch.to_bytes() } else { vec![] };
        let parts = gather_bytes(&**engine, &own)?;
        let part = parts.get(report.culprit).and_then(|bytes| Batch::from_bytes(bytes));
        diverged(self.trainer, self.folder, part.as_ref().unwrap_or(batch), report)
    }

    fn recycle(&mut self, batch: Batch) {
        self.source.recycle(batch);
    }

    fn stepped(&mut self, report: &StepReport, pace: &Pace) -> Result<()> {
        self.trainer.pace = pace.clone();
        let saved = self.saver.poll()?;
        self.written(saved);
        let step = self.trainer.step_count();
        let last = step == self.trainer.total_steps;
        let settings = &self.trainer.recipe.train;
        let (samples_every, checkpoint_every) = (settings.samples_every, settings.checkpoint_every);
        if let Some(engine) = self.trainer.collective()
            && (last || step.is_multiple_of(COMPARED_EVERY))
        {
            let weights = self.trainer.parameters_fingerprint()?;
            let same = Identity::default().with("the weights", weights).compare(&**engine);
            same.map_err(|e| apart(e, step))?;
        }
        if last || self.logs(step) {
            let mut line = metrics_line(self.trainer, report);
            if !self.saved.is_empty() {
                line["checkpoints"] =
                    std::mem::take(&mut self.saved).iter().map(checkpoint_figures).collect();
            }
            self.folder.append_metrics(&line)?;
        }
        self.observer.step(self.trainer, report)?;
        if last || self.every(samples_every) {
            if !self.trainer.complete_alone() {
                // Rank 0 alone paints, with averages that all have a part of.
                self.trainer.evaluated_params()?;
            }
            self.observer.samples(self.trainer, self.folder)?;
        }
        // Several processes are asked at different times, and agree on one step.
        let stop = match self.trainer.collective() {
            Some(_) => report.stop,
            None => self.interrupted.load(Ordering::Relaxed),
        };
        if last || stop {
            self.checkpoint_now()?;
        } else if self.every(checkpoint_every) {
            self.checkpoint()?;
        }
        if stop {
            return Err(self.stopped(&format!("after step {step}")));
        }
        if !last && self.every(self.trainer.recipe.eval.every) {
            self.evaluate()?;
        }
        Ok(())
    }
}

/// Weights that were the same have parted: one of the machines computes wrongly.
fn apart(error: Error, step: u64) -> Error {
    match error.kind() {
        ErrorKind::User => Error::failure(format!("after step {step} {}", error.message()))
            .help("look at those machines' memory and processors; the checkpoints before are kept")
            .of_all(),
        _ => error,
    }
}

/// What metrics tell of a checkpoint that was written: its step, and the seconds of [`SaveTimes`](super::SaveTimes).
fn checkpoint_figures(saved: &Saved) -> Value {
    let mut figures = json!(saved.times);
    figures["step"] = json!(saved.step);
    figures
}

fn metrics_line(trainer: &Trainer, report: &StepReport) -> Value {
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
    // Not as a checkpoint: weights from which a step is not finite are rarely good ones to go on from, and must push
    // out none.
    if folder.writes() || !trainer.complete_alone() {
        let before = trainer.checkpoint()?;
        if folder.writes() {
            before.write(&saved.join("weights.safetensors"))?;
        }
    }
    let list: Vec<String> = losses.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let run = folder.root().display();
    Ok(Error::failure(format!("step {} is not finite: {}", report.step, list.join(", "))).at(&run).help(format!(
        "lower optimizer.lr or set optimizer.clip, from the last checkpoint on: \
         cargo xtask resume {run} optimizer.lr={}. The weights before the step, its batch and its plan are in {}; \
         do it again with: cargo xtask run replay {run}",
        trainer.recipe.optimizer.lr / 2.0,
        saved.display(),
    ))
    .of_all())
}
