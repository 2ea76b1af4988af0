//! Where the heads of queries, keys, values and their gradients lie in memory, so that no head is
//! copied out.

use burn_backend::ops::FloatTensorOps;
use burn_backend::{DType as BurnType, FloatDType};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::attention::{BiasStrides, Sizes};

use crate::kernels::buffer::{Shared, dense, slice};
use crate::kernels::gemm::{Destination, Matrix};
use crate::kernels::real::{Factor, Real};
use crate::value::extents;

/// The place of one of q, k, v in a tensor: where it begins, and the distance between rows and
/// between samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLayout {
    first: usize,
    row: usize,
    sample: usize,
    rows: usize,
    width: usize,
    heads: usize,
}

impl HeadLayout {
    /// A tensor [b, rows, d] of its own.
    pub(super) fn alone(sizes: Sizes, rows: usize) -> Self {
        let d = sizes.dimension();
        Self { first: 0, row: d, sample: rows * d, rows, width: sizes.width, heads: sizes.heads }
    }

    /// Queries (0), keys (1) or values (2) of a packed tensor.
    pub(super) fn packed(sizes: Sizes, which: usize) -> Self {
        let d = sizes.dimension();
        Self {
            first: which * d,
            row: 3 * d,
            sample: sizes.queries * 3 * d,
            ..Self::alone(sizes, sizes.queries)
        }
    }

    fn start(self, task: usize) -> usize {
        self.first + task / self.heads * self.sample + task % self.heads * self.width
    }

    /// A task's head of `data`.
    pub(super) fn head<T: Factor>(self, data: &[T], task: usize) -> Matrix<'_, T> {
        Matrix::new(data, self.start(task), self.rows, self.width, self.row)
    }

    /// One row of a task's head.
    pub(super) fn row<T>(self, data: &[T], task: usize, i: usize) -> &[T] {
        let start = self.start(task) + i * self.row;
        &data[start..start + self.width]
    }

    /// Writes scale a b to a task's head.
    ///
    /// # Safety
    /// `out` has this place's layout, and each head is written by one task.
    pub(super) unsafe fn write<T: Factor>(
        self,
        out: Shared<T>,
        task: usize,
        scale: f64,
        a: Matrix<'_, T>,
        b: Matrix<'_, T>,
    ) {
        // SAFETY: the head lies in `out`, and no other task touches it.
        unsafe { T::product(Destination { out: out.at(self.start(task)), row: self.row, scale }, a, b) }
    }

    /// Fills a task's head with zeros.
    ///
    /// # Safety
    /// As [`HeadLayout::write`]'s.
    pub(super) unsafe fn clear<T: Factor>(self, out: Shared<T>, task: usize) {
        for i in 0..self.rows {
            // SAFETY: the head lies in `out`, and no other task touches it.
            let row = unsafe {
                std::slice::from_raw_parts_mut(out.at(self.start(task) + i * self.row), self.width)
            };
            row.fill(T::default());
        }
    }
}

/// An additive bias that broadcasts to [b, h, n, m], in the type of the logits.
#[derive(Debug, Clone)]
pub(super) struct Bias {
    tensor: FlexTensor,
    strides: BiasStrides,
    /// Whether it was given in bfloat16.
    narrow: bool,
}

impl Bias {
    /// # Panics
    /// It has not four axes.
    pub(super) fn new(tensor: FlexTensor) -> Self {
        let narrow = tensor.dtype() == BurnType::BF16;
        let tensor = if narrow { Flex::float_cast(tensor, FloatDType::F32) } else { tensor };
        let tensor = dense(tensor);
        let strides = BiasStrides::new(&extents(&tensor));
        Self { tensor, strides, narrow }
    }

    /// Adds a task's part to its logits.
    pub(super) fn add<T: Real>(&self, sizes: Sizes, task: usize, logits: &mut [T]) {
        self.strides.add(slice(&self.tensor), sizes, task, logits);
    }

    /// The gradient of the bias, from that of all logits [b, h, n, m].
    pub(super) fn gradient(&self, logits: FlexTensor) -> FlexTensor {
        let shape = extents(&self.tensor);
        let gradient = (0..4)
            .filter(|&axis| shape[axis] == 1 && extents(&logits)[axis] != 1)
            .fold(logits.clone(), Flex::float_sum_dim);
        if self.narrow { Flex::float_cast(gradient, FloatDType::BF16) } else { gradient }
    }
}
