//! The sum of squares, added up in f64.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, unary};
use burn_backend::Scalar;
use burn_backend::ops::FloatTensorOps;
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::{Real, piece, sum_squares};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, dense, slice, typed};
use crate::value::burn_shape;

pub(super) fn run(x: Float) -> Float {
    let Operands { tensors: [x], nodes } = Operands::new([Some(x)]);
    let x = dense(x.expect("given above"));
    let out = typed!(x, T => {
        let values: &[T] = slice(&x);
        let piece = piece::size(1);
        let parts = buffer::collect(values.len().div_ceil(piece), |i| {
            sum_squares::sum(&values[i * piece..values.len().min((i + 1) * piece)])
        });
        buffer::tensor(vec![T::of(parts.iter().sum())], burn_shape(&[]))
    });
    finish(nodes, SumSquaresBackward, out, |_| x)
}

#[derive(Debug)]
struct SumSquaresBackward;

impl Backward<Flex, 1> for SumSquaresBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let x = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |dy| {
            let dy: f64 = typed!(x, T => slice::<T>(&dense(dy))[0].wide());
            Flex::float_mul_scalar(x, Scalar::Float(2.0 * dy))
        });
    }
}
