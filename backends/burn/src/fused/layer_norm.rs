//! Normalisation over the last axis, times gain, plus bias.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops};
use burn_flex::{Flex, FlexTensor};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, Shared, add_up, dense, replace, slice, typed};
use crate::kernels::real::Real;
use crate::kernels::row;
use crate::kernels::vectorised::vectorised;

pub(super) fn run(x: Float, gain: Float, bias: Float, eps: f64) -> Float {
    let Operands { tensors, nodes } = Operands::new([Some(x), Some(gain), Some(bias)]);
    let [x, gain, bias] = tensors.map(|t| dense(t.expect("given above")));
    let saved = nodes.is_some().then(|| (x.clone(), gain.clone(), eps));
    let y = typed!(x, T => {
        let (gain, bias): (&[T], &[T]) = (slice(&gain), slice(&bias));
        replace::<T>(x, gain.len(), |_, part| forward(part, gain, bias, T::of(eps)))
    });
    finish(nodes, LayerNormBackward, y, |_| saved)
}

#[derive(Debug)]
struct LayerNormBackward;

impl Backward<Flex, 3> for LayerNormBackward {
    // The input, the gain and eps. A row's mean and deviation are found again: that costs less
    // than to keep them.
    type State = Option<(FlexTensor, FlexTensor, f64)>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, gain, eps) = ops.state.expect("saved when it was recorded");
        let dy = dense(grads.consume::<Flex>(&ops.node));
        let [to_x, to_gain, to_bias] = ops.parents;
        let (dx, dgain, dbias) = typed!(x, T => gradients::<T>(dy, &x, &gain, eps));
        for (parent, gradient) in [(to_x, dx), (to_gain, dgain), (to_bias, dbias)] {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

fn gradients<T: Real>(
    dy: FlexTensor,
    x: &FlexTensor,
    gain: &FlexTensor,
    eps: f64,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let (source, weights): (&[T], &[T]) = (slice(x), slice(gain));
    let d = weights.len();
    // Each piece leaves its share of the gradients of gain and bias at a place of its own.
    let piece = buffer::piece(d);
    let pieces = source.len().div_ceil(piece);
    let mut shares = vec![T::ZERO; pieces * 2 * d];
    let shared = Shared::new(&mut shares);
    let dx = replace::<T>(dy, d, |at, part| {
        // SAFETY: each piece has 2 d elements of its own.
        let share = unsafe { std::slice::from_raw_parts_mut(shared.at(at / piece * 2 * d), 2 * d) };
        let (dgain, dbias) = share.split_at_mut(d);
        backward(part, &source[at..at + part.len()], weights, dgain, dbias, T::of(eps));
    });
    let mut dgain = add_up(shares.chunks_exact(2 * d.max(1)), 2 * d);
    let dbias = dgain.split_off(d);
    let shape = gain.layout().shape().clone();
    (dx, buffer::tensor(dgain, shape.clone()), buffer::tensor(dbias, shape))
}

#[inline(always)]
fn moments<T: Real>(x: &[T], eps: T) -> (T, T) {
    let scale = T::ONE / T::of(x.len() as f64);
    let mean = row::sum(x, |v| v) * scale;
    let variance = row::sum(x, |v| (v - mean) * (v - mean)) * scale;
    (mean, T::ONE / (variance + eps).root())
}

vectorised! {
    fn forward<T: Real>(x: &mut [T], gain: &[T], bias: &[T], eps: T) {
        for row in x.chunks_exact_mut(gain.len()) {
            let (mean, scale) = moments(row, eps);
            for ((x, &gain), &bias) in row.iter_mut().zip(gain).zip(bias) {
                *x = (*x - mean) * scale * gain + bias;
            }
        }
    }

    fn backward<T: Real>(dy: &mut [T], x: &[T], gain: &[T], dgain: &mut [T], dbias: &mut [T], eps: T) {
        let d = gain.len();
        let share = T::ONE / T::of(d as f64);
        for (dy, x) in dy.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
            let (mean, scale) = moments(x, eps);
            for i in 0..d {
                dgain[i] += dy[i] * (x[i] - mean) * scale;
                dbias[i] += dy[i];
                dy[i] *= gain[i];
            }
            let shift = row::sum(dy, |v| v) * share;
            let slope = row::sum_with(dy, x, |dy, x| dy * (x - mean)) * scale * scale * share;
            for (dy, &x) in dy.iter_mut().zip(x) {
                *dy = scale * (*dy - shift - (x - mean) * slope);
            }
        }
    }
}
