//! Watches a run: bar, TensorBoard events, images, evaluations.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use palimpsest_core::data::Batch;
use palimpsest_core::head::{Class, LabelledSplits};
use palimpsest_core::params::Params;
use palimpsest_core::settings::Section;
use palimpsest_core::train::{Observer, RunFolder, SaveTimes, Saved, StepReport, Trainer};
use palimpsest_core::{Error, Result};
use palimpsest_datasets::RecipeData;
use serde_json::{Value, json};

use crate::progress::Progress;
use crate::sample_sheet::Painter;
use crate::tensorboard::EventWriter;
use crate::{frozen, output, priority};

/// Images in a sample image.
const SAMPLES: usize = 6;

/// What a run is measured on.
pub(crate) struct Measured<'a> {
    /// Its data, whose first test images are its samples.
    pub(crate) data: &'a RecipeData,
    /// What its heads are fitted and scored on.
    pub(crate) labelled: frozen::Labelled,
}

/// The scores of a run's heads, beside those of random weights.
struct Scores {
    /// What heads are fitted and scored on; none without heads.
    labelled: Option<Box<dyn LabelledSplits<Class>>>,
    heads: Vec<(String, Section)>,
    random: Option<Params>,
    baseline: Option<Value>,
    interrupted: &'static AtomicBool,
}

impl Scores {
    fn new(labelled: frozen::Labelled, trainer: &Trainer, interrupted: &'static AtomicBool) -> Result<Self> {
        let eval = &trainer.recipe.eval;
        let heads = eval
            .heads
            .iter()
            .map(|name| Ok((name.clone(), trainer.recipe.head.section(name)?)))
            .collect::<Result<_>>()?;
        let random = eval
            .baseline
            .then(|| frozen::random_params(trainer, &trainer.device, trainer.recipe.run.seed))
            .transpose()?;
        Ok(Self { labelled: labelled.splits, heads, random, baseline: None, interrupted })
    }

    /// {pretrained: {head: {figure: value}}, random: …}, and warnings.
    fn evaluate(&mut self, trainer: &Trainer) -> Result<(Value, Vec<String>)> {
        let Some(labelled) = self.labelled.as_deref() else { return Ok((Value::Null, vec![])) };
        let evaluate = |params: &Params, warn: &mut dyn FnMut(&str)| {
            frozen::evaluate(trainer, params, labelled, &self.heads, self.interrupted, warn)
        };
        let mut warnings = vec![];
        let pretrained = evaluate(&trainer.evaluated_params()?, &mut |text| warnings.push(text.to_owned()))?;
        let mut results = json!({ "pretrained": pretrained });
        if let Some(random) = &self.random {
            if self.baseline.is_none() {
                // The same files are broken.
                self.baseline = Some(evaluate(random, &mut |_| ())?);
            }
            results["random"] = self.baseline.clone().unwrap_or_default();
        }
        Ok((output::rounded(results), warnings))
    }
}

/// What watches a run from another process than the one that writes: it does its part of the evaluations.
pub(crate) struct Follower {
    scores: Scores,
}

impl Follower {
    pub(crate) fn new(
        measured: Measured<'_>,
        trainer: &Trainer,
        interrupted: &'static AtomicBool,
    ) -> Result<Self> {
        Ok(Self { scores: Scores::new(measured.labelled, trainer, interrupted)? })
    }
}

impl Observer for Follower {
    fn step(&mut self, _: &Trainer, _: &StepReport) -> Result<()> {
        Ok(())
    }

    fn samples(&mut self, _: &Trainer, _: &RunFolder) -> Result<()> {
        Ok(())
    }

    fn evaluate(&mut self, trainer: &Trainer) -> Result<Value> {
        Ok(self.scores.evaluate(trainer)?.0)
    }

    fn checkpoint(&mut self, _: &Saved) {}

    /// A broken image of this process's part.
    fn warn(&mut self, message: &str) {
        output::of_own(&format!("warning: {message}"));
    }
}

pub(crate) struct Watcher {
    scores: Scores,
    /// Warnings that every evaluation would repeat.
    told: BTreeSet<String>,
    folder: RunFolder,
    progress: Progress,
    events: EventWriter,
    painter: Painter,
    samples: Batch,
    log_every: u64,
}

impl Watcher {
    pub(crate) fn new(
        Measured { data, labelled }: Measured<'_>,
        trainer: &Trainer,
        folder: &RunFolder,
        interrupted: &'static AtomicBool,
    ) -> Result<Self> {
        let [mean, std] = data.normalisation();
        // The images show the same images and masks throughout, whatever step they are of.
        let mut samples = data.first_test_images(SAMPLES)?;
        samples.first_sample = 1 << 40;
        Ok(Self {
            scores: Scores::new(labelled, trainer, interrupted)?,
            told: BTreeSet::new(),
            folder: folder.clone(),
            progress: Progress::new(trainer.total_steps, trainer.step_count(), trainer.steps_per_epoch, true),
            events: open_events(trainer, folder)?,
            painter: Painter { mean, std, shown: data.shown_channels() },
            samples,
            log_every: trainer.recipe.train.log_every as u64,
        })
    }

    /// Ends the bar and flushes the events.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.progress.finish();
        self.events.flush()
    }
}

/// The event file of a new or a resumed run.
fn open_events(trainer: &Trainer, folder: &RunFolder) -> Result<EventWriter> {
    let path = folder.path("tb");
    if trainer.step_count() > 0 {
        return EventWriter::resume(&path, trainer.step_count() + 1);
    }
    let mut events = EventWriter::create(&path)?;
    events.text("recipe", &format!("```toml\n{}\n```", trainer.recipe.to_toml()), 0)?;
    Ok(events)
}

/// A step for `train.log`: every figure of `metrics.jsonl` that a reader looks at first.
fn log_line(trainer: &Trainer, report: &StepReport) -> String {
    let losses: Vec<String> =
        report.figures().map(|(name, value)| format!("{name} {}", output::figure(value))).collect();
    format!(
        "step {}/{} epoch {:.2} lr {:.2e} grad_norm {:.3} {:.0} ms {}",
        report.step,
        trainer.total_steps,
        trainer.epoch(),
        report.lr,
        report.grad_norm,
        1e3 * report.phases.total(),
        losses.join(" ")
    )
}

/// Width and height from a PNG's header.
fn png_size(png: &[u8]) -> (u32, u32) {
    let word = |at: usize| png.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes);
    (word(16), word(20))
}

impl Observer for Watcher {
    fn step(&mut self, trainer: &Trainer, report: &StepReport) -> Result<()> {
        self.progress.step(report);
        if report.step.is_multiple_of(self.log_every) || report.step == trainer.total_steps {
            self.folder.log(&log_line(trainer, report))?;
            for (name, value) in report.figures() {
                self.events.scalar(name, value as f32, report.step)?;
            }
            self.events.scalar("lr", report.lr as f32, report.step)?;
            self.events.scalar("grad_norm", report.grad_norm as f32, report.step)?;
        }
        Ok(())
    }

    fn samples(&mut self, trainer: &Trainer, folder: &RunFolder) -> Result<()> {
        let step = trainer.step_count();
        let path = folder.path(&format!("samples/step-{step:09}.png"));
        let plan = trainer.plan_at(&self.samples, 0, 0.0)?;
        let weights = trainer.evaluated_params()?;
        let weights = Some((&weights, &trainer.device, 0));
        self.painter.write(&path, &trainer.model, &self.samples, &plan, weights)?;
        let png = std::fs::read(&path).map_err(|e| Error::io(&path, &e))?;
        let (width, height) = png_size(&png);
        self.events.image("samples", &png, width, height, step)
    }

    fn evaluate(&mut self, trainer: &Trainer) -> Result<Value> {
        if self.scores.labelled.is_none() {
            return Ok(Value::Null);
        }
        self.progress.message("evaluating on frozen features");
        let (results, warnings) = self.scores.evaluate(trainer)?;
        for text in warnings {
            if self.told.insert(text.clone()) {
                self.warn(&text);
            }
        }
        for (name, _) in &self.scores.heads {
            if let Some(accuracy) = results["pretrained"][name]["accuracy"].as_f64() {
                self.events.scalar(&format!("eval/{name}"), accuracy as f32, trainer.step_count())?;
                let line = format!("epoch {:.0}: {name} {:.2} %", trainer.epoch(), 100.0 * accuracy);
                self.folder.log(&line)?;
                self.progress.message(&line);
            }
        }
        Ok(results)
    }

    fn writer(&self) -> fn() {
        priority::give_way
    }

    fn checkpoint(&mut self, saved: &Saved) {
        let SaveTimes { wait, copy, write } = saved.times;
        // A log line that can't be written must not stop a run that could save its weights.
        let _ = self.folder.log(&format!(
            "checkpoint {}: waited {wait:.1} s for the one before, copied in {copy:.1} s, written in {write:.1} s",
            saved.path.display()
        ));
    }

    fn warn(&mut self, message: &str) {
        let _ = self.folder.log(&format!("warning: {message}"));
        self.progress.message(&format!("warning: {message}"));
    }
}
