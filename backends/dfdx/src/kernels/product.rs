//! dfdx matrices, whose products run on its gemm.

use dfdx::shapes::Axes2;
use dfdx::tensor::Tensor;
use dfdx::tensor_ops::{PermuteTo, TryMatMul};

use crate::engine::Engine;
use crate::real::Real;

/// A dfdx matrix.
pub(crate) type Matrix<E, H> = Tensor<(usize, usize), E, H>;

/// A dfdx matrix of these elements.
pub(crate) fn matrix<E: Real, H: Engine<E>>(
    device: &H,
    elements: Vec<E>,
    rows: usize,
    columns: usize,
) -> Matrix<E, H> {
    device.tensor_from_vec(elements, (rows, columns))
}

/// The transpose, as a view.
pub(crate) fn turned<E: Real, H: Engine<E>>(matrix: Matrix<E, H>) -> Matrix<E, H> {
    matrix.permute::<(usize, usize), Axes2<1, 0>>()
}

/// The elements of a b.
pub(crate) fn product<E: Real, H: Engine<E>>(a: Matrix<E, H>, b: Matrix<E, H>) -> Vec<E> {
    use dfdx::shapes::HasShape;
    let (rows, columns) = (a.shape().0, b.shape().1);
    let mut out = vec![E::ZERO; rows * columns];
    if !out.is_empty() && a.shape().1 != 0 {
        a.matmul(b).copy_into(&mut out);
    }
    out
}
