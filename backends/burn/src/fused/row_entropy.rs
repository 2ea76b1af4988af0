//! -sum p ln p over the last axis; 0 ln 0 = 0.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, unary};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::{piece, row_entropy};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, dense, each, replace, slice, typed, width};
use crate::kernels::real::Real;
use crate::value::{burn_shape, extents};

pub(super) fn run(p: Float) -> Float {
    let Operands { tensors: [p], nodes } = Operands::new([Some(p)]);
    let p = dense(p.expect("given above"));
    let out = typed!(p, T => entropies::<T>(&p));
    finish(nodes, RowEntropyBackward, out, |_| p)
}

fn entropies<T: Real>(p: &FlexTensor) -> FlexTensor {
    let n = width(p);
    let mut shape = extents(p);
    if let Some(last) = shape.last_mut() {
        *last = 1;
    }
    let values: &[T] = slice(p);
    let mut out = vec![T::ZERO; shape.iter().product()];
    let rows = piece::size(n) / n.max(1);
    each(&mut out, rows, |i, part| {
        let at = i * rows * n;
        row_entropy::forward(part, &values[at..at + part.len() * n], n);
    });
    buffer::tensor(out, burn_shape(&shape))
}

#[derive(Debug)]
struct RowEntropyBackward;

impl Backward<Flex, 1> for RowEntropyBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let p = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |dy| typed!(p, T => gradient::<T>(p, &dense(dy))));
    }
}

fn gradient<T: Real>(p: FlexTensor, dy: &FlexTensor) -> FlexTensor {
    let n = width(&p);
    let dy: &[T] = slice(dy);
    replace::<T>(p, n, |at, part| row_entropy::backward(part, &dy[at / n..], n))
}
