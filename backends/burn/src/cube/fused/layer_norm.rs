//! Normalisation over the last axis, times gain, plus bias.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops};
use burn_backend::ops::FloatTensorOps;
use burn_backend::{Shape, TensorMetadata};

use super::{Cube, Float, Operands, finish};
use crate::engine::Tensor;
use crate::value::extents;

pub(super) fn run(x: Float, gain: Float, bias: Float, eps: f64) -> Float {
    let Operands { tensors, nodes } = Operands::new([Some(x), Some(gain), Some(bias)]);
    let [x, gain, bias] = tensors.map(|tensor| tensor.expect("given above"));
    let saved = nodes.is_some().then(|| (x.clone(), gain.clone(), eps));
    let (normal, _) = normalised(&x, eps);
    let rank = x.rank();
    let y = Cube::float_add(Cube::float_mul(normal, row(gain, rank)), row(bias, rank));
    finish(nodes, LayerNormBackward, y, |_| saved)
}

/// x less its mean over its deviation, and one over the deviation.
fn normalised(x: &Tensor<Cube>, eps: f64) -> (Tensor<Cube>, Tensor<Cube>) {
    let last = x.rank() - 1;
    let centred = Cube::float_sub(x.clone(), Cube::float_mean_dim(x.clone(), last));
    let variance = Cube::float_mean_dim(Cube::float_mul(centred.clone(), centred.clone()), last);
    let scale = Cube::float_recip(Cube::float_sqrt(Cube::float_add_scalar(variance, eps.into())));
    (Cube::float_mul(centred, scale.clone()), scale)
}

/// A vector along the last of `rank` axes.
fn row(vector: Tensor<Cube>, rank: usize) -> Tensor<Cube> {
    let mut shape = vec![1; rank];
    shape[rank - 1] = extents(&vector)[0];
    Cube::float_reshape(vector, Shape::from(shape))
}

/// The sum over all rows.
fn over_rows(x: Tensor<Cube>) -> Tensor<Cube> {
    let d = extents(&x).last().copied().unwrap_or(1);
    let rows = x.shape().num_elements() / d.max(1);
    let sum = Cube::float_sum_dim(Cube::float_reshape(x, Shape::from(vec![rows, d])), 0);
    Cube::float_reshape(sum, Shape::from(vec![d]))
}

#[derive(Debug)]
struct LayerNormBackward;

impl Backward<Cube, 3> for LayerNormBackward {
    // The input, the gain and eps: what lies between is found again.
    type State = Option<(Tensor<Cube>, Tensor<Cube>, f64)>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, gain, eps) = ops.state.expect("saved when it was recorded");
        let dy = grads.consume::<Cube>(&ops.node);
        let [to_x, to_gain, to_bias] = ops.parents;
        let (normal, scale) = normalised(&x, eps);
        let last = x.rank() - 1;
        if let Some(parent) = to_bias {
            grads.register::<Cube>(parent.id, over_rows(dy.clone()));
        }
        if let Some(parent) = to_gain {
            grads.register::<Cube>(parent.id, over_rows(Cube::float_mul(dy.clone(), normal.clone())));
        }
        if let Some(parent) = to_x {
            let g = Cube::float_mul(dy, row(gain, x.rank()));
            let shift = Cube::float_mean_dim(g.clone(), last);
            let slope = Cube::float_mean_dim(Cube::float_mul(g.clone(), normal.clone()), last);
            let rest = Cube::float_sub(Cube::float_sub(g, shift), Cube::float_mul(normal, slope));
            grads.register::<Cube>(parent.id, Cube::float_mul(rest, scale));
        }
    }
}
