//! Pre-training: the model with its plans, stepped by an engine.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use super::checkpoint::{Checkpoint, CheckpointState};
use super::engine::{Engine, EngineSettings, EngineState, StepInput, StepWeights};
use super::gradient::{Pass, Restoration};
use super::parts::Parts;
use super::{EmaDecay, Pace, Schedule, StepReport};
use crate::collective::{Collective, Identity, SumOrder, fingerprint, fingerprint_of};
use crate::corruption::{Corrupted, CorruptionPlan};
use crate::data::{Batch, BatchSource};
use crate::encoder::layer_rates;
use crate::error::listed;
use crate::model::{Mode, Model, StepInputs};
use crate::params::Params;
use crate::plugin::PluginIdentity;
use crate::recipe::{Precision, Recipe};
use crate::teacher::{self, FrozenTeacher};
use crate::tensor::{DType, DeviceHandle, HostTensor, Tensor};
use crate::{Error, Result};

/// The state of training.
pub struct Trainer {
    /// The recipe.
    pub recipe: Recipe,
    /// The model.
    pub model: Model,
    /// The backend and device.
    pub device: DeviceHandle,
    /// Steps in an epoch.
    pub steps_per_epoch: u64,
    /// Steps in the run.
    pub total_steps: u64,
    /// How the steps so far went, as the loop around them tells; checkpoints carry it.
    pub pace: Pace,
    /// Whether this process was asked to stop; several processes then agree on the step after which all do.
    pub stop: bool,
    engine: Engine,
    collective: Option<Arc<dyn Collective>>,
    /// Teachers that were read from files, once they are needed.
    frozen: Option<Vec<FrozenTeacher>>,
}

impl Trainer {
    /// A fresh start from the recipe's seed.
    ///
    /// # Errors
    /// A mistake in the recipe, or the backend's failure.
    pub fn new(recipe: Recipe, device: DeviceHandle, steps_per_epoch: u64) -> Result<Self> {
        let recipe = teacher::pin(recipe)?;
        let model = Model::build(&recipe)?;
        let values = model.specs.initial(recipe.run.seed)?;
        Self::with_values(recipe, model, device, steps_per_epoch, values, DType::F32)
    }

    /// A start from given values, in a given float type (f64 for gradient checks).
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn with_values(
        recipe: Recipe,
        model: Model,
        device: DeviceHandle,
        steps_per_epoch: u64,
        values: Vec<HostTensor>,
        dtype: DType,
    ) -> Result<Self> {
        let compute = match recipe.run.precision {
            Precision::F32 => dtype,
            Precision::Bf16 => DType::Bf16,
        };
        let train = &recipe.train;
        let total_steps = match train.steps {
            0 => (train.epochs * steps_per_epoch as f64).round() as u64,
            steps => steps as u64,
        };
        let settings = EngineSettings {
            optimizer: recipe.optimizer.clone(),
            schedule: Schedule::new(
                &recipe.schedule,
                &recipe.optimizer,
                train.batch,
                steps_per_epoch,
                total_steps,
            ),
            factors: match train.layer_decay {
                1.0 => vec![],
                decay => layer_rates(model.specs.specs(), model.geometry().depth, decay),
            },
            ema: EmaDecay::new(train, steps_per_epoch, total_steps),
            checkpoint_blocks: train.checkpoint_blocks,
            graph: train.graph,
        };
        let params = Params::upload(&device, values, dtype, compute)?;
        let engine = Engine::new(params, model.specs.specs(), settings)?;
        device.backend.seed(recipe.run.seed);
        Ok(Self {
            recipe,
            model,
            device,
            steps_per_epoch,
            total_steps,
            pace: Pace::default(),
            stop: false,
            engine,
            collective: None,
            frozen: None,
        })
    }

    /// Trains with the other processes of the run: each is given its part of a step's batch.
    ///
    /// # Errors
    /// A batch that can't be split evenly.
    pub fn with_collective(self, collective: Arc<dyn Collective>) -> Result<Self> {
        let (size, rank) = (collective.world().size, collective.world().rank);
        check_batch(self.recipe.train.batch, size, self.recipe.train.accumulate)?;
        // What a device draws by itself is drawn for other samples on each.
        self.device.backend.seed(self.recipe.run.seed ^ (rank as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let order = SumOrder::of(self.recipe.train.deterministic);
        let mut engine = self.engine.with_collective(collective.clone(), self.model.specs.specs(), order);
        if self.recipe.train.shard_optimizer {
            if self.model.needs().target.average() {
                return Err(Error::user(
                    "the average of the weights is a teacher, which every process needs whole",
                )
                .at("`train.shard_optimizer`")
                .help("set train.shard_optimizer = false"));
            }
            engine = engine.sharded();
        }
        Ok(Self { engine, collective: Some(collective), ..self })
    }

    /// The engine between the processes of the run; none in one alone.
    pub fn collective(&self) -> Option<&Arc<dyn Collective>> {
        self.collective.as_ref()
    }

    /// What must be the same on every rank before a first sum.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn identity(&self) -> Result<Identity> {
        let mut table = self.recipe.table().clone();
        // Where the data lie and how many threads read them is a machine's own affair.
        if let Some(data) = table.get_mut("data").and_then(toml::Value::as_table_mut) {
            data.retain(|key, _| !["path", "workers", "prefetch"].contains(&key));
        }
        table.remove("init_from");
        let info = self.device.backend.info();
        let shapes: String =
            self.model.specs.specs().iter().map(|spec| format!("{} {}\n", spec.name, spec.shape)).collect();
        let plan = format!("{:?}", self.engine.bucket_plan());
        Ok(Identity::default()
            .with("the version", fingerprint(env!("CARGO_PKG_VERSION").as_bytes()))
            .with("the recipe", fingerprint(table.to_string().as_bytes()))
            .with("the backend", fingerprint(format!("{} {}", info.name, info.version).as_bytes()))
            .with_instructions(self.instructions())
            .with("the parameters' shapes", fingerprint(shapes.as_bytes()))
            .with("the type of numbers", self.engine.dtype() as u64)
            .with("the buckets of their sums", fingerprint(plan.as_bytes()))
            .with("the step that they stand at", self.step_count())
            .with("the weights", self.parameters_fingerprint()?))
    }

    /// The processor's instructions that the last bits of its steps hang on; `None` on a GPU, or where the backend
    /// can't tell.
    pub fn instructions(&self) -> Option<String> {
        self.device.instructions_for(self.params().compute())
    }

    /// The fingerprint of every parameter's bits.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn parameters_fingerprint(&self) -> Result<u64> {
        let params = self.params();
        let values = params.tensors().iter().map(Tensor::download).collect::<Result<Vec<_>>>()?;
        Ok(fingerprint_of(&values))
    }

    /// Steps done.
    pub fn step_count(&self) -> u64 {
        self.engine.step_count()
    }

    /// Passes over the data done.
    pub fn epoch(&self) -> f64 {
        self.step_count() as f64 / self.steps_per_epoch.max(1) as f64
    }

    /// Whether this process has everything that a checkpoint holds, so that it can make one when the others are gone.
    pub fn complete_alone(&self) -> bool {
        !self.engine.is_sharded()
    }

    /// How many values this process keeps beside the weights: moments and averages. None before the first step.
    pub fn kept_values(&self) -> usize {
        self.engine.kept_values()
    }

    /// The weights as they are trained.
    pub fn params(&self) -> Params {
        self.engine.params()
    }

    /// The weights to evaluate: the average where the recipe keeps one. Where ranks have a part of it each
    /// (`train.shard_optimizer`), all must ask for it after the same step; the second time it is there.
    ///
    /// # Errors
    /// The backend's failure, or that of another process.
    pub fn evaluated_params(&self) -> Result<Params> {
        self.engine.evaluated_params()
    }

    /// The plan of a batch at the next step.
    ///
    /// # Errors
    /// The strategy's failure.
    pub fn plan(&self, batch: &Batch) -> Result<CorruptionPlan> {
        self.plan_at(batch, self.step_count(), self.progress())
    }

    /// The share of the run that is done.
    fn progress(&self) -> f32 {
        self.step_count() as f32 / self.total_steps.max(1) as f32
    }

    /// The plan of a batch at any step, by the weights as they are.
    ///
    /// # Errors
    /// The strategy's failure.
    pub fn plan_at(&self, batch: &Batch, step: u64, progress: f32) -> Result<CorruptionPlan> {
        let scores = self.model.scores(&self.params(), batch)?;
        self.model.plan(batch, step, progress, scores.as_deref())
    }

    /// Reads the teachers that the recipe's targets name by a file, where they aren't there yet; the first step does it
    /// otherwise. Also what the user may want to know of them, one sentence each.
    ///
    /// # Errors
    /// A file that is missing, damaged, another one than the recipe's, or of an encoder that doesn't fit its description.
    pub fn load_teachers(&mut self) -> Result<Vec<String>> {
        if self.frozen.is_some() || !self.model.needs().target.file() {
            return Ok(vec![]);
        }
        let params = self.engine.params();
        let types = [params.dtype(), params.compute()];
        let loaded = FrozenTeacher::load_all(&self.recipe, self.model.geometry(), &self.device, types)?;
        let notes = loaded.iter().flat_map(|teacher| teacher.notes.clone()).collect();
        self.frozen = Some(loaded);
        Ok(notes)
    }

    /// One optimiser step on a batch. Nothing changes where a loss or gradient is not finite: the
    /// report then tells it, and the caller stops. `observe` also measures attention.
    pub fn train_step(&mut self, batch: &Batch, observe: bool) -> Result<StepReport> {
        self.load_teachers()?;
        let started = Instant::now();
        let parts = self.parts(batch)?;
        let planning = started.elapsed().as_secs_f64();
        let (model, step, dtype) = (&self.model, self.step_count(), self.engine.dtype());
        let frozen = self.frozen.as_deref().unwrap_or_default();
        let mode = Mode { step, training: true, observe };
        let pass = |weights: &StepWeights<'_>, i: usize, lend: &mut dyn FnMut(&dyn Pass) -> Result<()>| {
            let (batch, plan) = &parts[i];
            let inputs = model.prepare(weights.device, dtype, batch, plan, mode)?;
            lend(&Restoration { model, inputs: taught(model, frozen, weights, inputs)? })
        };
        let (micro_batches, images) = (parts.len(), batch.len());
        let stop = self.stop;
        let input = StepInput { micro_batches, images, stop, observe, pass: &pass };
        let mut report = self.engine.step(&input)?;
        report.phases.corruption += planning;
        report.corrupted = Some(corrupted(parts.iter().map(|(_, plan)| plan.shares())));
        Ok(report)
    }

    /// The same on a batch that comes in parts ([`BatchSource::parts`]), of which `first` was taken from the source: each
    /// is asked for when it is its turn.
    ///
    /// # Errors
    /// More broken files than the recipe allows.
    pub fn train_step_in_parts(
        &mut self,
        first: &Batch,
        source: &mut dyn BatchSource,
        observe: bool,
    ) -> Result<StepReport> {
        let micro_batches = source.parts();
        if micro_batches == 1 {
            return self.train_step(first, observe);
        }
        self.load_teachers()?;
        let step = self.step_count();
        if self.model.corruption.observes()?.is_some() {
            // It looks at features by the weights before the step, which is over when they are asked for again.
            let mut batch = first.clone();
            for _ in 1..micro_batches {
                batch.append(source.next_batch()?);
            }
            return self.train_step(&batch, observe);
        }
        let progress = self.progress();
        let (model, dtype, stop) = (&self.model, self.engine.dtype(), self.stop);
        let frozen = self.frozen.as_deref().unwrap_or_default();
        let parts = RefCell::new(Parts::new(source, step, first));
        let shares = RefCell::new(vec![Corrupted::default(); micro_batches]);
        let mode = Mode { step, training: true, observe };
        let pass = |weights: &StepWeights<'_>, i: usize, lend: &mut dyn FnMut(&dyn Pass) -> Result<()>| {
            let mut parts = parts.borrow_mut();
            let batch = parts.part(i)?;
            let plan = model.plan(batch, step, progress, None)?;
            shares.borrow_mut()[i] = plan.shares();
            let inputs = model.prepare(weights.device, dtype, batch, &plan, mode)?;
            lend(&Restoration { model, inputs: taught(model, frozen, weights, inputs)? })
        };
        let images = first.len() * micro_batches;
        let input = StepInput { micro_batches, images, stop, observe, pass: &pass };
        let mut report = self.engine.step(&input)?;
        let parts = parts.into_inner();
        // Making inputs is counted as corruption, and waiting for them is not.
        report.phases.data += parts.waited;
        report.phases.corruption -= parts.waited;
        parts.finish();
        report.corrupted = Some(corrupted(shares.into_inner().into_iter()));
        Ok(report)
    }

    /// What the user should know of the steps so far; each is told once.
    pub fn take_notices(&mut self) -> Vec<String> {
        self.engine.take_notices()
    }

    /// The parts of a batch with their plans.
    fn parts<'a>(&self, batch: &'a Batch) -> Result<Vec<(Cow<'a, Batch>, CorruptionPlan)>> {
        let parts = self.recipe.train.accumulate;
        let part = batch.len() / parts;
        (0..parts)
            .map(|i| {
                let slice = match parts {
                    1 => Cow::Borrowed(batch),
                    _ => Cow::Owned(batch.slice(i * part, (i + 1) * part)),
                };
                let plan = self.plan(&slice)?;
                Ok((slice, plan))
            })
            .collect()
    }

    /// The state as a checkpoint. Where ranks have a part of it each (`train.shard_optimizer`), all must make it after the
    /// same step: it is gathered on rank 0, a bucket at a time, and that of the others holds no tensors and can't be written.
    ///
    /// # Errors
    /// The backend's failure, or that of another process.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let mut tensors = vec![];
        if let Some(EngineState { params, moments, averages, .. }) = self.engine.download()? {
            let names = || self.model.specs.specs().iter().map(|spec| spec.name.as_str());
            tensors.extend(names().zip(params).map(|(name, value)| (format!("model.{name}"), value)));
            for (name, [m, v]) in names().zip(moments) {
                tensors.push((format!("optimizer.m.{name}"), m));
                tensors.push((format!("optimizer.v.{name}"), v));
            }
            tensors.extend(names().zip(averages).map(|(name, value)| (format!("average.{name}"), value)));
        }
        let state = CheckpointState {
            step: self.step_count(),
            recipe_hash: self.recipe.hash(),
            recipe: self.recipe.to_toml(),
            backend: self.device.backend.info().name,
            instructions: self.instructions(),
            plugin: self.model.corruption.plugin().cloned(),
            pace: self.pace.clone(),
        };
        Ok(Checkpoint { state, tensors })
    }

    /// Goes back to a checkpoint of the same recipe, but for what a run may change on its way
    /// ([`Recipe::changes_since`]).
    ///
    /// # Errors
    /// A checkpoint of another recipe (the difference is told), or with other parameters.
    pub fn restore(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let state = &checkpoint.state;
        if state.recipe_hash != self.recipe.hash() {
            let changes = self.recipe.changes_since(&state.recipe);
            if changes.allowed.is_empty() || !changes.refused.is_empty() {
                return Err(Error::user(format!(
                    "the recipe has changed since the checkpoint: {}",
                    listed(&changes.refused)
                ))
                .help("undo the change, or start a new run from these weights, by init_from"));
            }
        }
        let ours = self.model.corruption.plugin();
        if state.plugin.as_ref() != ours {
            let name =
                |plugin: Option<&PluginIdentity>| plugin.map_or("none".to_owned(), ToString::to_string);
            return Err(Error::user(format!(
                "the checkpoint was trained with the plug-in {}, and this is {}",
                name(state.plugin.as_ref()),
                name(ours)
            ))
            .help("give the library that it was trained with, by --plugin, or start a new run"));
        }
        let (step, specs) = (state.step, self.model.specs.specs());
        let group = |prefix: &str| checkpoint.group(prefix, specs);
        let params = group("model.")?;
        let moments = group("optimizer.m.")?.into_iter().zip(group("optimizer.v.")?);
        let pace = state.pace.clone();
        let averages = if self.engine.keeps_average() { group("average.")? } else { vec![] };
        let moments = moments.map(|(m, v)| [m, v]).collect();
        self.engine.restore(EngineState { step, params, moments, averages })?;
        self.pace = pace;
        Ok(())
    }
}

/// What teachers see of a step's images, where its targets look at any.
fn taught<'a>(
    model: &Model,
    frozen: &[FrozenTeacher],
    weights: &StepWeights<'_>,
    mut inputs: StepInputs<'a>,
) -> Result<StepInputs<'a>> {
    if model.needs().target.teacher.is_empty() {
        return Ok(inputs);
    }
    weights.taught(|| {
        if model.needs().target.average() {
            inputs = model.with_teacher(inputs, &weights.average()?)?;
        }
        for teacher in frozen {
            inputs = model.with_frozen(inputs, teacher)?;
        }
        Ok(inputs)
    })
}

/// Whether a batch can be split among `ranks` processes with `accumulate` parts each.
///
/// # Errors
/// It can't.
pub fn check_batch(batch: usize, ranks: usize, accumulate: usize) -> Result<()> {
    if batch.is_multiple_of(ranks * accumulate) {
        return Ok(());
    }
    let parts = match accumulate {
        1 => format!("{ranks} processes"),
        _ => format!("{ranks} processes with train.accumulate = {accumulate} parts each"),
    };
    Err(Error::user(format!("a batch of {batch} can't be split evenly among {parts}"))
        .at("`train.batch`")
        .help(format!(
            "choose a multiple of {}; it is the batch of all processes together",
            ranks * accumulate
        )))
}

/// The mean shares of a batch's parts, which are of one size.
fn corrupted(parts: impl ExactSizeIterator<Item = Corrupted>) -> Corrupted {
    let (mut mean, count) = (Corrupted::default(), parts.len() as f64);
    for shares in parts {
        mean.masked += shares.masked / count;
        mean.noised += shares.noised / count;
    }
    mean
}
