//! Where the heads of queries, keys, values and their gradients lie in a tensor.

use palimpsest_core::Shape;
use palimpsest_kernels::attention::{BiasStrides, Sizes};

use crate::dense::Dense;
use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::kernels::product::{Matrix, matrix};
use crate::real::Real;

/// The place of one of q, k, v in a tensor: where it begins, and the distance between rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLayout {
    first: usize,
    row: usize,
    rows: usize,
    width: usize,
    heads: usize,
}

impl HeadLayout {
    /// A tensor [b, rows, d] of its own.
    pub(super) fn alone(sizes: Sizes, rows: usize) -> Self {
        Self { first: 0, row: sizes.heads * sizes.width, rows, width: sizes.width, heads: sizes.heads }
    }

    /// Queries (0), keys (1) or values (2) of a packed tensor.
    pub(super) fn packed(sizes: Sizes, which: usize) -> Self {
        let d = sizes.heads * sizes.width;
        Self { first: which * d, row: 3 * d, ..Self::alone(sizes, sizes.queries) }
    }

    /// The rows of a task's head.
    pub(super) fn rows<T>(self, data: &[T], task: usize) -> impl Iterator<Item = &[T]> {
        let sample = task / self.heads * self.rows * self.row;
        let start = sample + self.first + task % self.heads * self.width;
        (0..self.rows).map(move |i| &data[start + i * self.row..][..self.width])
    }

    /// A copy of a task's head, times `scale`.
    pub(super) fn head<E: Real, H: HostEngine<E>>(
        self,
        device: &H,
        data: &[E],
        task: usize,
        scale: f64,
    ) -> Matrix<E, H> {
        let mut head = Vec::with_capacity(self.rows * self.width);
        for row in self.rows(data, task) {
            head.extend_from_slice(row);
        }
        if scale != 1.0 {
            for x in &mut head {
                *x *= E::of(scale);
            }
        }
        matrix(device, head, self.rows, self.width)
    }

    /// Puts the heads of all tasks to their places; `head` picks one from a task's results.
    pub(super) fn assemble<E: Real, R: Sync>(self, out: &mut [E], tasks: &[R], head: fn(&R) -> &[E]) {
        let size = self.rows * self.row;
        pieces::each(out, size, &|at, sample| {
            for h in 0..self.heads {
                let start = self.first + h * self.width;
                let head = head(&tasks[at / size.max(1) * self.heads + h]);
                for (row, x) in sample.chunks_exact_mut(self.row).zip(head.chunks_exact(self.width)) {
                    row[start..start + self.width].copy_from_slice(x);
                }
            }
        });
    }
}

/// An additive bias that broadcasts to [b, h, n, m].
#[derive(Clone)]
pub(super) struct Bias<E> {
    data: Vec<E>,
    shape: Shape,
    strides: BiasStrides,
}

impl<E: Real> Bias<E> {
    /// # Panics
    /// It has not four axes.
    pub(super) fn new<H: HostEngine<E>>(bias: &Dense<E, H>) -> Self {
        let shape = bias.shape().clone();
        let strides = BiasStrides::new(&shape);
        Self { data: bias.to_vec(), shape, strides }
    }

    /// Adds a task's part to its logits.
    pub(super) fn add(&self, sizes: Sizes, task: usize, logits: &mut [E]) {
        self.strides.add(&self.data, sizes, task, logits);
    }

    /// The gradient of the bias, from those of the tasks' logits.
    pub(super) fn gradient<H: HostEngine<E>, R>(
        &self,
        device: &H,
        sizes: Sizes,
        tasks: &[R],
        logits: fn(&R) -> &[E],
    ) -> Dense<E, H> {
        let all = tasks.iter().flat_map(|task| logits(task).iter().copied()).collect();
        let full = [sizes.batch, sizes.heads, sizes.queries, sizes.keys];
        Dense::from_vec(device, all, full).sum_to(&self.shape)
    }
}
