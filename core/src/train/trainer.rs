//! The state of training, and one step of it.

use std::borrow::Cow;
use std::time::Instant;

use super::checkpoint::{Checkpoint, CheckpointState};
use super::gradient::{accumulate, gradients};
use super::graph::{Constants, Inputs, State, Stepper};
use super::optimizer::global_norm;
use super::{AdamW, Average, Collective, Schedule, Single};
use crate::corruption::CorruptionPlan;
use crate::data::Batch;
use crate::model::{Mode, Model};
use crate::params::Params;
use crate::plugin::PluginIdentity;
use crate::recipe::{Precision, Recipe};
use crate::tensor::{DType, HostTensor, Place, Tensor};
use crate::{Error, Result};

/// Seconds of a step by phase.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Phases {
    /// Waiting for the loader.
    pub data: f64,
    /// Planning and preparing the corruption: roles, noise, uploads.
    pub corruption: f64,
    /// Forward pass; of a step that is launched as a graph, everything on the device.
    pub forward: f64,
    /// Backward pass.
    pub backward: f64,
    /// Clipping, the optimiser's step, the average of weights.
    pub optimiser: f64,
}

impl Phases {
    /// The whole step.
    pub fn total(&self) -> f64 {
        self.data + self.corruption + self.forward + self.backward + self.optimiser
    }
}

/// What a step did.
#[derive(Debug, Clone)]
pub struct StepReport {
    /// The step, from 1.
    pub step: u64,
    /// The learning rate.
    pub lr: f64,
    /// Total loss, losses by name, metrics.
    pub scalars: Vec<(String, f64)>,
    /// The global gradient norm before clipping.
    pub grad_norm: f64,
    /// Images in the step.
    pub images: usize,
    /// Where the time went.
    pub phases: Phases,
}

impl StepReport {
    /// The total loss.
    pub fn loss(&self) -> f64 {
        self.scalars.first().map_or(f64::NAN, |(_, value)| *value)
    }
}

/// The state of training.
pub struct Trainer {
    /// The recipe.
    pub recipe: Recipe,
    /// The model.
    pub model: Model,
    /// The backend and device.
    pub place: Place,
    /// Steps in an epoch.
    pub steps_per_epoch: u64,
    /// Steps in the run.
    pub total_steps: u64,
    params: Vec<Tensor>,
    average: Option<Average>,
    optimizer: AdamW,
    schedule: Schedule,
    collective: Box<dyn Collective>,
    graphs: Option<Stepper>,
    notice: Option<String>,
    compute: DType,
    step: u64,
}

impl Trainer {
    /// A fresh start from the recipe's seed.
    ///
    /// # Errors
    /// A mistake in the recipe, or the backend's failure.
    pub fn new(recipe: Recipe, place: Place, steps_per_epoch: u64) -> Result<Self> {
        let model = Model::build(&recipe)?;
        let values = model.specs.initial(recipe.run.seed)?;
        Self::with_values(recipe, model, place, steps_per_epoch, values, DType::F32)
    }

    /// A start from given values, in a given float type (f64 for gradient checks).
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn with_values(
        recipe: Recipe,
        model: Model,
        place: Place,
        steps_per_epoch: u64,
        values: Vec<HostTensor>,
        dtype: DType,
    ) -> Result<Self> {
        let compute = match recipe.run.precision {
            Precision::F32 => dtype,
            Precision::Bf16 => DType::Bf16,
        };
        let params = Params::upload(&place, values, dtype, compute)?.into_tensors();
        let optimizer = AdamW::new(&recipe.optimizer, model.specs.specs(), &params)?;
        let train = &recipe.train;
        let total_steps = match train.steps {
            0 => (train.epochs * steps_per_epoch as f64).round() as u64,
            steps => steps as u64,
        };
        let schedule =
            Schedule::new(&recipe.schedule, &recipe.optimizer, train.batch, steps_per_epoch, total_steps);
        let average = (train.ema > 0.0).then(|| Average::new(train.ema, &params)).transpose()?;
        place.backend.seed(recipe.run.seed);
        let (graphs, notice) = Stepper::new(train.graph, &place);
        Ok(Self {
            graphs,
            notice,
            recipe,
            model,
            place,
            steps_per_epoch,
            total_steps,
            params,
            average,
            optimizer,
            schedule,
            collective: Box::new(Single),
            compute,
            step: 0,
        })
    }

    /// Steps done.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// Passes over the data done.
    pub fn epoch(&self) -> f64 {
        self.step as f64 / self.steps_per_epoch.max(1) as f64
    }

    /// The weights as they are trained.
    pub fn params(&self) -> Params {
        Params::new(self.params.clone(), self.compute)
    }

    /// The weights to evaluate: the average where the recipe keeps one.
    pub fn evaluated_params(&self) -> Params {
        let weights = self.average.as_ref().map_or(&self.params[..], Average::tensors);
        Params::new(weights.to_vec(), self.compute)
    }

    /// The plan of a batch at the next step.
    ///
    /// # Errors
    /// The strategy's failure.
    pub fn plan(&self, batch: &Batch) -> Result<CorruptionPlan> {
        let progress = self.step as f32 / self.total_steps.max(1) as f32;
        self.plan_at(batch, self.step, progress)
    }

    /// The plan of a batch at any step, by the weights as they are.
    ///
    /// # Errors
    /// The strategy's failure.
    pub fn plan_at(&self, batch: &Batch, step: u64, progress: f32) -> Result<CorruptionPlan> {
        let scores = self.model.scores(&self.params(), batch)?;
        self.model.plan(batch, step, progress, scores.as_deref())
    }

    /// One optimiser step on a batch. Nothing changes where a loss or gradient is not finite: the
    /// report then tells it, and the caller stops. `observe` also measures attention.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn train_step(&mut self, batch: &Batch, observe: bool) -> Result<StepReport> {
        if self.graphs.is_some() { self.graph_step(batch, observe) } else { self.host_step(batch, observe) }
    }

    /// What the user should know of the steps so far; each is told once.
    pub fn take_notices(&mut self) -> Vec<String> {
        let graphs = self.graphs.as_mut().map(Stepper::take_notices).unwrap_or_default();
        self.notice.take().into_iter().chain(graphs).collect()
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

    /// A step whose every number stays on the device until it is done, so that it can be a graph.
    fn graph_step(&mut self, batch: &Batch, observe: bool) -> Result<StepReport> {
        let started = Instant::now();
        let lr = self.schedule.lr(self.step);
        let inputs = Inputs { parts: self.parts(batch)?, step: self.step, lr, observe };
        let corruption = started.elapsed().as_secs_f64();
        let constants = Constants {
            model: &self.model,
            optimizer: &self.recipe.optimizer,
            decays: self.optimizer.decays(),
            compute: self.compute,
            ema: self.recipe.train.ema,
            checkpoint_blocks: self.recipe.train.checkpoint_blocks,
        };
        let state = State {
            params: self.params.clone(),
            moments: self.optimizer.moments.clone(),
            average: self.average.as_ref().map(|average| average.tensors().to_vec()),
        };
        let graphs = self.graphs.as_mut().ok_or_else(|| Error::failure("no graphs"))?;
        let done = graphs.step(&self.place, &constants, &state, &inputs)?;
        let [forward, backward] = done.seconds;
        let optimiser = (started.elapsed().as_secs_f64() - corruption - forward - backward).max(0.0);
        let report = StepReport {
            step: self.step + 1,
            lr,
            scalars: done.scalars,
            grad_norm: done.norm,
            images: batch.len(),
            phases: Phases { data: 0.0, corruption, forward, backward, optimiser },
        };
        if report.loss().is_finite() && report.grad_norm.is_finite() {
            self.step += 1;
        }
        Ok(report)
    }

    /// A step that the host follows: it reads losses and norm, and gives the optimiser its numbers.
    fn host_step(&mut self, batch: &Batch, observe: bool) -> Result<StepReport> {
        let mut phases = Phases::default();
        let parts = self.recipe.train.accumulate;
        let mut total: Option<Vec<Option<Tensor>>> = None;
        let mut sums: Vec<(String, f64)> = vec![];
        let started = Instant::now();
        let inputs = self.parts(batch)?;
        phases.corruption += started.elapsed().as_secs_f64();
        for (slice, plan) in &inputs {
            let started = Instant::now();
            let mode = Mode { step: self.step, training: true, observe };
            let dtype = self.params.first().map_or(DType::F32, Tensor::dtype);
            let prepared = self.model.prepare(&self.place, dtype, slice, plan, mode)?;
            phases.corruption += started.elapsed().as_secs_f64();
            let found =
                gradients(&self.model, &self.params(), &prepared, self.recipe.train.checkpoint_blocks)?;
            phases.forward += found.seconds[0];
            phases.backward += found.seconds[1];
            let values = read_scalars(&found.scalars)?;
            for (name, value) in values {
                match sums.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += value / parts as f64,
                    None => sums.push((name, value / parts as f64)),
                }
            }
            match &mut total {
                Some(total) => accumulate(total, found.gradients)?,
                None => total = Some(found.gradients),
            }
        }
        let started = Instant::now();
        let mut gradients = total.ok_or_else(|| Error::failure("a step without a batch"))?;
        self.collective.average(&mut gradients)?;
        let grad_norm = global_norm(&gradients)? / parts as f64;
        let lr = self.schedule.lr(self.step);
        let mut report =
            StepReport { step: self.step + 1, lr, scalars: sums, grad_norm, images: batch.len(), phases };
        if report.loss().is_finite() && grad_norm.is_finite() {
            let scale = self.optimizer.clip_factor(grad_norm) / parts as f64;
            self.optimizer.step(&mut self.params, gradients, (self.step + 1, lr, scale))?;
            if let Some(average) = &mut self.average {
                average.update(&self.params)?;
            }
            self.step += 1;
        }
        report.phases.optimiser = started.elapsed().as_secs_f64();
        Ok(report)
    }

    /// The state as a checkpoint.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let names = || self.model.specs.specs().iter().map(|spec| spec.name.as_str());
        let mut tensors = vec![];
        for (name, tensor) in names().zip(&self.params) {
            tensors.push((format!("model.{name}"), tensor.download()?));
        }
        for (name, [m, v]) in names().zip(&self.optimizer.moments) {
            tensors.push((format!("optimizer.m.{name}"), m.download()?));
            tensors.push((format!("optimizer.v.{name}"), v.download()?));
        }
        for (name, tensor) in names().zip(self.average.iter().flat_map(Average::tensors)) {
            tensors.push((format!("average.{name}"), tensor.download()?));
        }
        let state = CheckpointState {
            step: self.step,
            recipe_hash: self.recipe.hash(),
            recipe: self.recipe.to_toml(),
            backend: self.place.backend.info().name,
            plugin: self.model.corruption.plugin().cloned(),
        };
        Ok(Checkpoint { state, tensors })
    }

    /// Goes back to a checkpoint of the same recipe.
    ///
    /// # Errors
    /// A checkpoint of another recipe (the difference is told), or with other parameters.
    pub fn restore(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let state = &checkpoint.state;
        if state.recipe_hash != self.recipe.hash() {
            let before: toml::Table = state.recipe.parse().unwrap_or_default();
            let changes = Recipe::difference(&before, self.recipe.table());
            return Err(Error::user(format!(
                "the recipe has changed since the checkpoint: {}",
                changes.join(", ")
            ))
            .mend("undo the change, or start a new run"));
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
            .mend("give the library that it was trained with, by --plugin, or start a new run"));
        }
        let step = state.step;
        let upload = |values: Vec<HostTensor>, place: &Place| -> Result<Vec<Tensor>> {
            values.into_iter().map(|value| place.upload(value)).collect()
        };
        let specs = self.model.specs.specs();
        let (model, m, v) = (
            checkpoint.group("model.", specs)?,
            checkpoint.group("optimizer.m.", specs)?,
            checkpoint.group("optimizer.v.", specs)?,
        );
        if self.average.is_some() {
            let tensors = upload(checkpoint.group("average.", specs)?, &self.place)?;
            self.average = Some(Average::of(self.recipe.train.ema, tensors));
        }
        self.params = upload(model, &self.place)?;
        let moments = upload(m, &self.place)?.into_iter().zip(upload(v, &self.place)?);
        self.optimizer.moments = moments.map(|(m, v)| [m, v]).collect();
        self.step = step;
        // Weights and moments lie elsewhere now.
        if let Some(graphs) = &mut self.graphs {
            graphs.forget();
        }
        Ok(())
    }
}

/// Reads scalars in one transfer.
pub(crate) fn read_scalars(scalars: &[(String, Tensor)]) -> Result<Vec<(String, f64)>> {
    let flat: Vec<Tensor> = scalars.iter().map(|(_, value)| value.reshape([1])).collect::<Result<_>>()?;
    let values = Tensor::concat(&flat.iter().collect::<Vec<_>>(), 0)?.download()?.into_f64();
    Ok(scalars.iter().map(|(name, _)| name.clone()).zip(values).collect())
}
