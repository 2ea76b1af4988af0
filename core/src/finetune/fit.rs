//! Fitting a head from start to score.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{EncoderStart, FineTuner, FinetuneRecipe, TrainingData};
use crate::collective::{Collective, fingerprint, gather_bytes};
use crate::data::Share;
use crate::encoder::ImageShape;
use crate::head::{
    Artifact, Broken, Examples, ExamplesRequest, LabelledLoader, LabelledSplits, Metric, MetricState,
    PartSize, Scores, TaskHead, any_rank, broken_messages, broken_of_all, examples_of,
};
use crate::tensor::{DType, DeviceHandle};
use crate::train::steps::{self, Steps};
use crate::train::{Checkpoint, Pace, StepReport};
use crate::{Error, Result};

/// What fitting a head needs, whatever its types.
pub struct FitRequest<'a> {
    /// The settings.
    pub recipe: &'a FinetuneRecipe,
    /// Where the encoder starts from.
    pub start: &'a EncoderStart,
    /// Backend and device.
    pub device: DeviceHandle,
    /// Training images of each class at most; 0 takes all.
    pub shots: usize,
    /// Training and test images at most; 0 takes all.
    pub limits: [usize; 2],
    /// Set when the user wants to stop.
    pub interrupted: &'a AtomicBool,
    /// The other processes, which share training and test images; each asks for the same. None in one alone.
    pub collective: Option<Arc<dyn Collective>>,
}

impl FitRequest<'_> {
    /// The engine between several processes.
    fn engine(&self) -> Option<&Arc<dyn Collective>> {
        self.collective.as_ref().filter(|engine| engine.world().size > 1)
    }

    fn share(&self) -> Share {
        self.engine().map_or(Share::WHOLE, |engine| engine.world().share())
    }

    /// Whether this process was asked to stop.
    fn stop(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// What watches a fit. It changes nothing. Of several processes each has one; one of them shows what happens.
pub trait FitObserver {
    /// Before the first step: the number of steps, and of those in an epoch.
    fn start(&mut self, steps: u64, steps_per_epoch: u64);
    /// After every step.
    ///
    /// # Errors
    /// An output that can't be written; the fit stops.
    fn step(&mut self, report: &StepReport) -> Result<()>;
    /// Something that the user should read.
    fn message(&mut self, text: &str);
}

/// What fitting would take.
#[derive(Debug, Clone, serde::Serialize)]
pub struct FitPlan {
    /// Values in all parameters.
    pub parameters: usize,
    /// Values in those that are trained.
    pub trained: usize,
    /// Training and test images.
    pub images: [usize; 2],
    /// What of the parts they are.
    pub sizes: [PartSize; 2],
    /// What the user may want to know of the data, one sentence each.
    pub notes: Vec<String>,
    /// Classes of the data.
    pub classes: usize,
    /// Optimiser steps.
    pub steps: u64,
    /// Images in a step.
    pub batch: usize,
    /// Seconds of a step, as the last of those that were tried took.
    pub seconds_per_step: f64,
}

/// How a fit went.
#[derive(Debug, Clone, serde::Serialize)]
pub struct FitSummary {
    /// Steps done.
    pub steps: u64,
    /// The mean loss of the last steps (up to 20).
    pub loss: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// Images per second of training.
    pub images_per_second: f64,
    /// Seconds of testing.
    pub test_seconds: f64,
}

/// A fitted head; every process of several has the same.
pub struct Fitted {
    /// Its scores on the test part, the one that is compared first.
    pub scores: Scores,
    /// Images and tables of its metric.
    pub artifacts: Vec<Artifact>,
    /// What it was trained and tested on.
    pub sizes: [PartSize; 2],
    /// How training went.
    pub summary: FitSummary,
    /// Encoder and head.
    pub checkpoint: Checkpoint,
}

fn open<H: TaskHead>(request: &FitRequest<'_>) -> Result<Box<dyn LabelledSplits<H::Target>>> {
    let recipe = request.recipe;
    let size = recipe.data.image_size;
    let image: ImageShape = [recipe.data.channels, size, size];
    let wanted = ExamplesRequest {
        data: &recipe.data,
        reader: &recipe.reader,
        image,
        seed: recipe.train.seed,
        shots: request.shots,
        limits: request.limits,
    };
    examples_of::<H::Target>()?.open(&recipe.augment, &wanted)
}

fn fine_tuner<H: TaskHead>(
    request: &FitRequest<'_>,
    data: &dyn LabelledSplits<H::Target>,
) -> Result<FineTuner<H>> {
    let training = TrainingData {
        classes: data.classes().to_vec(),
        statistics: data.statistics(),
        images: data.counts()[0],
    };
    FineTuner::new(request.recipe.clone(), request.start, training, request.device.clone(), DType::F32)
}

/// What fitting would take. `steps` of it are tried and thrown away: one at a place that only counts tells
/// its operations, a second one at the place that would fit tells its time. With gradients in parts, a
/// step tries a single part, and the time is that of all. Each of several processes tries its own part, without the
/// sums between them.
///
/// # Errors
/// As [`fit`].
pub fn plan<H: TaskHead>(request: &FitRequest<'_>, steps: usize) -> Result<FitPlan> {
    let data = open::<H>(request)?;
    let mut fine_tuner = fine_tuner::<H>(request, &*data)?;
    let batch = fine_tuner.recipe.train.batch;
    let parts = std::mem::replace(&mut fine_tuner.recipe.train.accumulate, 1);
    let mut source = data.train((batch / parts / request.share().size).max(1), Share::WHOLE)?;
    let mut seconds = 0.0;
    for _ in 0..steps {
        let examples = source.next_batch()?;
        let started = Instant::now();
        fine_tuner.train_step(&examples)?;
        seconds = started.elapsed().as_secs_f64();
        source.recycle(examples);
        stop_if(request.stop(), fine_tuner.step_count())?;
    }
    let [parameters, trained] = fine_tuner.parameters();
    Ok(FitPlan {
        parameters,
        trained,
        images: data.counts(),
        sizes: data.sizes(),
        notes: data.notes().to_vec(),
        classes: data.classes().len(),
        steps: fine_tuner.total_steps,
        batch,
        seconds_per_step: seconds * parts as f64,
    })
}

/// Fits a head and scores it on the test part.
///
/// # Errors
/// Settings or data that don't fit, a loss that isn't finite, an interrupt, or the backend's failure. Where several
/// processes fit the head, an error is that process's own, but for an interrupt, which stops all: it aborts the engine,
/// so that the others end too.
pub fn fit<H: TaskHead>(request: &FitRequest<'_>, observer: &mut dyn FitObserver) -> Result<Fitted> {
    let data = open::<H>(request)?;
    data.notes().iter().for_each(|note| observer.message(&format!("note: {note}")));
    let mut fine_tuner = fine_tuner::<H>(request, &*data)?;
    if let Some(engine) = request.engine() {
        // Told before hours of training.
        fine_tuner.network.head.metric().state()?;
        fine_tuner = fine_tuner.with_collective(engine.clone())?;
        let sizes = format!("{:?} {:?}", data.sizes(), data.classes());
        fine_tuner.identity()?.with("the data", fingerprint(sizes.as_bytes())).compare(&**engine)?;
    }
    let mut source = data.train(fine_tuner.recipe.train.batch, request.share())?;
    observer.start(fine_tuner.total_steps, source.steps_per_epoch());
    let mut fit = Fit { fine_tuner: &mut fine_tuner, source: &mut *source, observer, request };
    let pace = steps::take(&mut fit, Pace::default())?;
    let engine = request.engine().map(|engine| &**engine);
    let broken_in_training = broken_of_all(engine, source.broken())?;
    for (index, sample) in &broken_in_training {
        // Those of this process were told when they were met.
        if !source.broken().contains_key(index) {
            observer.message(&format!("warning: {}", sample.message));
        }
    }
    drop(source);
    let started = Instant::now();
    let (metric, broken) = tested(request, &fine_tuner, &*data)?;
    for message in broken_messages(&broken, "test") {
        observer.message(&format!("warning: {message}"));
    }
    metric.notes().iter().for_each(|note| observer.message(&format!("note: {note}")));
    let [train, test] = data.sizes();
    let sizes = [train.without(&broken_in_training), test.without(&broken)];
    let summary = FitSummary {
        steps: fine_tuner.step_count(),
        loss: pace.loss(),
        seconds: pace.seconds,
        images_per_second: pace.images_per_second(),
        test_seconds: started.elapsed().as_secs_f64(),
    };
    Ok(Fitted {
        scores: metric.scores()?,
        artifacts: metric.artifacts(),
        sizes,
        summary,
        checkpoint: fine_tuner.checkpoint(request.start, &pace)?,
    })
}

/// The metric of a head's predictions.
type MetricOf<H> = Box<dyn Metric<<H as TaskHead>::Target, <H as TaskHead>::Prediction>>;

/// The metric of all test images, in the order of one process, and those that can't be read.
fn tested<H: TaskHead>(
    request: &FitRequest<'_>,
    fine_tuner: &FineTuner<H>,
    data: &dyn LabelledSplits<H::Target>,
) -> Result<(MetricOf<H>, Broken)> {
    let params = fine_tuner.scored_params()?;
    let mut metric = fine_tuner.network.head.metric();
    let mut pass = data.test(request.share())?;
    let mut stop = false;
    for examples in pass.by_ref() {
        let examples = examples?;
        let predictions = fine_tuner.predict(&params, &examples.batch)?;
        metric.add(&examples.batch, &examples.targets, &predictions)?;
        stop = request.stop();
        if stop {
            break;
        }
    }
    let engine = request.engine().map(|engine| &**engine);
    // None is left waiting for the state of one that was asked to stop.
    stop_if(any_rank(engine, stop)?, fine_tuner.step_count())?;
    let broken = broken_of_all(engine, pass.broken())?;
    pass.forgives(&broken)?;
    if let Some(engine) = engine {
        let own = metric.state()?;
        metric = fine_tuner.network.head.metric();
        for of_rank in gather_bytes(engine, own.as_bytes())? {
            metric.absorb(&mut MetricState::from_bytes(of_rank))?;
        }
    }
    Ok((metric, broken))
}

struct Fit<'a, 'r, H: TaskHead> {
    fine_tuner: &'a mut FineTuner<H>,
    source: &'a mut dyn LabelledLoader<H::Target>,
    observer: &'a mut dyn FitObserver,
    request: &'a FitRequest<'r>,
}

impl<H: TaskHead> Steps for Fit<'_, '_, H> {
    type Batch = Examples<H::Target>;

    fn due(&self) -> bool {
        self.fine_tuner.step_count() < self.fine_tuner.total_steps
    }

    fn batch(&mut self) -> Result<Self::Batch> {
        self.source.next_batch()
    }

    fn step(&mut self, examples: &Self::Batch) -> Result<StepReport> {
        let warnings = self.source.take_warnings();
        warnings.iter().for_each(|warning| self.observer.message(&format!("warning: {warning}")));
        self.fine_tuner.stop = self.request.stop();
        self.fine_tuner.train_step(examples)
    }

    fn diverged(&mut self, _: &Self::Batch, report: &StepReport, _: &Pace) -> Result<Error> {
        let list: Vec<String> = report.scalars.iter().map(|(name, v)| format!("{name} {v}")).collect();
        Ok(Error::failure(format!(
            "step {} of the head is not finite: {}, gradient norm {}",
            report.step,
            list.join(", "),
            report.grad_norm
        ))
        .help("lower optimizer.lr, or set optimizer.clip=1.0")
        .of_all())
    }

    fn recycle(&mut self, examples: Self::Batch) {
        self.source.recycle(examples);
    }

    fn stepped(&mut self, report: &StepReport, _: &Pace) -> Result<()> {
        self.observer.step(report)?;
        // What several processes agreed on, or else the latest.
        let stop = match self.request.engine() {
            Some(_) => report.stop,
            None => self.request.stop(),
        };
        stop_if(stop, self.fine_tuner.step_count())
    }
}

fn stop_if(stop: bool, step: u64) -> Result<()> {
    if stop {
        return Err(Error::interrupted(format!(
            "interrupted after step {step} of the head; it was not scored"
        ))
        .help("start the evaluation again")
        .of_all());
    }
    Ok(())
}
