//! Attention probabilities applied to packed values.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::attention::Sizes;

use super::head::HeadLayout;
use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, Shared, dense, multiplied, slice, unwritten};
use crate::kernels::gemm::{Destination, Matrix};
use crate::kernels::real::Factor;
use crate::value::{burn_shape, extents};

pub(super) fn run(p: Float, qkv: Float, heads: usize) -> Float {
    let Operands { tensors, nodes } = Operands::new([Some(p), Some(qkv)]);
    let [p, qkv] = tensors.map(|t| dense(t.expect("given above")));
    let sizes = Sizes::packed(&extents(&qkv), heads);
    let out = multiplied!(p, T => forward::<T>(sizes, &p, &qkv));
    finish(nodes, ApplyBackward, out, |_| Saved { sizes, p, qkv })
}

#[derive(Debug, Clone)]
struct Saved {
    sizes: Sizes,
    p: FlexTensor,
    qkv: FlexTensor,
}

#[derive(Debug)]
struct ApplyBackward;

impl Backward<Flex, 2> for ApplyBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let saved = ops.state;
        let dout = dense(grads.consume::<Flex>(&ops.node));
        let [to_p, to_qkv] = ops.parents;
        if let Some(parent) = to_p {
            grads.register::<Flex>(
                parent.id,
                multiplied!(dout, T => probability_gradient::<T>(&saved, &dout)),
            );
        }
        if let Some(parent) = to_qkv {
            grads.register::<Flex>(parent.id, multiplied!(dout, T => value_gradient::<T>(&saved, &dout)));
        }
    }
}

fn scores<'a, T: Factor>(sizes: Sizes, p: &'a [T], task: usize) -> Matrix<'a, T> {
    Matrix::new(p, task * sizes.scores(), sizes.queries, sizes.keys, sizes.keys)
}

fn forward<T: Factor>(sizes: Sizes, p: &FlexTensor, qkv: &FlexTensor) -> FlexTensor {
    let (p, data): (&[T], &[T]) = (slice(p), slice(qkv));
    let (v, target) = (HeadLayout::packed(sizes, 2), HeadLayout::alone(sizes, sizes.queries));
    // SAFETY: the tasks write every head.
    let mut out = unsafe { unwritten::<T>(sizes.batch * sizes.queries * sizes.dimension()) };
    let shared = Shared::new(&mut out);
    buffer::parallel(sizes.tasks(), &|task| {
        // SAFETY: each task writes a head of its own.
        unsafe { target.write(shared, task, 1.0, scores(sizes, p, task), v.head(data, task)) };
    });
    buffer::tensor(out, burn_shape(&[sizes.batch, sizes.queries, sizes.dimension()]))
}

fn probability_gradient<T: Factor>(saved: &Saved, dout: &FlexTensor) -> FlexTensor {
    let sizes = saved.sizes;
    let (data, dout): (&[T], &[T]) = (slice(&saved.qkv), slice(dout));
    let (v, target) = (HeadLayout::packed(sizes, 2), HeadLayout::alone(sizes, sizes.queries));
    // SAFETY: the tasks write every score.
    let mut dp = unsafe { unwritten::<T>(sizes.tasks() * sizes.scores()) };
    let shared = Shared::new(&mut dp);
    buffer::parallel(sizes.tasks(), &|task| {
        let (a, b) = (target.head(dout, task), v.head(data, task).transposed());
        // SAFETY: each task has scores of its own.
        unsafe {
            let to = Destination { out: shared.at(task * sizes.scores()), row: sizes.keys, scale: 1.0 };
            T::product(to, a, b);
        }
    });
    buffer::tensor(dp, saved.p.layout().shape().clone())
}

fn value_gradient<T: Factor>(saved: &Saved, dout: &FlexTensor) -> FlexTensor {
    let sizes = saved.sizes;
    let (p, dout): (&[T], &[T]) = (slice(&saved.p), slice(dout));
    let [q, k, v] = [0, 1, 2].map(|which| HeadLayout::packed(sizes, which));
    let target = HeadLayout::alone(sizes, sizes.queries);
    // SAFETY: the tasks write every head of queries, keys and values.
    let mut dqkv = unsafe { unwritten::<T>(saved.qkv.layout().num_elements()) };
    let shared = Shared::new(&mut dqkv);
    buffer::parallel(sizes.tasks(), &|task| {
        let (a, b) = (scores(sizes, p, task).transposed(), target.head(dout, task));
        // SAFETY: each task writes heads of its own.
        unsafe {
            q.clear(shared, task);
            k.clear(shared, task);
            v.write(shared, task, 1.0, a, b);
        }
    });
    buffer::tensor(dqkv, saved.qkv.layout().shape().clone())
}
