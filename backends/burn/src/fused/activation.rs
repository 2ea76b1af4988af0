//! Functions of single elements, whose gradients need no more than their inputs.

use std::fmt::Debug;

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, unary};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::{Real, gelu, silu, vectorised};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{dense, multiplied, replace_wide, slice};
use crate::kernels::real::Factor;

/// A function's kernels.
pub(super) trait Activation: Debug + Clone + Send + Sync + 'static {
    /// Replaces elements by their images.
    fn forward<T: Real>(x: &mut [T]);
    /// Replaces the gradient of the result by that of the elements `x`.
    fn backward<T: Real>(dy: &mut [T], x: &[T]);
}

/// x Phi(x), with the exact normal distribution function.
#[derive(Debug, Clone)]
pub(super) struct Gelu;

impl Activation for Gelu {
    fn forward<T: Real>(x: &mut [T]) {
        gelu::forward(x);
    }

    fn backward<T: Real>(dy: &mut [T], x: &[T]) {
        gelu::backward(dy, x);
    }
}

/// x sigmoid(x)
#[derive(Debug, Clone)]
pub(super) struct Silu;

impl Activation for Silu {
    fn forward<T: Real>(x: &mut [T]) {
        divide(x);
    }

    fn backward<T: Real>(dy: &mut [T], x: &[T]) {
        silu::backward(dy, x);
    }
}

vectorised! {
    fn divide<T: Real>(x: &mut [T]) {
        for x in x {
            *x = *x / (T::ONE + (-*x).exponential());
        }
    }
}

pub(super) fn run<A: Activation>(function: A, x: Float) -> Float {
    let Operands { tensors: [x], nodes } = Operands::new([Some(x)]);
    let x = dense(x.expect("given above"));
    // Only a recorded input is kept, so that the memory of any other can be written over.
    let saved = nodes.is_some().then(|| x.clone());
    let y = multiplied!(x, T => replace_wide::<T>(x, 1, |_, part| A::forward(part)));
    finish(nodes, ActivationBackward(function), y, |_| saved)
}

#[derive(Debug)]
struct ActivationBackward<A>(A);

impl<A: Activation> Backward<Flex, 1> for ActivationBackward<A> {
    type State = Option<FlexTensor>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let x = ops.state.expect("saved when it was recorded");
        unary::<Flex, _>(ops.parents, ops.node, grads, |dy| {
            multiplied!(x, T => {
                let x: &[T] = slice(&x);
                replace_wide::<T>(dense(dy), 1, |at, part| {
                    A::backward(part, &T::widened(&x[at..at + part.len()]));
                })
            })
        });
    }
}
