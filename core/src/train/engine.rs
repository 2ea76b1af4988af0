//! The training step, from forward pass to new weights. There is one: pre-training and fine-tuning both keep an
//! [`Engine`] and tell it their forward passes.
//!
//! 1. The gradients of every micro-batch, summed.
//! 2. Gradients, summed over the processes of the run, and every process's losses.
//! 3. The global gradient norm, the clipping factor, and whether loss and norm are finite.
//! 4. AdamW with the moving average of the weights, which leave everything as it is where they are not. Where processes
//!    share out the parameters, each steps its own, and new values go from their owners to all.
//! 5. One read-back of the norm, the losses and the metrics.
//!
//! No number comes back to the host before the fifth, so that the first four can be launched as a graph (see
//! `graph`), and no device waits for the host.
//!
//! Methods fail with the backend's failure unless they say more.

mod host_state;
mod step_weights;

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Instant;

pub use host_state::EngineState;
pub use step_weights::StepWeights;

use super::gradient::{BlocksDone, Pass, Scalars, accumulate, gradients_with};
use super::graph::Stepper;
use super::reduction::{Reduction, StepSum};
use super::sharding::Sharding;
use super::state::{Kept, State, Trained};
use super::{EmaDecay, Schedule, StepReport, StepTimes};
use crate::collective::{BucketPlan, Collective, SumOrder};
use crate::params::{ParamSpec, Params};
use crate::recipe::{GraphMode, OptimizerSettings};
use crate::tensor::{AdamwRates, DType, DeviceHandle, HostTensor, Op, OpKind, Tensor};
use crate::{Error, Result};

/// How an engine steps.
pub struct EngineSettings {
    /// AdamW and clipping.
    pub optimizer: OptimizerSettings,
    /// The learning rate of every step.
    pub schedule: Schedule,
    /// The factor of each parameter's learning rate (layer-wise decay), in the order of declaration; empty
    /// for 1 everywhere.
    pub factors: Vec<f64>,
    /// The decay of the weights' moving average.
    pub ema: EmaDecay,
    /// Blocks that are recomputed together in the backward pass; 0 for none.
    pub checkpoint_blocks: usize,
    /// When steps are launched as graphs.
    pub graph: GraphMode,
}

/// A step's batch on its way through the model.
pub struct StepInput<'a> {
    /// Parts that the batch is split into; their gradients are summed.
    pub micro_batches: usize,
    /// Images in all of them.
    pub images: usize,
    /// Whether this process was asked to stop after the step, which all then do.
    pub stop: bool,
    /// Whether the passes also measure, so that they ask more of the backend than others do.
    pub observe: bool,
    /// Uploads what a micro-batch needs (counted from 0), lends its forward pass, and lets go of it all.
    pub pass: &'a WithPass<'a>,
}

/// Lends the forward pass of a micro-batch to what is done with it.
pub type WithPass<'a> =
    dyn Fn(&StepWeights<'_>, usize, &mut dyn FnMut(&dyn Pass) -> Result<()>) -> Result<()> + 'a;

/// Parameters, what is kept of them from step to step, and how they step.
pub struct Engine {
    device: DeviceHandle,
    rules: Rules,
    state: State,
    graphs: Option<Stepper>,
    notice: Option<String>,
    step: u64,
    /// The weights to evaluate after this step, where they were asked for and are not this rank's own.
    gathered: Mutex<Option<Params>>,
}

/// What is the same in every step.
struct Rules {
    settings: EngineSettings,
    /// Sums over several processes; none in one alone.
    reduction: Option<Reduction>,
    /// Which rank steps which parameter; none where each steps all.
    sharding: Option<Sharding>,
    trained: Option<Arc<[bool]>>,
    compute: DType,
    /// The type that norm and losses are summed in: f64 where the device has it.
    wide: DType,
}

/// What a step leaves on the device.
pub(super) struct Outcome {
    /// The norm, then the scalars of every micro-batch [n].
    pub(super) report: Tensor,
    /// The scalars' names.
    names: Vec<String>,
    /// Micro-batches of all processes.
    micro_batches: usize,
    /// Whether any process was asked to stop.
    stop: bool,
    /// Figures of each process.
    of_rank: usize,
    pub(super) phases: StepTimes,
}

impl Engine {
    /// Starts from these parameters, of which `specs` are the declarations.
    ///
    /// # Errors
    /// No memory.
    pub fn new(params: Params, specs: &[ParamSpec], settings: EngineSettings) -> Result<Self> {
        let device = params.device();
        let (trained, compute) = (params.trained().cloned(), params.compute());
        let keep = |index: usize| Trained {
            index,
            decay: if specs[index].decay { settings.optimizer.weight_decay } else { 0.0 },
            factor: settings.factors.get(index).copied().unwrap_or(1.0),
            own: true,
            kept: None,
        };
        let kept = (0..specs.len()).filter(|&i| params.is_trained(i)).map(keep).collect();
        let state = State { params: params.into_tensors(), trained: kept };
        let wide = match device.backend.supports(OpKind::Cast, DType::F64, device.id) {
            true => DType::F64,
            false => DType::F32,
        };
        let (graphs, notice) = Stepper::new(settings.graph, &device);
        let rules = Rules { settings, reduction: None, sharding: None, trained, compute, wide };
        Ok(Self { device, rules, state, graphs, notice, step: 0, gathered: Mutex::default() })
    }

    /// Trains with the other processes of a run: gradients are sums over all, of which each has its part of the batch. They
    /// can't be part of a graph. With [`SumOrder::OfRanks`] N ranks give the bits of one
    /// process with N micro-batches.
    #[must_use]
    pub fn with_collective(
        mut self,
        collective: Arc<dyn Collective>,
        specs: &[ParamSpec],
        order: SumOrder,
    ) -> Self {
        let size = collective.world().size;
        if size == 1 {
            return self;
        }
        if self.graphs.take().is_some() {
            let several = format!("gradients are summed between {size} processes");
            self.notice = Some(super::graph::refusal(&several));
        }
        let params = self.params();
        let trained = |index: usize| params.is_trained(index);
        self.rules.reduction = Some(Reduction::new(collective, specs, trained, self.dtype(), order));
        self
    }

    /// With other processes, each steps its part of the parameters alone, and keeps moments and averages of those alone: of N
    /// processes each saves 8 (1 - 1/N) bytes for a parameter in f32, 12 (1 - 1/N) with an average, but for what whole
    /// tensors can't be shared evenly. The weights are the same to the bit, on every rank. [`Engine::download`] and
    /// [`Engine::evaluated_params`] then are operations of all ranks.
    #[must_use]
    pub fn sharded(mut self) -> Self {
        let Some(Reduction { collective, .. }) = &self.rules.reduction else { return self };
        let state = &mut self.state;
        let shapes = state.trained.iter().map(|trained| state.params[trained.index].shape().clone());
        let dtype = state.params.first().map_or(DType::F32, Tensor::dtype);
        let sharding = Sharding::new(collective.clone(), shapes.collect(), dtype);
        for (number, trained) in state.trained.iter_mut().enumerate() {
            trained.own = sharding.owns(number);
            trained.kept = trained.kept.take().filter(|_| trained.own);
        }
        self.rules.sharding = Some(sharding);
        self
    }

    /// Whether other ranks keep a part of the moments and averages.
    pub fn is_sharded(&self) -> bool {
        self.rules.sharding.is_some()
    }

    /// How many values this process keeps beside the weights: moments and averages. None before the first step.
    pub fn kept_values(&self) -> usize {
        let of = |kept: &Kept| {
            let tensors = [&kept.first, &kept.second].into_iter().chain(&kept.average);
            tensors.map(|tensor| tensor.shape().count()).sum::<usize>()
        };
        self.state.trained.iter().flat_map(|trained| &trained.kept).map(of).sum()
    }

    /// Which gradients travel together between processes; none in one alone.
    pub fn bucket_plan(&self) -> Option<&BucketPlan> {
        self.rules.reduction.as_ref().map(Reduction::plan)
    }

    /// Steps done.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// The type of the weights.
    pub fn dtype(&self) -> DType {
        self.state.params.first().map_or(DType::F32, Tensor::dtype)
    }

    /// The weights as they are trained.
    pub fn params(&self) -> Params {
        self.rules.params(&self.state)
    }

    /// Whether it keeps a moving average of the weights.
    pub fn keeps_average(&self) -> bool {
        self.rules.settings.ema.keeps()
    }

    /// What the user should know of the steps so far; each is told once.
    pub fn take_notices(&mut self) -> Vec<String> {
        let graphs = self.graphs.as_mut().map(Stepper::take_notices).unwrap_or_default();
        self.notice.take().into_iter().chain(graphs).collect()
    }

    /// One step. Nothing changes where the loss or the gradient is not finite: the report then tells it.
    ///
    /// # Errors
    /// The backend's failure, or that of another process.
    pub fn step(&mut self, input: &StepInput<'_>) -> Result<StepReport> {
        let started = Instant::now();
        self.forget_gathered();
        let averaged = self.keeps_average();
        let Self { device, rules, state, graphs, step, .. } = self;
        state.begin(averaged)?;
        let mut advance =
            |device: &DeviceHandle, state: &mut State| rules.advance(device, state, *step, input);
        let (outcome, values) = match graphs {
            Some(graphs) => graphs.step(device, state, input.observe, &mut advance)?,
            None => {
                let outcome = advance(device, state)?;
                let values = outcome.report.download()?.into_f64();
                (outcome, values)
            }
        };
        let report = self.report(input, outcome, &values, started)?;
        if report.is_finite() {
            self.step += 1;
        }
        Ok(report)
    }

    /// What was read back. Scalars are averaged over the micro-batches.
    fn report(
        &self,
        input: &StepInput<'_>,
        Outcome { names, mut phases, micro_batches, stop, of_rank, .. }: Outcome,
        values: &[f64],
        started: Instant,
    ) -> Result<StepReport> {
        let Some((&grad_norm, values)) = values.split_first().filter(|(_, rest)| rest.len() == names.len())
        else {
            return Err(Error::failure("a step's report has another length"));
        };
        let odd = names.iter().zip(values).position(|(name, value)| name == "loss" && !value.is_finite());
        let culprit = odd.map_or(0, |figure| figure / of_rank.max(1));
        let mut scalars: Vec<(String, f64)> = vec![];
        for (name, value) in names.into_iter().zip(values) {
            let share = value / micro_batches as f64;
            match scalars.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += share,
                None => scalars.push((name, share)),
            }
        }
        phases.optimiser = (started.elapsed().as_secs_f64() - phases.total()).max(0.0);
        let lr = self.rules.settings.schedule.lr(self.step);
        Ok(StepReport {
            step: self.step + 1,
            lr,
            scalars,
            corrupted: None,
            grad_norm,
            images: input.images * self.rules.ranks(),
            stop,
            culprit,
            phases,
        })
    }
}

impl Rules {
    fn params(&self, state: &State) -> Params {
        let params = Params::new(state.params.clone(), self.compute);
        match &self.trained {
            Some(trained) => params.only(trained.clone()),
            None => params,
        }
    }

    /// A step on the device, from uploads to new weights.
    fn advance(
        &self,
        device: &DeviceHandle,
        state: &mut State,
        step: u64,
        input: &StepInput<'_>,
    ) -> Result<Outcome> {
        let micro_batches = input.micro_batches * self.ranks();
        let numbers = self.numbers(device, step, micro_batches)?;
        let mut sum = self.reduction.as_ref().map(|reduction| reduction.begin(device));
        let (mut gradients, scalars, mut phases) = self.gradients(device, state, input, sum.as_mut())?;
        let flat: Vec<Tensor> = scalars.iter().map(|(_, value)| value.reshape([1])).collect::<Result<_>>()?;
        let mut values = Tensor::concat(&flat.iter().collect::<Vec<_>>(), 0)?.cast(self.wide)?;
        let mut names: Vec<String> = scalars.into_iter().map(|(name, _)| name).collect();
        let (mut stop, of_rank) = (input.stop, names.len());
        if let Some(sum) = sum {
            // Every process has every loss then, so that all agree whether a step is finite.
            let (summed, times) = sum.finish(gradients, &values.download()?.into_f64(), stop)?;
            let all: Vec<f64> = summed.figures.concat();
            names = names.iter().cycle().take(all.len()).cloned().collect();
            values = device.f64s([all.len()], all, self.wide)?;
            (gradients, stop) = (summed.gradients, summed.stop);
            (phases.staging, phases.sums) = (times.staging, times.waiting);
        }
        let losses: Vec<usize> = (0..names.len()).filter(|&i| names[i] == "loss").collect();
        let norm = self.global_norm(device, &gradients)?.div(&numbers.micro_batches)?;
        let mut decisive: Vec<Tensor> =
            losses.iter().map(|&i| values.narrow(0, i, 1)).collect::<Result<_>>()?;
        decisive.push(norm.clone());
        let decisive = Tensor::concat(&decisive.iter().collect::<Vec<_>>(), 0)?;
        // x - x is 0 for every finite x, and not for an infinite one or NaN.
        let finite = decisive.sub(&decisive)?.sum(&[0])?.equal(&numbers.zero)?;
        let rates = self.rates(&numbers, &norm, &finite)?.cast(AdamwRates::dtype(self.dtype(state)))?;
        self.update(state, gradients, &rates, &finite, step)?;
        if let Some(sharding) = &self.sharding {
            let State { params, trained } = state;
            let params = RefCell::new(params);
            let own = |number: usize| params.borrow()[trained[number].index].download();
            let mut take = |number: usize, value: HostTensor| {
                params.borrow_mut()[trained[number].index] = device.upload(value)?;
                Ok(())
            };
            let times = sharding.spread(&own, Some(&mut take))?;
            phases.staging += times.staging;
            phases.sums += times.waiting;
        }

        let report = Tensor::concat(&[&norm, &values], 0)?;
        Ok(Outcome { report, names, micro_batches, stop, of_rank, phases })
    }

    /// The number of processes.
    fn ranks(&self) -> usize {
        self.reduction.as_ref().map_or(1, |reduction| reduction.collective.world().size)
    }

    fn dtype(&self, state: &State) -> DType {
        state.params.first().map_or(self.wide, Tensor::dtype)
    }

    /// Forward and backward pass of every micro-batch: the sum of their gradients, and all their scalars.
    fn gradients(
        &self,
        device: &DeviceHandle,
        state: &State,
        input: &StepInput<'_>,
        mut sum: Option<&mut StepSum<'_>>,
    ) -> Result<(Vec<Option<Tensor>>, Scalars, StepTimes)> {
        let mut total: Option<Vec<Option<Tensor>>> = None;
        let (mut scalars, mut phases) = (vec![], StepTimes::default());
        for i in 0..input.micro_batches {
            let started = Instant::now();
            // Those of the last micro-batch are final.
            let sum = sum.as_deref_mut().filter(|_| i + 1 == input.micro_batches);
            let mut none = vec![];
            let before = total.as_mut().unwrap_or(&mut none);
            let mut apart = 0.0;
            let mut done = sum.map(|sum| {
                let apart = &mut apart;
                move |first: usize, found: &mut [Option<Tensor>]| {
                    let started = Instant::now();
                    sum.blocks_done(first, found, before)?;
                    *apart += started.elapsed().as_secs_f64();
                    Ok(())
                }
            });
            let params = self.params(state);
            let mut found = None;
            let weights = StepWeights::new(device, state, self.compute);
            (input.pass)(&weights, i, &mut |pass| {
                let teacher = weights.teacher_seconds();
                phases.teacher += teacher;
                phases.corruption += started.elapsed().as_secs_f64() - teacher;
                let done = done.as_mut().map(|done| done as &mut BlocksDone<'_>);
                found = Some(gradients_with(pass, &params, self.settings.checkpoint_blocks, done)?);
                Ok(())
            })?;
            let found = found.ok_or_else(|| Error::failure("a micro-batch without a pass"))?;
            phases.forward += found.seconds[0];
            phases.backward += found.seconds[1] - apart;
            scalars.extend(found.scalars);
            match &mut total {
                Some(total) => accumulate(total, found.gradients)?,
                None => total = Some(found.gradients),
            }
        }
        let total = total.ok_or_else(|| Error::failure("a step without a batch"))?;
        Ok((total, scalars, phases))
    }

    /// The global L2 norm [1].
    fn global_norm(&self, device: &DeviceHandle, gradients: &[Option<Tensor>]) -> Result<Tensor> {
        let squares: Vec<Tensor> =
            gradients.iter().flatten().map(|g| g.sum_squares()?.reshape([1])).collect::<Result<_>>()?;
        if squares.is_empty() {
            return device.full([1], 0.0, self.wide);
        }
        let all = Tensor::concat(&squares.iter().collect::<Vec<_>>(), 0)?;
        all.cast(self.wide)?.sum(&[0])?.sqrt()
    }

    /// What the host tells a step, in one upload.
    fn numbers(&self, device: &DeviceHandle, step: u64, micro_batches: usize) -> Result<Numbers> {
        // As exact as the optimiser reads it for f32 parameters, so that every type steps at the same rate.
        let lr = f64::from(self.settings.schedule.lr(step) as f32);
        let average = 1.0 - self.settings.ema.at(step);
        let values = vec![
            lr,
            (step + 1) as f64,
            average,
            micro_batches as f64,
            self.settings.optimizer.clip,
            1.0,
            0.0,
        ];
        let all = device.f64s([values.len()], values, self.wide)?;
        let one = |i: usize| all.narrow(0, i, 1);
        Ok(Numbers {
            rates: all.narrow(0, 0, 2)?,
            average: one(2)?,
            micro_batches: one(3)?,
            clip: one(4)?,
            one: one(5)?,
            zero: one(6)?,
        })
    }

    /// The numbers of AdamW, see [`AdamwRates`]; a step that is not finite is skipped.
    fn rates(&self, numbers: &Numbers, norm: &Tensor, finite: &Tensor) -> Result<Tensor> {
        let Numbers { rates, average, micro_batches, clip, one, zero } = numbers;
        let scale = match self.settings.optimizer.clip > 0.0 {
            // The 1e-6 is PyTorch's clip_grad_norm_.
            true => clip.less(norm)?.where_(&clip.div(&norm.add_scalar(1e-6)?)?, one)?,
            false => one.clone(),
        };
        let skip = finite.where_(zero, one)?;
        Tensor::concat(&[rates, &scale.div(micro_batches)?, &skip, average], 0)
    }

    /// AdamW and the moving average, on every parameter that has a gradient and is this process's to step.
    fn update(
        &self,
        state: &mut State,
        mut gradients: Vec<Option<Tensor>>,
        rates: &Tensor,
        finite: &Tensor,
        step: u64,
    ) -> Result<()> {
        let OptimizerSettings { beta1, beta2, eps, .. } = self.settings.optimizer;
        let State { params, trained } = state;
        for trained in trained.iter_mut().filter(|trained| trained.own) {
            let value = &mut params[trained.index];
            let Some(kept) = &mut trained.kept else {
                return Err(Error::failure("a parameter is stepped without its moments"));
            };
            let Some(gradient) = gradients[trained.index].take() else {
                kept.follow(value, 1.0 - self.settings.ema.at(step), finite)?;
                continue;
            };
            let op = Op::Adamw { beta1, beta2, eps, decay: trained.decay, factor: trained.factor };
            // The old values are given away, so that the backend may write over them.
            let given = |tensor: &mut Tensor| std::mem::replace(tensor, rates.clone());
            let mut inputs =
                vec![given(value), gradient, given(&mut kept.first), given(&mut kept.second), rates.clone()];
            inputs.extend(kept.average.as_mut().map(given));
            let mut out = Tensor::apply_owned(&op, inputs)?.into_iter();
            for changed in [value, &mut kept.first, &mut kept.second].into_iter().chain(&mut kept.average) {
                *changed = out.next().ok_or_else(|| Error::failure("adamw: a result is missing"))?;
            }
        }
        Ok(())
    }
}

/// Numbers that a step is told, each [1] but for `rates`: learning rate and number of the step, [2].
struct Numbers {
    rates: Tensor,
    average: Tensor,
    micro_batches: Tensor,
    clip: Tensor,
    one: Tensor,
    zero: Tensor,
}
