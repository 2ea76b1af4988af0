//! x weight^T + bias

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::{Real as _, piece, vectorised};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, dense, multiplied, slice, unwritten, width};
use crate::kernels::gemm::Matrix;
use crate::kernels::real::Factor;
use crate::value::{burn_shape, extents};

pub(super) fn run(x: Float, weight: Float, bias: Option<Float>) -> Float {
    let Operands { tensors: [x, weight, bias], nodes } = Operands::new([Some(x), Some(weight), bias]);
    let (x, weight) = (dense(x.expect("given above")), dense(weight.expect("given above")));
    let bias = bias.map(dense);
    let y = multiplied!(x, T => forward::<T>(&x, &weight, bias.as_ref()));
    finish(nodes, LinearBackward, y, |_| (x, weight))
}

#[derive(Debug)]
struct LinearBackward;

impl Backward<Flex, 3> for LinearBackward {
    // The input and the weight.
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, weight) = ops.state;
        let dy = dense(grads.consume::<Flex>(&ops.node));
        let [to_x, to_weight, to_bias] = ops.parents;
        if let Some(parent) = to_weight {
            let dw = multiplied!(x, T => weight_gradient::<T>(&dy, &x, &weight));
            grads.register::<Flex>(parent.id, dw);
        }
        if let Some(parent) = to_bias {
            grads.register::<Flex>(parent.id, multiplied!(x, T => bias_gradient::<T>(&dy)));
        }
        if let Some(parent) = to_x {
            let dx = multiplied!(x, T => input_gradient::<T>(&dy, &x, &weight));
            grads.register::<Flex>(parent.id, dx);
        }
    }
}

/// Rows, inputs and outputs.
fn sizes(x: &FlexTensor, weight: &FlexTensor) -> (usize, usize, usize) {
    let shape = extents(weight);
    let (outputs, inputs) = (shape[0], shape[1]);
    let rows = extents(x).iter().rev().skip(1).product();
    (rows, inputs, outputs)
}

fn forward<T: Factor>(x: &FlexTensor, weight: &FlexTensor, bias: Option<&FlexTensor>) -> FlexTensor {
    let (rows, inputs, outputs) = sizes(x, weight);
    // SAFETY: the product writes every element.
    let mut y = unsafe { unwritten::<T>(rows * outputs) };
    let a = Matrix::dense(slice(x), rows, inputs);
    let b = Matrix::dense(slice(weight), outputs, inputs).transposed();
    let bias = bias.map(|bias| T::widened(slice(bias)));
    T::parallel_product(&mut y, a, b, bias.as_deref());
    let mut shape = extents(x);
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }
    buffer::tensor(y, burn_shape(&shape))
}

fn input_gradient<T: Factor>(dy: &FlexTensor, x: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
    let (rows, inputs, outputs) = sizes(x, weight);
    // SAFETY: the product writes every element.
    let mut dx = unsafe { unwritten::<T>(rows * inputs) };
    let (a, b) = (Matrix::dense(slice(dy), rows, outputs), Matrix::dense(slice(weight), outputs, inputs));
    T::parallel_product(&mut dx, a, b, None);
    buffer::tensor(dx, x.layout().shape().clone())
}

fn weight_gradient<T: Factor>(dy: &FlexTensor, x: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
    let (rows, inputs, outputs) = sizes(x, weight);
    // SAFETY: the product writes every element.
    let mut dw = unsafe { unwritten::<T>(outputs * inputs) };
    let a = Matrix::dense(slice(dy), rows, outputs).transposed();
    T::parallel_product(&mut dw, a, Matrix::dense(slice(x), rows, inputs), None);
    buffer::tensor(dw, weight.layout().shape().clone())
}

fn bias_gradient<T: Factor>(dy: &FlexTensor) -> FlexTensor {
    let outputs = width(dy);
    let values: &[T] = slice(dy);
    let piece = piece::size(outputs);
    let parts = buffer::collect(values.len().div_ceil(piece), |i| {
        let mut sum = vec![T::Wide::ZERO; outputs];
        add_rows(&mut sum, &T::widened(&values[i * piece..values.len().min((i + 1) * piece)]));
        sum
    });
    let sum = piece::add_up(parts.iter().map(Vec::as_slice), outputs);
    buffer::tensor(T::narrowed(&sum).into_owned(), burn_shape(&[outputs]))
}

vectorised! {
    fn add_rows<T: Real>(sum: &mut [T], rows: &[T]) {
        for row in rows.chunks_exact(sum.len()) {
            for (sum, &y) in sum.iter_mut().zip(row) {
                *sum += y;
            }
        }
    }
}
