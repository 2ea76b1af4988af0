//! Attention probabilities of packed queries and keys, kept because a loss looks at them.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::attention::Sizes;
use palimpsest_kernels::softmax;

use super::attention::logits;
use super::head::{Bias, HeadLayout};
use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, Shared, dense, multiplied, replace, slice, unwritten, widened};
use crate::kernels::gemm::Matrix;
use crate::kernels::real::Factor;
use crate::value::{burn_shape, extents};

pub(super) fn run(qkv: Float, bias: Option<Float>, heads: usize) -> Float {
    let Operands { tensors: [qkv, bias], nodes } = Operands::new([Some(qkv), bias]);
    let qkv = dense(qkv.expect("given above"));
    let sizes = Sizes::packed(&extents(&qkv), heads);
    let bias = bias.map(Bias::new);
    let p = multiplied!(qkv, T => forward::<T>(sizes, &qkv, bias.as_ref()));
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
        let (dqkv, ds) = multiplied!(qkv, T => gradients::<T>(sizes, &qkv, &p, dp));
        if let Some(parent) = to_qkv {
            grads.register::<Flex>(parent.id, dqkv);
        }
        if let (Some(parent), Some(bias)) = (to_bias, bias) {
            grads.register::<Flex>(parent.id, bias.gradient(ds));
        }
    }
}

fn forward<T: Factor>(sizes: Sizes, qkv: &FlexTensor, bias: Option<&Bias>) -> FlexTensor {
    let data: &[T] = slice(qkv);
    let [q, k] = [0, 1].map(|which| HeadLayout::packed(sizes, which));
    // SAFETY: the tasks write every score.
    let mut p = unsafe { unwritten::<T>(sizes.tasks() * sizes.scores()) };
    let shared = Shared::new(&mut p);
    buffer::parallel(sizes.tasks(), &|task| {
        let mut scores = logits::<T>(sizes, q.head(data, task), k.head(data, task), bias, task);
        softmax::forward(&mut scores, sizes.keys);
        // SAFETY: each task has scores of its own.
        let p = unsafe { std::slice::from_raw_parts_mut(shared.at(task * sizes.scores()), sizes.scores()) };
        p.copy_from_slice(&T::narrowed(&scores));
    });
    buffer::tensor(p, burn_shape(&[sizes.batch, sizes.heads, sizes.queries, sizes.keys]))
}

/// The gradients of the packed tensor and of the logits.
fn gradients<T: Factor>(
    sizes: Sizes,
    qkv: &FlexTensor,
    p: &FlexTensor,
    dp: FlexTensor,
) -> (FlexTensor, FlexTensor) {
    let (data, probabilities): (&[T], &[T]) = (slice(qkv), slice(p));
    // The logits' gradients are made in the type for sums, and multiplied in that of the operands.
    let ds = replace::<T::Wide>(widened::<T>(dp), sizes.keys, |at, part| {
        softmax::backward(part, &T::widened(&probabilities[at..at + part.len()]), sizes.keys);
    });
    let rounded = T::narrowed(slice(&ds));
    let scores: &[T] = &rounded;
    let [q, k, v] = [0, 1, 2].map(|which| HeadLayout::packed(sizes, which));
    // SAFETY: the tasks write every head of queries, keys and values.
    let mut dqkv = unsafe { unwritten::<T>(data.len()) };
    let shared = Shared::new(&mut dqkv);
    buffer::parallel(sizes.tasks(), &|task| {
        let ds = Matrix::new(scores, task * sizes.scores(), sizes.queries, sizes.keys, sizes.keys);
        // SAFETY: each task writes heads of its own.
        unsafe {
            q.write(shared, task, sizes.scale(), ds, k.head(data, task));
            k.write(shared, task, sizes.scale(), ds.transposed(), q.head(data, task));
            v.clear(shared, task);
        }
    });
    drop(rounded);
    (buffer::tensor(dqkv, qkv.layout().shape().clone()), ds)
}
