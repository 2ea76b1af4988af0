//! The step as the device sees it: from uploads to new weights, with nothing read back in between.

use std::sync::Arc;

use crate::backend::Backend;
use crate::corruption::CorruptionPlan;
use crate::data::Batch;
use crate::graphs::{AdamwConstants, Parameter};
use crate::model::{Mode, Model};
use crate::params::Params;
use crate::recipe::OptimizerSettings;
use crate::tensor::{DType, HostTensor, Place, Tensor};
use crate::train::gradient::{Scalars, accumulate, gradients};
use crate::{Error, Result};

/// What a step changes.
#[derive(Clone)]
pub(in crate::train) struct State {
    pub(in crate::train) params: Vec<Tensor>,
    pub(in crate::train) moments: Vec<[Tensor; 2]>,
    pub(in crate::train) average: Option<Vec<Tensor>>,
}

impl State {
    /// The same tensors with another backend to call.
    pub(super) fn with_backend(&self, backend: &Arc<dyn Backend>) -> Self {
        let all = |tensors: &[Tensor]| tensors.iter().map(|t| t.with_backend(backend)).collect();
        Self {
            params: all(&self.params),
            moments: self
                .moments
                .iter()
                .map(|pair| pair.each_ref().map(|t| t.with_backend(backend)))
                .collect(),
            average: self.average.as_deref().map(all),
        }
    }
}

/// What is the same in every step.
pub(in crate::train) struct Constants<'a> {
    pub(in crate::train) model: &'a Model,
    pub(in crate::train) optimizer: &'a OptimizerSettings,
    /// Whether a parameter decays.
    pub(in crate::train) decays: &'a [bool],
    pub(in crate::train) compute: DType,
    pub(in crate::train) ema: f64,
    pub(in crate::train) checkpoint_blocks: usize,
}

/// What a step is given.
pub(in crate::train) struct Inputs<'a> {
    /// The parts of the batch, and their plans.
    pub(in crate::train) parts: Vec<(std::borrow::Cow<'a, Batch>, CorruptionPlan)>,
    /// Steps done.
    pub(in crate::train) step: u64,
    pub(in crate::train) lr: f64,
    pub(in crate::train) observe: bool,
}

/// What a step leaves on the device.
pub(super) struct Outcome {
    /// The names of `report`'s elements, but for the last: the gradient norm.
    pub(super) names: Vec<String>,
    /// f64 [n]
    pub(super) report: Tensor,
    /// Seconds in forward and backward passes.
    pub(super) seconds: [f64; 2],
}

/// Does a step on `place`, whose backend has graphs; the state's tensors must be of it, and are written over.
/// Nothing changes where the loss or the gradient is not finite.
pub(super) fn section(
    place: &Place,
    constants: &Constants<'_>,
    state: &State,
    inputs: &Inputs<'_>,
) -> Result<Outcome> {
    let parts = inputs.parts.len();
    let dtype = state.params.first().map_or(DType::F32, Tensor::dtype);
    // The rates come first, so that every step uploads them in one place.
    let given = place.upload(HostTensor::f32([2], vec![inputs.lr as f32, (inputs.step + 1) as f32])?)?;
    let mut total: Option<Vec<Option<Tensor>>> = None;
    let mut scalars: Scalars = vec![];
    let mut seconds = [0.0; 2];
    for (batch, plan) in &inputs.parts {
        let mode = Mode { step: inputs.step, training: true, observe: inputs.observe };
        let prepared = constants.model.prepare(place, dtype, batch, plan, mode)?;
        let params = Params::new(state.params.clone(), constants.compute);
        let found = gradients(constants.model, &params, &prepared, constants.checkpoint_blocks)?;
        seconds = [seconds[0] + found.seconds[0], seconds[1] + found.seconds[1]];
        for (name, value) in found.scalars {
            let share = value.reshape([1])?.cast(DType::F64)?.mul_scalar(1.0 / parts as f64)?;
            match scalars.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum = sum.add(&share)?,
                None => scalars.push((name, share)),
            }
        }
        match &mut total {
            Some(total) => accumulate(total, found.gradients)?,
            None => total = Some(found.gradients),
        }
    }
    let gradients = total.ok_or_else(|| Error::failure("a step without a batch"))?;
    let norm = global_norm(place, &gradients)?.mul_scalar(1.0 / parts as f64)?;
    let loss = &scalars.first().ok_or_else(|| Error::failure("a step without a loss"))?.1;
    let rates = rates(place, constants, &given, (loss, &norm), parts)?;
    update_all(place, constants, state, &gradients, &rates)?;
    let mut values: Vec<&Tensor> = scalars.iter().map(|(_, value)| value).collect();
    values.push(&norm);
    let report = Tensor::concat(&values, 0)?;
    let names = scalars.into_iter().map(|(name, _)| name).collect();
    Ok(Outcome { names, report, seconds })
}

/// The global L2 norm, f64 [1]: summed in f64, as the host does for a step that isn't a graph.
fn global_norm(place: &Place, gradients: &[Option<Tensor>]) -> Result<Tensor> {
    let squares: Vec<Tensor> =
        gradients.iter().flatten().map(|g| g.sum_squares()?.reshape([1])).collect::<Result<_>>()?;
    if squares.is_empty() {
        return place.full([1], 0.0, DType::F64);
    }
    let all = Tensor::concat(&squares.iter().collect::<Vec<_>>(), 0)?;
    all.cast(DType::F64)?.sum(&[0])?.sqrt()
}

/// The numbers of the optimiser's step, see [`Rate`](crate::graphs::Rate).
fn rates(
    place: &Place,
    constants: &Constants<'_>,
    given: &Tensor,
    (loss, norm): (&Tensor, &Tensor),
    parts: usize,
) -> Result<Tensor> {
    let number = |value: f64| place.full([1], value, DType::F64);
    let (zero, one) = (number(0.0)?, number(1.0)?);
    // x - x is 0 for every finite x, and not for an infinite one or NaN.
    let finite = loss.sub(loss)?.add(&norm.sub(norm)?)?.equal(&zero)?;
    let done = finite.choose(&one, &zero)?;
    let clip = constants.optimizer.clip;
    let mut scale = one.clone();
    if clip > 0.0 {
        let limit = number(clip)?;
        scale = limit.less(norm)?.choose(&limit.div(&norm.add_scalar(1e-6)?)?, &one)?;
    }
    let scale = scale.mul_scalar(1.0 / parts as f64)?;
    let average = done.mul_scalar(1.0 - constants.ema)?;
    let own = Tensor::concat(&[&scale, &one.sub(&done)?, &average], 0)?.cast(DType::F32)?;
    Tensor::concat(&[given, &own], 0)
}

/// A step of the optimiser on every parameter that has a gradient, in place.
fn update_all(
    place: &Place,
    constants: &Constants<'_>,
    state: &State,
    gradients: &[Option<Tensor>],
    rates: &Tensor,
) -> Result<()> {
    let graphs = place.backend.graphs(place.device);
    let graphs = graphs.ok_or_else(|| Error::failure("the backend has no graphs"))?;
    let OptimizerSettings { beta1, beta2, eps, weight_decay, .. } = *constants.optimizer;
    for (i, gradient) in gradients.iter().enumerate() {
        let Some(gradient) = gradient else { continue };
        let decay = if constants.decays[i] { weight_decay } else { 0.0 };
        let [first, second] = &state.moments[i];
        let parameter = Parameter {
            value: state.params[i].handle(),
            gradient: gradient.handle(),
            first: first.handle(),
            second: second.handle(),
            average: state.average.as_ref().map(|average| average[i].handle()),
        };
        graphs.update(&AdamwConstants { beta1, beta2, eps, decay }, parameter, rates.handle())?;
    }
    Ok(())
}
