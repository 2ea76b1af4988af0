//! Normalisation over the last axis, times gain, plus bias.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::{Real as _, layer_norm, piece};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, Shared, dense, replace, slice, typed};
use crate::kernels::real::Real;

pub(super) fn run(x: Float, gain: Float, bias: Float, eps: f64) -> Float {
    let Operands { tensors, nodes } = Operands::new([Some(x), Some(gain), Some(bias)]);
    let [x, gain, bias] = tensors.map(|t| dense(t.expect("given above")));
    let saved = nodes.is_some().then(|| (x.clone(), gain.clone(), eps));
    let y = typed!(x, T => {
        let (gain, bias): (&[T], &[T]) = (slice(&gain), slice(&bias));
        replace::<T>(x, gain.len(), |_, part| layer_norm::forward(part, gain, bias, T::of(eps)))
    });
    finish(nodes, LayerNormBackward, y, |_| saved)
}

#[derive(Debug)]
struct LayerNormBackward;

impl Backward<Flex, 3> for LayerNormBackward {
    // The input, the gain and eps.
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
    let piece = piece::size(d);
    let pieces = source.len().div_ceil(piece);
    let mut shares = vec![T::ZERO; pieces * 2 * d];
    let shared = Shared::new(&mut shares);
    let dx = replace::<T>(dy, d, |at, part| {
        // SAFETY: each piece has 2 d elements of its own.
        let share = unsafe { std::slice::from_raw_parts_mut(shared.at(at / piece * 2 * d), 2 * d) };
        let (dgain, dbias) = share.split_at_mut(d);
        layer_norm::backward(part, &source[at..at + part.len()], weights, dgain, dbias, T::of(eps));
    });
    let mut dgain = piece::add_up(shares.chunks_exact(2 * d.max(1)), 2 * d);
    let dbias = dgain.split_off(d);
    let shape = gain.layout().shape().clone();
    (dx, buffer::tensor(dgain, shape.clone()), buffer::tensor(dbias, shape))
}
