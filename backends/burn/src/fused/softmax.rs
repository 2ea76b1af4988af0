//! Softmax over the last axis.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, unary};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::softmax;

use super::{Float, Operands, finish};
use crate::kernels::buffer::{dense, replace, slice, typed, width};

pub(super) fn run(x: Float) -> Float {
    let Operands { tensors: [x], nodes } = Operands::new([Some(x)]);
    let x = dense(x.expect("given above"));
    let n = width(&x);
    let y = typed!(x, T => replace::<T>(x, n, |_, part| softmax::forward(part, n)));
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
                replace::<T>(dense(dy), n, |at, part| softmax::backward(part, &y[at..at + part.len()], n))
            })
        });
    }
}
