//! The shapes of a training step, at which kernels work in tiles and threads: a backend's own kernels against the
//! primitives that core takes them apart into, values and gradients, in f32. The loops of
//! [`reference`](crate::reference) would take minutes here, and are compared on small shapes with both.

use palimpsest_core::tensor::{Op, OpKind};
use palimpsest_core::{DType, DeviceHandle, Error, Result, Tensor};

use crate::array::Array;
use crate::case::{Case, Input};
use crate::outcome::Outcome;
use crate::subject::{Subject, Support};
use crate::taken_apart::taken_apart;
use crate::tolerance::error;

/// Sums over some hundred products, in another order: their rounding errors grow with the root of the number of
/// terms, and a backward pass chains a few such sums.
const LIMIT: f64 = 1e-5;

fn case(op: Op, shapes: &[&[usize]]) -> Case {
    let arrays = shapes.iter().zip(3..).map(|(shape, seed)| Array::random(shape, seed));
    let inputs = arrays.map(|array| Input { array: array.rounded(DType::F32), dtype: DType::F32 }).collect();
    Case { name: "a training step's", op, inputs, smooth: false }
}

/// Primitives with sums so long that a backend may share them out to threads, in f32.
pub fn long_sums() -> Vec<Case> {
    vec![
        case(Op::Sum { axes: vec![0, 1] }, &[&[3000, 1500]]),
        case(Op::Sum { axes: vec![1] }, &[&[300, 1500]]),
        case(Op::Matmul, &[&[500, 300], &[300, 700]]),
        case(Op::Conv2d { stride: 16, padding: 0 }, &[&[4, 3, 64, 64], &[64, 3, 16, 16]]),
        case(Op::Conv2d { stride: 1, padding: 1 }, &[&[4, 8, 32, 32], &[16, 8, 3, 3]]),
    ]
}

/// Fused operations on inputs of a training step's shapes, in f32.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        case(Op::Linear, &[&[3, 197, 192], &[576, 192], &[576]]),
        case(Op::Linear, &[&[3, 197, 768], &[192, 768], &[192]]),
        case(Op::Softmax, &[&[6, 197, 197]]),
        case(Op::LayerNorm { eps: 1e-6 }, &[&[4, 197, 192], &[192], &[192]]),
        case(Op::Gelu, &[&[3, 197, 768]]),
        case(Op::Silu, &[&[3, 197, 768]]),
        case(Op::SelfAttention { heads: 3 }, &[&[3, 197, 576]]),
        case(Op::SelfAttention { heads: 3 }, &[&[3, 65, 576], &[1, 3, 65, 65]]),
        case(Op::Attention { heads: 3 }, &[&[2, 40, 192], &[2, 197, 192], &[2, 197, 192]]),
        case(Op::AttentionProbs { heads: 3 }, &[&[3, 197, 576], &[1, 3, 197, 197]]),
        case(Op::AttentionApply { heads: 3 }, &[&[3, 3, 197, 197], &[3, 197, 576]]),
        case(Op::Residual { gain: true, keep: true }, &[&[4, 197, 192], &[4, 197, 192], &[192], &[4, 1, 1]]),
        case(Op::SumSquares, &[&[3, 197, 192]]),
        case(Op::Lerp { weight: 0.01 }, &[&[768, 192], &[768, 192]]),
    ];
    let e = Array::random(&[3, 3, 197, 197], 3).map(|v| (0.1 * v).exp());
    let rows = e.zip(&e.sum(&[3]), |a, b| a / b).rounded(DType::F32);
    let mut entropy = case(Op::RowEntropy, &[]);
    entropy.inputs.push(Input { array: rows, dtype: DType::F32 });
    cases.push(entropy);
    let mut entropy = case(Op::CrossEntropy { smoothing: 0.1 }, &[&[64, 1000]]);
    let labels = Array::build(&[64], |i| (i[0] * 5 + 2) as f64);
    entropy.inputs.push(Input { array: labels, dtype: DType::I64 });
    cases.push(entropy);
    cases
}

/// The value of a case and its gradients by every input of floats, all weighted sums of the result's elements.
///
/// # Errors
/// The backend's failure, or a gradient that is not there.
pub fn pass(device: &DeviceHandle, case: &Case) -> Result<Vec<Array>> {
    let mut tensors = Vec::new();
    for input in &case.inputs {
        let tensor = device.upload(input.array.host(input.dtype)?)?;
        tensors.push(if input.dtype.is_float() { tensor.track()? } else { tensor });
    }
    let out = Tensor::apply(&case.op, &tensors)?.remove(0);
    let weights = device.upload(Array::random(out.shape(), 5).host(out.dtype())?)?;
    let mut all = vec![Array::of(out.download()?)];
    let leaves: Vec<&Tensor> = tensors.iter().filter(|tensor| tensor.dtype().is_float()).collect();
    for gradient in out.mul(&weights)?.sum_all()?.backward(&leaves)? {
        let gradient = gradient.ok_or_else(|| Error::failure("a gradient is not there"))?;
        all.push(Array::of(gradient.download()?));
    }
    Ok(all)
}

/// Compares an operation that the backend has a kernel of its own for.
pub(crate) fn test(subject: &mut Subject<'_>, kind: OpKind) -> Vec<Outcome> {
    if !kind.is_fused() || subject.support(kind, DType::F32) != Support::Native {
        return vec![];
    }
    let cases = cases().into_iter().filter(|case| case.op.kind() == kind);
    cases
        .map(|case| {
            let (error, failure) = match subject.guard(|device| compare(device, &case)) {
                Ok(error) => (error, None),
                Err(error) => (f64::INFINITY, Some(error.to_string())),
            };
            let case = format!("{}, as taken apart", case.title());
            Outcome { operation: kind.name(), dtype: DType::F32, case, error, limit: LIMIT, failure }
        })
        .collect()
}

fn compare(device: &DeviceHandle, case: &Case) -> Result<f64> {
    let (own, lowered) = (pass(device, case)?, pass(&taken_apart(device), case)?);
    Ok(own.iter().zip(&lowered).map(|(own, lowered)| error(own, lowered)).fold(0.0, f64::max))
}
