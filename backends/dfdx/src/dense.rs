//! A tensor of any rank: a flat dfdx tensor beside its shape.
//!
//! Elements always lie in row-major order. Views exist only inside an operation, so a reshape is
//! free and a slice of the elements is the tensor.

use dfdx::shapes::HasShape;
use dfdx::tensor::Tensor;
use dfdx::tensor_ops::ReshapeTo;
use palimpsest_core::Shape;
use palimpsest_kernels::piece;

use crate::engine::Engine;
use crate::kernels::pieces;
use crate::kernels::product::Matrix;
use crate::real::Real;

/// A dfdx tensor of rank 1.
pub(crate) type Flat<E, H> = Tensor<(usize,), E, H>;

/// A tensor without history. A clone shares the elements.
#[derive(Clone)]
pub(crate) struct Dense<E: Real, H: Engine<E>> {
    stored: H::Stored<E>,
    shape: Shape,
}

impl<E: Real, H: Engine<E>> Dense<E, H> {
    /// A tensor of elements on a device.
    pub(crate) fn new(flat: Flat<E, H>, shape: Shape) -> Self {
        debug_assert_eq!(flat.shape().0, shape.count());
        Self { stored: H::store(flat), shape }
    }

    /// A tensor of host elements.
    pub(crate) fn from_vec(device: &H, elements: Vec<E>, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        Self::new(device.tensor_from_vec(elements, (shape.count(),)), shape)
    }

    /// A tensor of one value.
    pub(crate) fn full(device: &H, shape: impl Into<Shape>, value: f64) -> Self {
        let shape = shape.into();
        let count = shape.count();
        if H::HOST || count == 0 {
            return Self::from_vec(device, vec![E::of(value); count], shape);
        }
        let zeros = Self::new(device.zeros_like(&(count,)), shape);
        if value == 0.0 { zeros } else { zeros.shift(value) }
    }

    /// A tensor with this one's device.
    pub(crate) fn beside(&self, elements: Vec<E>, shape: impl Into<Shape>) -> Self {
        Self::from_vec(&self.device(), elements, shape)
    }

    /// The same elements in another shape.
    pub(crate) fn reshape(self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        debug_assert_eq!(self.count(), shape.count());
        Self { stored: self.stored, shape }
    }

    /// The extents.
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The number of elements.
    pub(crate) fn count(&self) -> usize {
        self.shape.count()
    }

    /// The extent of the last axis.
    pub(crate) fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Where the elements are.
    pub(crate) fn device(&self) -> H {
        H::view(&self.stored).device().clone()
    }

    /// The elements in host memory.
    pub(crate) fn to_vec(&self) -> Vec<E> {
        let mut elements = vec![E::ZERO; self.count()];
        if !elements.is_empty() {
            H::view(&self.stored).copy_into(&mut elements);
        }
        elements
    }

    /// The elements, as dfdx has them.
    pub(crate) fn into_flat(self) -> Flat<E, H> {
        H::take(self.stored)
    }

    /// All but the last axis as rows.
    pub(crate) fn matrix(&self) -> Matrix<E, H> {
        let width = self.width();
        let rows = self.shape.iter().rev().skip(1).product::<usize>();
        H::view(&self.stored).reshape_like(&(rows, width))
    }

    /// Rewrites the elements in host memory, whole rows of `width` at a time and in parallel; `f`
    /// gets the place of a piece's first element.
    pub(crate) fn rewrite(self, width: usize, f: &(dyn Fn(usize, &mut [E]) + Sync)) -> Self {
        let mut elements = self.to_vec();
        pieces::each(&mut elements, piece::size(width), f);
        let device = self.device();
        Self::from_vec(&device, elements, self.shape)
    }

    /// Applies a function of flat dfdx tensors; nothing is asked of dfdx where there are no
    /// elements.
    pub(crate) fn map(self, f: impl FnOnce(Flat<E, H>) -> Flat<E, H>) -> Self {
        if self.count() == 0 {
            return self;
        }
        Self::new(f(H::take(self.stored)), self.shape)
    }

    /// self + other of one shape, in this one's memory where no one else holds it.
    pub(crate) fn accumulated(self, other: Self) -> Self {
        self.map(|mut sum| {
            sum.axpy(1.0, &other.into_flat(), 1.0);
            sum
        })
    }
}
