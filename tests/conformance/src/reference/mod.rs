//! What every operation gives, in f64, as plain loops after the words of [`Op`]. Nothing here comes from a
//! backend or from core's lowering.

mod attention;
mod elementwise;
mod erf;
mod fused;
mod index;
mod layout;
mod product;
mod reduction;

use palimpsest_core::tensor::Op;

use crate::array::Array;

pub use erf::erf;

/// An operation's results; `None` for one whose results are random.
///
/// The inputs must be such as core lets pass.
pub fn evaluate(op: &Op, inputs: &[Array]) -> Option<Vec<Array>> {
    let one = match op {
        Op::RandomNormal { .. } | Op::RandomUniform { .. } => return None,
        Op::Adamw { .. } => return Some(fused::adamw(op, inputs)),

        Op::Full { shape, value, dtype } => Array::filled(shape, *value).rounded(*dtype),
        Op::Neg
        | Op::Exp
        | Op::Log
        | Op::Sqrt
        | Op::Tanh
        | Op::Erf
        | Op::Abs
        | Op::Sin
        | Op::Cos
        | Op::AddScalar { .. }
        | Op::MulScalar { .. }
        | Op::PowScalar { .. }
        | Op::Clamp { .. }
        | Op::Gelu
        | Op::Silu => inputs[0].map(elementwise::unary(op)),
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Equal | Op::Less | Op::Lerp { .. } => {
            inputs[0].zip(&inputs[1], elementwise::binary(op))
        }
        Op::Where => elementwise::where_(&inputs[0], &inputs[1], &inputs[2]),
        Op::Cast { dtype } => inputs[0].rounded(*dtype),

        Op::Sum { axes } => inputs[0].sum(axes),
        Op::Mean { axes } => reduction::mean(&inputs[0], axes),
        Op::Max { axis } => reduction::max(&inputs[0], *axis),
        Op::Argmax { axis } => reduction::argmax(&inputs[0], *axis),
        Op::Argsort { axis, descending } => reduction::argsort(&inputs[0], *axis, *descending),
        Op::SumSquares => inputs[0].map(|x| x * x).sum(&all_axes(&inputs[0])).reshape(&[]),

        Op::Reshape { shape } => inputs[0].reshape(shape),
        Op::Permute { axes } => layout::permute(&inputs[0], axes),
        Op::Narrow { axis, start, len } => layout::narrow(&inputs[0], *axis, *start, *len),
        Op::Concat { axis } => layout::concat(inputs, *axis),
        Op::Pad { axis, before, after, value } => layout::pad(&inputs[0], *axis, *before, *after, *value),
        Op::Expand { shape } => Array::build(shape, |i| inputs[0].at(i)),
        Op::Gather { axis } => index::gather(&inputs[0], &inputs[1], *axis),
        Op::IndexSelect { axis } => index::select(&inputs[0], &inputs[1], *axis),
        Op::ScatterAdd { axis } => index::scatter_add(&inputs[0], &inputs[1], &inputs[2], *axis),

        Op::Matmul => product::matmul(&inputs[0], &inputs[1]),
        Op::Conv2d { stride, padding } => product::conv2d(&inputs[0], &inputs[1], *stride, *padding),
        Op::Interpolate { height, width, mode } => product::interpolate(&inputs[0], *height, *width, *mode),

        Op::Linear => fused::linear(&inputs[0], &inputs[1], inputs.get(2)),
        Op::Softmax => fused::softmax(&inputs[0]),
        Op::LayerNorm { eps } => fused::layer_norm(&inputs[0], &inputs[1], &inputs[2], *eps),
        Op::Residual { .. } => fused::residual(inputs),
        Op::RowEntropy => fused::row_entropy(&inputs[0]),
        Op::CrossEntropy { smoothing } => fused::cross_entropy(&inputs[0], &inputs[1], *smoothing),

        Op::Attention { heads } => {
            attention::attention([&inputs[0], &inputs[1], &inputs[2]], inputs.get(3), *heads)
        }
        Op::SelfAttention { heads } => {
            let [q, k, v] = attention::unpack(&inputs[0]);
            attention::attention([&q, &k, &v], inputs.get(1), *heads)
        }
        Op::AttentionProbs { heads } => {
            let [q, k, _] = attention::unpack(&inputs[0]);
            attention::probabilities(&q, &k, inputs.get(1), *heads)
        }
        Op::AttentionApply { .. } => {
            let [_, _, v] = attention::unpack(&inputs[1]);
            attention::apply(&inputs[0], &v)
        }
    };
    Some(vec![one])
}

fn all_axes(x: &Array) -> Vec<usize> {
    (0..x.rank()).collect()
}

/// The shape with another extent along an axis.
fn with(shape: &[usize], axis: usize, extent: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    shape[axis] = extent;
    shape
}

#[cfg(test)]
mod tests;
