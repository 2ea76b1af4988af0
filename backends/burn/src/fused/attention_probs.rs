//! Attention probabilities of packed queries and keys, kept because a loss looks at them.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::attention::Sizes;
use palimpsest_kernels::softmax;

use super::head::{Bias, HeadLayout};
use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, Shared, dense, replace, slice, typed, unwritten};
use crate::kernels::gemm::{Matrix, product};
use crate::kernels::real::Real;
use crate::value::{burn_shape, extents};

pub(super) fn run(qkv: Float, bias: Option<Float>, heads: usize) -> Float {
    let Operands { tensors: [qkv, bias], nodes } = Operands::new([Some(qkv), bias]);
    let qkv = dense(qkv.expect("given above"));
    let sizes = Sizes::packed(&extents(&qkv), heads);
    let bias = bias.map(Bias::new);
    let p = typed!(qkv, T => forward::<T>(sizes, &qkv, bias.as_ref()));
    finish(nodes, ProbsBackward, p, |p| Saved { sizes, qkv, bias, p: p.clone() })
}

#[derive(Debug, Clone)]
struct Saved {
    sizes: Sizes,
    qkv: FlexTensor,
    bias: Option<Bias>,
    p: FlexTensor,
}

#[derive(Debug)]
struct ProbsBackward;

impl Backward<Flex, 2> for ProbsBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let Saved { sizes, qkv, bias, p } = ops.state;
        let dp = dense(grads.consume::<Flex>(&ops.node));
        let [to_qkv, to_bias] = ops.parents;
        let (dqkv, ds) = typed!(qkv, T => gradients::<T>(sizes, &qkv, &p, dp));
        if let Some(parent) = to_qkv {
            grads.register::<Flex>(parent.id, dqkv);
        }
        if let (Some(parent), Some(bias)) = (to_bias, bias) {
            grads.register::<Flex>(parent.id, bias.gradient(ds));
        }
    }
}

fn forward<T: Real>(sizes: Sizes, qkv: &FlexTensor, bias: Option<&Bias>) -> FlexTensor {
    let data: &[T] = slice(qkv);
    let [q, k] = [0, 1].map(|which| HeadLayout::packed(sizes, which));
    // SAFETY: the tasks write every score.
    let mut p = unsafe { unwritten::<T>(sizes.tasks() * sizes.scores()) };
    let shared = Shared::new(&mut p);
    buffer::parallel(sizes.tasks(), &|task| {
        // SAFETY: each task has scores of its own.
        unsafe {
            let at = shared.at(task * sizes.scores());
            product(
                at,
                sizes.keys,
                T::of(sizes.scale()),
                q.head(data, task),
                k.head(data, task).transposed(),
            );
            let scores = std::slice::from_raw_parts_mut(at, sizes.scores());
            if let Some(bias) = bias {
                bias.add(sizes, task, scores);
            }
            softmax::forward(scores, sizes.keys);
        }
    });
    buffer::tensor(p, burn_shape(&[sizes.batch, sizes.heads, sizes.queries, sizes.keys]))
}

/// The gradients of the packed tensor and of the logits.
fn gradients<T: Real>(
    sizes: Sizes,
    qkv: &FlexTensor,
    p: &FlexTensor,
    dp: FlexTensor,
) -> (FlexTensor, FlexTensor) {
    let (data, probabilities): (&[T], &[T]) = (slice(qkv), slice(p));
    let ds = replace::<T>(dp, sizes.keys, |at, part| {
        softmax::backward(part, &probabilities[at..at + part.len()], sizes.keys);
    });
    let scores: &[T] = slice(&ds);
    let [q, k, v] = [0, 1, 2].map(|which| HeadLayout::packed(sizes, which));
    // SAFETY: the tasks write queries and keys, `clear` the values.
    let mut dqkv = unsafe { unwritten::<T>(data.len()) };
    v.clear(&mut dqkv);
    let shared = Shared::new(&mut dqkv);
    buffer::parallel(sizes.tasks(), &|task| {
        let ds = Matrix::new(scores, task * sizes.scores(), sizes.queries, sizes.keys, sizes.keys);
        // SAFETY: each task writes heads of its own.
        unsafe {
            q.write(shared, task, T::of(sizes.scale()), ds, k.head(data, task));
            k.write(shared, task, T::of(sizes.scale()), ds.transposed(), q.head(data, task));
        }
    });
    (buffer::tensor(dqkv, qkv.layout().shape().clone()), ds)
}
