//! Mode `grad`: gradients against central differences of the references.

use palimpsest_core::tensor::{Op, OpKind};
use palimpsest_core::{DType, Error, Place, Result, Tensor};

use crate::array::Array;
use crate::autograd;
use crate::case::{Case, Input};
use crate::cases::cases;
use crate::layout::{Passing, lay};
use crate::outcome::Outcome;
use crate::reference;
use crate::subject::{Subject, Support};
use crate::tolerance::{error, gradient_limit};

/// The step of the differences: they are of fourth order, so that it may be wide and rounding small.
const STEP: f64 = 2e-3;

/// Whether gradients flow through an operation. There is no wildcard: it must be said of a new one.
pub fn is_differentiable(kind: OpKind) -> bool {
    match kind {
        OpKind::Full
        | OpKind::RandomNormal
        | OpKind::RandomUniform
        | OpKind::Equal
        | OpKind::Less
        | OpKind::Argmax
        | OpKind::Argsort
        | OpKind::AdamwStep => false,
        OpKind::Neg
        | OpKind::Exp
        | OpKind::Log
        | OpKind::Sqrt
        | OpKind::Tanh
        | OpKind::Erf
        | OpKind::Abs
        | OpKind::Sin
        | OpKind::Cos
        | OpKind::AddScalar
        | OpKind::MulScalar
        | OpKind::PowScalar
        | OpKind::Clamp
        | OpKind::Add
        | OpKind::Sub
        | OpKind::Mul
        | OpKind::Div
        | OpKind::Where
        | OpKind::Cast
        | OpKind::Sum
        | OpKind::Mean
        | OpKind::Max
        | OpKind::Reshape
        | OpKind::Permute
        | OpKind::Narrow
        | OpKind::Concat
        | OpKind::Pad
        | OpKind::Expand
        | OpKind::Gather
        | OpKind::IndexSelect
        | OpKind::ScatterAdd
        | OpKind::Matmul
        | OpKind::Conv2d
        | OpKind::Interpolate
        | OpKind::Linear
        | OpKind::Softmax
        | OpKind::LayerNorm
        | OpKind::Gelu
        | OpKind::Silu
        | OpKind::Attention
        | OpKind::SelfAttention
        | OpKind::AttentionProbs
        | OpKind::AttentionApply
        | OpKind::Residual
        | OpKind::RowEntropy
        | OpKind::CrossEntropy
        | OpKind::SumSquares
        | OpKind::Lerp => true,
    }
}

/// Compares the gradients of an operation, in f64 where the backend has it.
pub fn test(subject: &mut Subject<'_>, kind: OpKind) -> Vec<Outcome> {
    if !is_differentiable(kind) {
        return vec![];
    }
    let double = subject.support(kind, DType::F64) != Support::Missing;
    let dtype = if double { DType::F64 } else { DType::F32 };
    let mut outcomes = autograd::kinks(subject, kind);
    for case in cases(kind, dtype).into_iter().filter(|case| case.smooth) {
        let slopes = differences(&case);
        for passing in [Passing::Kept, Passing::Permuted] {
            let result = subject.guard(|place| compare(place, &case, &slopes, passing));
            let (error, failure) = match result {
                Ok(error) => (error, None),
                Err(error) => (f64::INFINITY, Some(error.to_string())),
            };
            outcomes.push(Outcome {
                operation: kind.name(),
                dtype,
                case: format!("{}, {}", case.title(), passing.name()),
                error,
                limit: gradient_limit(dtype),
                failure,
            });
        }
    }
    outcomes
}

/// The weights of a result's elements in the scalar that is differentiated.
fn weights(shape: &[usize]) -> Array {
    Array::random(shape, 99)
}

fn weighted(op: &Op, inputs: &[Array]) -> f64 {
    let results = reference::evaluate(op, inputs).unwrap_or_default();
    let sum = |result: &Array| -> f64 {
        result.data.iter().zip(&weights(&result.shape).data).map(|(a, b)| a * b).sum()
    };
    results.first().map_or(0.0, sum)
}

/// The gradient of the weighted sum by central differences, for each input of floats.
fn differences(case: &Case) -> Vec<Option<Array>> {
    let arrays = case.arrays();
    let slope = |which: usize, element: usize| {
        let value = |delta: f64| {
            let mut moved = arrays.clone();
            moved[which].data[element] += delta;
            weighted(&case.op, &moved)
        };
        (8.0 * (value(STEP) - value(-STEP)) - (value(2.0 * STEP) - value(-2.0 * STEP))) / (12.0 * STEP)
    };
    let gradient = |(which, input): (usize, &Input)| {
        input.dtype.is_float().then(|| Array {
            shape: input.array.shape.clone(),
            data: (0..input.array.data.len()).map(|element| slope(which, element)).collect(),
        })
    };
    case.inputs.iter().enumerate().map(gradient).collect()
}

/// The largest error of the gradients of all inputs of floats.
fn compare(place: &Place, case: &Case, slopes: &[Option<Array>], passing: Passing) -> Result<f64> {
    let mut leaves = Vec::new();
    for (input, slope) in case.inputs.iter().zip(slopes) {
        let tensor = lay(place, input, passing)?.tensor;
        leaves.push(if slope.is_some() { tensor.track()? } else { tensor });
    }
    let first = gradients(&case.op, &leaves, slopes)?;
    let again = gradients(&case.op, &leaves, slopes)?;
    let mut worst = 0.0f64;
    let due = slopes.iter().enumerate().filter_map(|(i, slope)| Some((i, slope.as_ref()?)));
    for ((i, slope), (got, again)) in due.zip(first.iter().zip(&again)) {
        if got.shape != slope.shape {
            return Err(Error::failure(format!(
                "the gradient of input {i} has shape {:?} where {:?} is due",
                got.shape, slope.shape
            )));
        }
        // Sums may be added in another order where threads race, no more.
        if error(again, got) > gradient_limit(case.inputs[i].dtype) / 100.0 {
            return Err(Error::failure(format!("the gradient of input {i} changes in a second pass")));
        }
        worst = worst.max(gradient_error(got, slope));
    }
    Ok(worst)
}

/// The normalised error, but for gradients that are zero, as that of attention by a bias which is the same for
/// all keys: differences leave a rounding of 1e-12 of them, so their error is measured against a thousandth.
fn gradient_error(got: &Array, slope: &Array) -> f64 {
    const ZERO: f64 = 1e-3;
    let size = slope.data.iter().map(|v| v * v).sum::<f64>().sqrt();
    match size {
        0.0 => error(got, slope) / ZERO,
        size if size < ZERO => error(got, slope) * size / ZERO,
        _ => error(got, slope),
    }
}

/// The gradients of the tracked leaves, those with a slope.
fn gradients(op: &Op, leaves: &[Tensor], slopes: &[Option<Array>]) -> Result<Vec<Array>> {
    let out = Tensor::apply(op, leaves)?.remove(0);
    let weights = out.place().upload(weights(out.shape()).host(out.dtype())?)?;
    let loss = out.mul(&weights)?.sum_all()?;
    let tracked: Vec<(usize, &Tensor)> =
        leaves.iter().enumerate().filter(|(i, _)| slopes[*i].is_some()).collect();
    let found = loss.backward(&tracked.iter().map(|(_, leaf)| *leaf).collect::<Vec<_>>())?;
    let gradient = |((i, _), found): (&(usize, &Tensor), Option<Tensor>)| match found {
        Some(gradient) => Ok(Array::of(gradient.download()?)),
        // On nothing nothing depends.
        None if leaves[*i].shape().count() == 0 => Ok(Array::filled(leaves[*i].shape(), 0.0)),
        None => Err(Error::failure(format!("no gradient for input {i}"))),
    };
    tracked.iter().zip(found).map(gradient).collect()
}
