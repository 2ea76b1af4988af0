//! Gradients against central differences.

use palimpsest_core::model::{Model, StepInputs};
use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::tensor::{HostData, HostTensor};
use palimpsest_core::train::gradients;
use palimpsest_core::{DType, DeviceHandle, Tensor};

/// Half the distance between the nearer pair of points. The formula is of fourth order, so its
/// error is about h^4 f^(5) / 30 ~ 1e-12, and rounding adds 1e-15 |f| / h ~ 1e-12: both lie below
/// the smallest gradients that are resolved.
const STEP: f64 = 1e-3;

/// The worst of many comparisons.
#[derive(Debug, Clone, Default)]
pub struct Worst {
    /// The largest relative error, see [`check`].
    pub error: f64,
    /// Where: parameter, element, both values.
    pub at: String,
    /// Elements compared.
    pub compared: usize,
    /// Parameters that the loss does not depend on: unused ones, and biases of keys, which shift
    /// all logits of a softmax alike.
    pub independent: Vec<String>,
}

/// Compares the gradient of a step's total loss with differences: every element of parameters with
/// up to `most` elements, a seeded choice of `most` of the others.
///
/// The error of an element is |gradient - difference| over the largest of |gradient|, |difference|
/// and 1 % of the parameter's largest gradient: an element that is 100 times smaller than its
/// neighbours is held to their scale, since the loss's rounding is the same for all.
///
/// # Panics
/// If the model fails, or a parameter without gradient moves the loss.
pub fn check(
    model: &Model,
    values: &[HostTensor],
    device: &DeviceHandle,
    prepared: &StepInputs<'_>,
    most: usize,
) -> Worst {
    let params = Params::upload(device, values.to_vec(), DType::F64, DType::F64).unwrap();
    let found = gradients(model, &params, prepared, 0).unwrap().gradients;
    let loss = |params: &Params| model.forward(params, prepared).unwrap().total().unwrap().item().unwrap();
    check_loss(&model.specs, &params, &found, &loss, most)
}

/// As [`check`], for any loss of f64 parameters and the gradients that were found of it.
///
/// # Panics
/// As [`check`].
pub fn check_loss(
    specs: &ParamSpecs,
    params: &Params,
    found: &[Option<Tensor>],
    loss: &dyn Fn(&Params) -> f64,
    most: usize,
) -> Worst {
    let mut worst = Worst::default();
    let largest = |g: &Tensor| g.download().unwrap().into_f64().iter().fold(0.0f64, |m, g| m.max(g.abs()));
    let overall = found.iter().flatten().map(largest).fold(0.0, f64::max);
    for (index, spec) in specs.specs().iter().enumerate() {
        let start = params.tensors()[index].download().unwrap().into_f64();
        let gradient = match &found[index] {
            Some(gradient) => gradient.download().unwrap().into_f64(),
            None => vec![0.0; start.len()],
        };
        let mut scale = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        // Nothing but rounding.
        if scale < 1e-13 * overall {
            scale = 0.0;
        }
        if scale == 0.0 {
            worst.independent.push(spec.name.clone());
        }
        for element in choose(start.len(), most, index) {
            let slope = slope(params, loss, (index, element), &start);
            let gradient = gradient[element];
            if scale == 0.0 {
                assert!(
                    slope.abs() < 1e-9,
                    "{} has no gradient, but {element} moves the loss by {slope}",
                    spec.name
                );
                continue;
            }
            let size = gradient.abs().max(slope.abs()).max(0.01 * scale);
            let error = (gradient - slope).abs() / size;
            worst.compared += 1;
            if error.is_nan() || error > worst.error {
                worst.error = error;
                worst.at =
                    format!("{}[{element}]: {gradient:e} backward, {slope:e} by differences", spec.name);
            }
        }
    }
    worst
}

fn choose(count: usize, most: usize, index: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    let mut order = Philox::new(5, Stream::Test, 2, index as u64).permutation(count);
    order.truncate(most);
    order
}

fn slope(
    params: &Params,
    loss: &dyn Fn(&Params) -> f64,
    (index, element): (usize, usize),
    start: &[f64],
) -> f64 {
    let shape = params.tensors()[index].shape().clone();
    let at = |delta: f64| {
        let mut moved = start.to_vec();
        moved[element] += delta;
        let mut tensors = params.tensors().to_vec();
        let moved = HostTensor::new(shape.clone(), HostData::F64(moved)).unwrap();
        tensors[index] = params.device().upload(moved).unwrap();
        loss(&Params::new(tensors, DType::F64))
    };
    (8.0 * (at(STEP) - at(-STEP)) - (at(2.0 * STEP) - at(-2.0 * STEP))) / (12.0 * STEP)
}
