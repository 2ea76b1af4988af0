//! x sigmoid(x)

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, unary};
use burn_flex::{Flex, FlexTensor};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{dense, replace, slice, typed};
use crate::kernels::real::Real;
use crate::kernels::vectorised::vectorised;

pub(super) fn run(x: Float) -> Float {
    let Operands { tensors: [x], nodes } = Operands::new([Some(x)]);
    let x = dense(x.expect("given above"));
    let saved = nodes.is_some().then(|| x.clone());
    let y = typed!(x, T => replace::<T>(x, 1, |_, part| forward(part)));
    finish(nodes, SiluBackward, y, |_| saved)
}

#[derive(Debug)]
struct SiluBackward;

impl Backward<Flex, 1> for SiluBackward {
    type State = Option<FlexTensor>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let x = ops.state.expect("saved when it was recorded");
        unary::<Flex, _>(ops.parents, ops.node, grads, |dy| {
            typed!(x, T => {
                let x: &[T] = slice(&x);
                replace::<T>(dense(dy), 1, |at, part| backward(part, &x[at..at + part.len()]))
            })
        });
    }
}

vectorised! {
    fn forward<T: Real>(x: &mut [T]) {
        for x in x {
            *x = *x / (T::ONE + (-*x).exponential());
        }
    }

    fn backward<T: Real>(dy: &mut [T], x: &[T]) {
        for (dy, &x) in dy.iter_mut().zip(x) {
            let sigmoid = T::ONE / (T::ONE + (-x).exponential());
            *dy *= sigmoid * (T::ONE + x * (T::ONE - sigmoid));
        }
    }
}
