//! Sum over all elements, in an order that does not depend on the number of threads.

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_backend::ops::FloatTensorOps;
use burn_backend::{Backend, DType as BurnType, Shape, TensorData, TensorMetadata};
use burn_flex::{Flex, FlexTensor};

use crate::engine::{Engine, Recorded};
use crate::kernels::buffer::collect;
use crate::value::extents;

/// Elements that one task sums.
const CHUNK: usize = 1 << 14;

/// A backend that can sum everything.
pub(crate) trait Total: Backend {
    /// The sum over all elements, in a tensor of `x`'s rank with extents of 1.
    fn total(x: Self::FloatTensorPrimitive) -> Self::FloatTensorPrimitive;
}

impl Total for Flex {
    fn total(x: FlexTensor) -> FlexTensor {
        let shape = Shape::from(vec![1; extents(&x).len()]);
        let x = x.to_contiguous();
        match x.dtype() {
            BurnType::F32 => {
                let values: &[f32] = x.as_slice().unwrap_or_default();
                let sum = in_chunks(values, |chunk| chunk.chunks(256).map(lanes).sum());
                FlexTensor::from_data(TensorData::new(vec![sum as f32], shape))
            }
            BurnType::F64 => {
                let values: &[f64] = x.as_slice().unwrap_or_default();
                let sum = in_chunks(values, |chunk| chunk.iter().sum());
                FlexTensor::from_data(TensorData::new(vec![sum], shape))
            }
            _ => Flex::float_reshape(Flex::float_sum(x), shape),
        }
    }
}

fn in_chunks<E: Sync>(values: &[E], sum: impl Fn(&[E]) -> f64 + Sync) -> f64 {
    let chunk = |i: usize| sum(&values[i * CHUNK..values.len().min((i + 1) * CHUNK)]);
    collect(values.len().div_ceil(CHUNK), chunk).into_iter().sum()
}

/// The sum of a short slice, in as many accumulators as fill vector registers.
fn lanes(values: &[f32]) -> f64 {
    let mut lanes = [0f32; 16];
    let mut blocks = values.chunks_exact(16);
    for block in &mut blocks {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *lane += value;
        }
    }
    let tail: f64 = blocks.remainder().iter().copied().map(f64::from).sum();
    lanes.into_iter().map(f64::from).sum::<f64>() + tail
}

impl<E: Engine> Total for Autodiff<E> {
    fn total(x: Recorded<E>) -> Recorded<E> {
        #[derive(Debug)]
        struct TotalBackward;

        impl<E: Engine> Backward<E, 1> for TotalBackward {
            type State = Shape;

            fn backward(self, ops: Ops<Shape, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let shape = ops.state;
                unary::<E, _>(ops.parents, ops.node, grads, |grad| E::float_expand(grad, shape));
            }
        }

        let (x, node) = x.into_parts();
        let shape = x.shape();
        let prepared = Backward::<E, 1>::prepare::<NoCheckpointing>(TotalBackward, [node]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(shape, E::total(x)),
            OpsKind::UnTracked(prep) => prep.finish(E::total(x)),
        }
    }
}
