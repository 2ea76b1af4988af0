//! Where the heads of queries, keys, values and their gradients lie in memory, so that no head is
//! copied out.

use burn_backend::ops::FloatTensorOps;
use burn_flex::{Flex, FlexTensor};

use crate::kernels::buffer::{Shared, slice};
use crate::kernels::gemm::{Matrix, product};
use crate::kernels::real::Real;
use crate::value::extents;

/// The sizes of an attention operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    /// Elements per head.
    pub(super) width: usize,
}

impl Sizes {
    /// Sizes by queries [b, n, d] and keys [b, m, d].
    pub(super) fn separate(q: &FlexTensor, k: &FlexTensor, heads: usize) -> Self {
        let (q, k) = (extents(q), extents(k));
        Self { batch: q[0], heads, queries: q[1], keys: k[1], width: q[2] / heads }
    }

    /// Sizes by packed queries, keys and values [b, n, 3 d].
    pub(super) fn packed(qkv: &FlexTensor, heads: usize) -> Self {
        let shape = extents(qkv);
        Self { batch: shape[0], heads, queries: shape[1], keys: shape[1], width: shape[2] / (3 * heads) }
    }

    /// Independent tasks: one per sample and head.
    pub(super) fn tasks(self) -> usize {
        self.batch * self.heads
    }

    /// Elements of a score matrix.
    pub(super) fn scores(self) -> usize {
        self.queries * self.keys
    }

    /// Elements of all heads together.
    pub(super) fn dimension(self) -> usize {
        self.heads * self.width
    }

    /// The factor on the logits.
    pub(super) fn scale<T: Real>(self) -> T {
        T::of((self.width as f64).sqrt().recip())
    }
}

/// The place of one of q, k, v in a tensor: where it begins, and the distance between rows and
/// between samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    first: usize,
    row: usize,
    sample: usize,
    rows: usize,
    width: usize,
    heads: usize,
}

impl Place {
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
    pub(super) fn head<T: Real>(self, data: &[T], task: usize) -> Matrix<'_, T> {
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
    pub(super) unsafe fn write<T: Real>(
        self,
        out: Shared<T>,
        task: usize,
        scale: T,
        a: Matrix<'_, T>,
        b: Matrix<'_, T>,
    ) {
        // SAFETY: the head lies in `out`, and no other task touches it.
        unsafe { product(out.at(self.start(task)), self.row, false, scale, a, b) }
    }

    /// Fills all heads with zeros.
    pub(super) fn clear<T: Real>(self, out: &mut [T]) {
        for sample in out.chunks_exact_mut(self.sample.max(1)) {
            for row in sample.chunks_exact_mut(self.row.max(1)) {
                row[self.first..self.first + self.heads * self.width].fill(T::ZERO);
            }
        }
    }
}

/// An additive bias that broadcasts to [b, h, n, m].
#[derive(Debug, Clone)]
pub(super) struct Bias {
    tensor: FlexTensor,
    strides: [usize; 4],
}

impl Bias {
    /// # Panics
    /// It has not four axes.
    pub(super) fn new(tensor: FlexTensor) -> Self {
        let tensor = crate::kernels::buffer::dense(tensor);
        let shape = extents(&tensor);
        let mut strides = [0; 4];
        let mut stride = 1;
        for axis in (0..4).rev() {
            strides[axis] = if shape[axis] == 1 { 0 } else { stride };
            stride *= shape[axis];
        }
        Self { tensor, strides }
    }

    /// Adds a task's part to its logits.
    pub(super) fn add<T: Real>(&self, sizes: Sizes, task: usize, logits: &mut [T]) {
        let data: &[T] = slice(&self.tensor);
        let [sample, head, row, column] = self.strides;
        for (i, logits) in logits.chunks_exact_mut(sizes.keys).enumerate() {
            let start = task / sizes.heads * sample + task % sizes.heads * head + i * row;
            if column == 0 {
                for x in logits {
                    *x += data[start];
                }
            } else {
                for (x, &bias) in logits.iter_mut().zip(&data[start..start + sizes.keys]) {
                    *x += bias;
                }
            }
        }
    }

    /// The gradient of the bias, from that of all logits [b, h, n, m].
    pub(super) fn gradient(&self, logits: FlexTensor) -> FlexTensor {
        let shape = extents(&self.tensor);
        (0..4)
            .filter(|&axis| shape[axis] == 1 && extents(&logits)[axis] != 1)
            .fold(logits.clone(), Flex::float_sum_dim)
    }
}
