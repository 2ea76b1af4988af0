//! Heads that are trained with the encoder.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use palimpsest_core::finetune::{
    EncoderStart, FinetuneRecipe, FitObserver, FitRequest, Fitted, TaskHeadEntry, TrainedHead,
};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::StepReport;
use palimpsest_core::{Device, DeviceHandle, Result};
use serde_json::{Value, json};

use super::encoder::Measurable;
use super::measured::{Compared, Measured};
use super::saved;
use crate::cli::Eval;
use crate::meta_backend::MetaBackend;
use crate::output;
use crate::progress::{Progress, remaining};

/// A head on a data set.
pub(super) struct HeadRun<'a> {
    pub(super) args: &'a Eval,
    pub(super) run: &'a Measurable,
    /// The run's recipe with the data set.
    pub(super) recipe: &'a Recipe,
    /// Training and test images at most; 0 takes all.
    pub(super) limits: [usize; 2],
    pub(super) head: &'a TaskHeadEntry,
    pub(super) trained: &'a TrainedHead,
    pub(super) set: &'a str,
    /// Tells the user something, once.
    pub(super) warn: &'a dyn Fn(&str),
}

impl HeadRun<'_> {
    /// Scores by seed, with the trained weights and with random ones.
    pub(super) fn measure(&self, seeds: &[u64], interrupted: &AtomicBool) -> Result<Compared> {
        let settings = FinetuneRecipe::of(self.head, self.recipe, &self.args.overrides)?;
        let mut compared = Compared::default();
        for &seed in seeds {
            let settings = settings.clone().with_seed(seed);
            let pretrained = self.run.start(None)?;
            if self.args.dry_run {
                compared.plan = Some(self.plan(&settings, &pretrained, interrupted)?);
                break;
            }
            compared.pretrained.push(self.fit(&settings, &pretrained, "pretrained", interrupted)?);
            if !self.args.no_baseline {
                let random = self.run.start(Some(seed))?;
                compared.random.push(self.fit(&settings, &random, "random", interrupted)?);
            }
        }
        Ok(compared)
    }

    /// Whether the data and the settings fit the head, before any head is fitted.
    pub(super) fn check(&self, interrupted: &AtomicBool) -> Result<()> {
        let settings = FinetuneRecipe::of(self.head, self.recipe, &self.args.overrides)?;
        let start = self.run.start(None)?;
        let device = self.run.trainer.device.clone();
        (self.trained.plan)(&self.request(&settings, &start, device, interrupted), 0).map(drop)
    }

    fn request<'a>(
        &'a self,
        recipe: &'a FinetuneRecipe,
        start: &'a EncoderStart,
        device: DeviceHandle,
        interrupted: &'a AtomicBool,
    ) -> FitRequest<'a> {
        FitRequest {
            recipe,
            start,
            device,
            shots: self.args.shots,
            limits: self.limits,
            interrupted,
            collective: self.run.collective.clone(),
        }
    }

    /// Tells what fitting would take: by counting the operations of one step, and by the time of the
    /// second of two steps on the backend (the first one allocates and tunes).
    fn plan(&self, recipe: &FinetuneRecipe, start: &EncoderStart, interrupted: &AtomicBool) -> Result<Value> {
        let meta = Arc::new(MetaBackend::new(true));
        let device = DeviceHandle { backend: meta.clone(), id: Device::Cpu };
        // Recomputed blocks would be counted twice.
        let mut counted = recipe.clone();
        counted.train.checkpoint_blocks = 0;
        (self.trained.plan)(&self.request(&counted, start, device, interrupted), 1)?;
        let device = self.run.trainer.device.clone();
        let timed = format!("{} {}", device.backend.info().name, device.id);
        let plan = (self.trained.plan)(&self.request(recipe, start, device, interrupted), 2)?;
        let step = meta.take().total() as f64 * recipe.train.accumulate as f64;
        let fits = if self.args.no_baseline { 1 } else { 2 } * self.args.seeds.len().max(1);
        let total = step * plan.steps as f64 * fits as f64;
        let seconds = plan.seconds_per_step * plan.steps as f64;
        plan.notes.iter().for_each(|note| (self.warn)(&format!("note: {note}")));
        let [train, test] = &plan.sizes;
        let told = format!(
            "{} on {}: {:.2} M parameters, {:.2} M trainable; fitted on {train}, scored on {test}; {} steps of {}, \
             {fits} times; {:.3} GFLOP a step, {:.2} TFLOP in all; about {} of training each, {} in all on {timed}",
            self.head.name,
            self.set,
            plan.parameters as f64 / 1e6,
            plan.trained as f64 / 1e6,
            plan.steps,
            plan.batch,
            step / 1e9,
            total / 1e12,
            remaining(seconds),
            remaining(seconds * fits as f64),
        );
        if self.run.leads() {
            output::told(&told, self.args.result.json);
        }
        let mut json = json!(plan);
        json["flops_per_step"] = json!(step);
        json["flops"] = json!(total);
        json["fits"] = json!(fits);
        json["seconds"] = json!(seconds * fits as f64);
        Ok(json)
    }

    fn fit(
        &self,
        recipe: &FinetuneRecipe,
        start: &EncoderStart,
        weights: &'static str,
        interrupted: &AtomicBool,
    ) -> Result<Measured> {
        let seed = recipe.train.seed;
        let root = self.args.out.clone().unwrap_or_else(|| self.run.folder.path("eval"));
        let device = self.run.trainer.device.clone();
        let request = self.request(recipe, start, device, interrupted);
        let title = format!("{} on {}, {weights}, seed {seed}", self.head.name, self.set);
        if !self.run.leads() {
            let fitted = (self.trained.fit)(&request, &mut Silent)?;
            return Ok(Self::measured(seed, fitted));
        }
        let folder = saved::folder(&root, self.head.name, self.set, weights, seed)?;
        let mut watcher = Watcher { title, progress: None, lines: String::new(), warn: self.warn };
        let fitted = (self.trained.fit)(&request, &mut watcher);
        watcher.finish();
        let fitted = fitted?;
        saved::replaces(&folder).iter().for_each(|note| (self.warn)(note));
        saved::file(&folder, "config.toml", recipe.to_toml().as_bytes())?;
        saved::file(&folder, "metrics.jsonl", watcher.lines.as_bytes())?;
        saved::artifacts(&folder, &fitted.artifacts)?;
        fitted.checkpoint.write(&folder.join("model.safetensors"))?;
        // Last: where there are scores, the rest is there too.
        saved::scores(&folder, &fitted.scores, &fitted.sizes, Some(&fitted.summary))?;
        output::note(&format!(
            "{}: {}; {} steps in {:.0} s, {:.0} images/s; saved in {}",
            watcher.title,
            fitted
                .scores
                .iter()
                // COCO's -1 tells that there was nothing of the kind.
                .filter(|(_, v)| *v != -1.0)
                .map(|(n, v)| format!("{n} {}", output::figure(*v)))
                .collect::<Vec<_>>()
                .join(", "),
            fitted.summary.steps,
            fitted.summary.seconds,
            fitted.summary.images_per_second,
            folder.display()
        ));
        Ok(Self::measured(seed, fitted))
    }

    fn measured(seed: u64, fitted: Fitted) -> Measured {
        Measured {
            seed,
            scores: fitted.scores,
            sizes: fitted.sizes,
            features: None,
            summary: Some(fitted.summary),
        }
    }
}

/// What another process than the first shows.
struct Silent;

impl FitObserver for Silent {
    fn start(&mut self, _: u64, _: u64) {}
    fn step(&mut self, _: &StepReport) -> Result<()> {
        Ok(())
    }
    fn message(&mut self, _: &str) {}
}

/// Shows how a fit goes, and keeps its losses.
struct Watcher<'a> {
    warn: &'a dyn Fn(&str),
    title: String,
    progress: Option<Progress>,
    lines: String,
}

impl Watcher<'_> {
    fn finish(&mut self) {
        if let Some(progress) = &self.progress {
            progress.finish();
        }
    }
}

impl FitObserver for Watcher<'_> {
    fn start(&mut self, steps: u64, steps_per_epoch: u64) {
        output::note(&format!("{}: {steps} steps, {steps_per_epoch} an epoch", self.title));
        self.progress = Some(Progress::new(steps, 0, steps_per_epoch, true));
    }

    fn step(&mut self, report: &StepReport) -> Result<()> {
        if let Some(progress) = &mut self.progress {
            progress.step(report);
        }
        let mut line = json!({ "step": report.step, "lr": report.lr, "grad_norm": report.grad_norm });
        for (name, value) in &report.scalars {
            line[name] = json!(value);
        }
        self.lines.push_str(&format!("{line}\n"));
        Ok(())
    }

    fn message(&mut self, text: &str) {
        match &self.progress {
            Some(progress) => progress.message(text),
            None => (self.warn)(text),
        }
    }
}
