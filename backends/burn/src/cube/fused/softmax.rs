//! Softmax over the last axis.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, unary};
use burn_backend::TensorMetadata;
use burn_backend::ops::FloatTensorOps;

use super::{Cube, Float, Operands, finish};
use crate::engine::Tensor;

pub(super) fn run(x: Float) -> Float {
    let Operands { tensors: [x], nodes } = Operands::new([Some(x)]);
    let x = x.expect("given above");
    let last = x.rank() - 1;
    if x.shape().num_elements() == 0 {
        // A row without entries has no maximum.
        return finish(nodes, SoftmaxBackward, x, Clone::clone);
    }
    let e = Cube::float_exp(Cube::float_sub(x.clone(), Cube::float_max_dim(x, last)));
    let y = Cube::float_div(e.clone(), Cube::float_sum_dim(e, last));
    finish(nodes, SoftmaxBackward, y, Clone::clone)
}

#[derive(Debug)]
struct SoftmaxBackward;

impl Backward<Cube, 1> for SoftmaxBackward {
    type State = Tensor<Cube>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let y = ops.state;
        let last = y.rank() - 1;
        unary::<Cube, _>(ops.parents, ops.node, grads, |dy| {
            let weighted = Cube::float_mul(dy, y.clone());
            let shift = Cube::float_sum_dim(weighted.clone(), last);
            Cube::float_sub(weighted, Cube::float_mul(y, shift))
        });
    }
}
