//! Mode `grad`: gradients against central differences of the references, of the backend's own kernels and of what
//! core makes of primitives, in every float type.

use palimpsest_core::tensor::{Op, OpKind};
use palimpsest_core::{DType, Device, DeviceHandle, Error, Result, Tensor};

use crate::array::Array;
use crate::autograd;
use crate::case::{Case, Input};
use crate::cases::cases;
use crate::forward::lacks_target;
use crate::layout::{Passing, lay};
use crate::outcome::Outcome;
use crate::reference;
use crate::subject::{Subject, Support};
use crate::taken_apart::taken_apart;
use crate::tolerance::{error, gradient_limit, rounding};
use crate::training;

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
        | OpKind::Adamw => false,
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

/// Compares the gradients of an operation in every float type that the backend has.
pub fn test(subject: &mut Subject<'_>, kind: OpKind) -> Vec<Outcome> {
    if !is_differentiable(kind) {
        return vec![];
    }
    let mut outcomes = autograd::kinks(subject, kind);
    for dtype in [DType::F64, DType::F32, DType::Bf16] {
        let support = subject.support(kind, dtype);
        if support == Support::Missing {
            continue;
        }
        // Core's lowering must have the gradients of the backend's own kernel.
        let both = kind.is_fused() && support == Support::Native;
        for case in cases(kind, dtype).into_iter().filter(|case| case.smooth) {
            if lacks_target(subject, &case.op) {
                continue;
            }
            let numeric = differences(&case, dtype);
            let mut note = |how: &str, result: Result<f64>| {
                let (error, failure) = match result {
                    Ok(error) => (error, None),
                    Err(error) => (f64::INFINITY, Some(error.to_string())),
                };
                let case = format!("{}, {how}", case.title());
                let limit = gradient_limit(dtype);
                outcomes.push(Outcome { operation: kind.name(), dtype, case, error, limit, failure });
            };
            for passing in [Passing::Kept, Passing::Permuted] {
                note(passing.name(), subject.guard(|device| compare(device, &case, &numeric, passing)));
            }
            if both {
                let result =
                    subject.guard(|device| compare(&taken_apart(device), &case, &numeric, Passing::Kept));
                note("taken apart", result);
            }
        }
    }
    outcomes.extend(training::test(subject, kind));
    outcomes
}

/// The weights of a result's elements in the scalar that is differentiated, as the result's type holds them.
fn weights(shape: &[usize], dtype: DType) -> Array {
    Array::random(shape, 99).rounded(dtype)
}

fn weighted(op: &Op, inputs: &[Array], dtype: DType) -> f64 {
    let (results, dtype) = match *op {
        // A cast is differentiated as if it did not round.
        Op::Cast { dtype } => (inputs.to_vec(), dtype),
        _ => (reference::evaluate(op, inputs).unwrap_or_default(), dtype),
    };
    let sum = |result: &Array| -> f64 {
        result.data.iter().zip(&weights(&result.shape, dtype).data).map(|(a, b)| a * b).sum()
    };
    results.first().map_or(0.0, sum)
}

/// Whether an input is differentiated by: floats that have neighbours.
fn varies(input: &Input) -> bool {
    input.dtype.is_float() && input.array.data.iter().all(|v| v.is_finite())
}

/// The gradient of the weighted sum by central differences, for each input that varies.
fn differences(case: &Case, dtype: DType) -> Vec<Option<Array>> {
    let arrays = case.arrays();
    let numeric_gradient = |which: usize, element: usize| {
        let value = |delta: f64| {
            let mut moved = arrays.clone();
            moved[which].data[element] += delta;
            weighted(&case.op, &moved, dtype)
        };
        (8.0 * (value(STEP) - value(-STEP)) - (value(2.0 * STEP) - value(-2.0 * STEP))) / (12.0 * STEP)
    };
    let gradient = |(which, input): (usize, &Input)| {
        varies(input).then(|| Array {
            shape: input.array.shape.clone(),
            data: (0..input.array.data.len()).map(|element| numeric_gradient(which, element)).collect(),
        })
    };
    case.inputs.iter().enumerate().map(gradient).collect()
}

/// How far the gradients of two passes may be apart. libtorch adds that of a bilinear interpolation on CUDA up by
/// atomics (PyTorch lists `upsample_bilinear2d` among its nondeterministic operations); in bf16 a sum so changed is
/// rounded to a neighbour.
fn repeated_limit(device: &DeviceHandle, op: &Op, dtype: DType) -> f64 {
    let races = matches!(op, Op::Interpolate { .. }) && device.id != Device::Cpu && dtype == DType::Bf16;
    if races { 2.0 * rounding(dtype) } else { gradient_limit(dtype) / 100.0 }
}

/// The largest error of the gradients of all inputs that vary.
fn compare(device: &DeviceHandle, case: &Case, numeric: &[Option<Array>], passing: Passing) -> Result<f64> {
    let mut leaves = Vec::new();
    for (i, (input, numeric_gradient)) in case.inputs.iter().zip(numeric).enumerate() {
        let tensor = lay(device, input, passing.of_input(i))?.tensor;
        leaves.push(if numeric_gradient.is_some() { tensor.track()? } else { tensor });
    }
    let first = gradients(&case.op, &leaves, numeric)?;
    let again = gradients(&case.op, &leaves, numeric)?;
    let mut worst = 0.0f64;
    let due =
        numeric.iter().enumerate().filter_map(|(i, numeric_gradient)| Some((i, numeric_gradient.as_ref()?)));
    for ((i, numeric_gradient), (got, again)) in due.zip(first.iter().zip(&again)) {
        if got.shape != numeric_gradient.shape {
            return Err(Error::failure(format!(
                "the gradient of input {i} has shape {:?} where {:?} is due",
                got.shape, numeric_gradient.shape
            )));
        }
        // Sums may be added in another order where threads race, no more.
        if error(again, got) > repeated_limit(device, &case.op, case.inputs[i].dtype) {
            return Err(Error::failure(format!("the gradient of input {i} changes in a second pass")));
        }
        worst = worst.max(gradient_error(got, numeric_gradient, case.inputs[i].dtype));
    }
    Ok(worst)
}

/// The normalised error, but for gradients that are zero, as that of attention by a bias which is the same for
/// all keys: differences leave a rounding of 1e-12 of them, so their error is measured against a thousandth. In
/// narrower types terms near 1 cancel but for their roundings: 1e-6 in f32 and some hundredths in bfloat16 are
/// within the limits then.
fn gradient_error(got: &Array, numeric_gradient: &Array, dtype: DType) -> f64 {
    let zero = match dtype {
        DType::Bf16 => 1.0,
        DType::F32 => 0.1,
        _ => 1e-3,
    };
    let size = numeric_gradient.data.iter().map(|v| v * v).sum::<f64>().sqrt();
    match size {
        0.0 => error(got, numeric_gradient) / zero,
        size if size < zero => error(got, numeric_gradient) * size / zero,
        _ => error(got, numeric_gradient),
    }
}

/// The gradients of the tracked leaves, those with a slope.
fn gradients(op: &Op, leaves: &[Tensor], numeric: &[Option<Array>]) -> Result<Vec<Array>> {
    let out = Tensor::apply(op, leaves)?.remove(0);
    let weights = out.device().upload(weights(out.shape(), out.dtype()).host(out.dtype())?)?;
    let loss = out.mul(&weights)?.sum_all()?;
    let tracked: Vec<(usize, &Tensor)> =
        leaves.iter().enumerate().filter(|(i, _)| numeric[*i].is_some()).collect();
    let found = loss.backward(&tracked.iter().map(|(_, leaf)| *leaf).collect::<Vec<_>>())?;
    let gradient = |((i, _), found): (&(usize, &Tensor), Option<Tensor>)| match found {
        Some(gradient) if gradient.dtype() != leaves[*i].dtype() => Err(Error::failure(format!(
            "the gradient of input {i} is {} where {} is due",
            gradient.dtype(),
            leaves[*i].dtype()
        ))),
        Some(gradient) => Ok(Array::of(gradient.download()?)),
        // On nothing nothing depends; fused operations tell the gradient all the same.
        None if leaves[*i].shape().count() == 0 && !op.kind().is_fused() => {
            Ok(Array::filled(leaves[*i].shape(), 0.0))
        }
        None => Err(Error::failure(format!("no gradient for input {i}"))),
    };
    tracked.iter().zip(found).map(gradient).collect()
}
