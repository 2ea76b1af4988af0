//! Softmax over the last axis.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, unary};
use burn_flex::{Flex, FlexTensor};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{dense, replace, slice, typed, width};
use crate::kernels::real::Real;
use crate::kernels::row;
use crate::kernels::vectorised::vectorised;

pub(super) fn run(x: Float) -> Float {
    let Operands { tensors: [x], nodes } = Operands::new([Some(x)]);
    let x = dense(x.expect("given above"));
    let n = width(&x);
    let y = typed!(x, T => replace::<T>(x, n, |_, part| forward(part, n)));
    finish(nodes, SoftmaxBackward, y, FlexTensor::clone)
}

#[derive(Debug)]
struct SoftmaxBackward;

impl Backward<Flex, 1> for SoftmaxBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let y = ops.state;
        let n = width(&y);
        unary::<Flex, _>(ops.parents, ops.node, grads, |dy| {
            typed!(y, T => {
                let y: &[T] = slice(&y);
                replace::<T>(dense(dy), n, |at, part| backward(part, &y[at..at + part.len()], n))
            })
        });
    }
}

vectorised! {
    pub(super) fn forward<T: Real>(x: &mut [T], n: usize) {
        for row in x.chunks_exact_mut(n) {
            row::softmax(row);
        }
    }

    /// Replaces the gradient of softmax's result `y` by that of its input.
    pub(super) fn backward<T: Real>(dy: &mut [T], y: &[T], n: usize) {
        for (dy, y) in dy.chunks_exact_mut(n).zip(y.chunks_exact(n)) {
            let shift = row::dot(dy, y);
            for (dy, &y) in dy.iter_mut().zip(y) {
                *dy = y * (*dy - shift);
            }
        }
    }
}
