//! Attention between its products: sizes, the bias on the logits, probabilities and their gradients.

use crate::{Real, row, vectorised};

/// The sizes of an attention operation.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Samples.
    pub batch: usize,
    /// Heads of a sample.
    pub heads: usize,
    /// Queries of a head.
    pub queries: usize,
    /// Keys of a head.
    pub keys: usize,
    /// Elements per head.
    pub width: usize,
}

impl Sizes {
    /// Sizes by queries [b, n, d] and keys [b, m, d].
    pub fn separate(q: &[usize], k: &[usize], heads: usize) -> Self {
        Self { batch: q[0], heads, queries: q[1], keys: k[1], width: q[2] / heads }
    }

    /// Sizes by packed queries, keys and values [b, n, 3 d].
    pub fn packed(qkv: &[usize], heads: usize) -> Self {
        Self { batch: qkv[0], heads, queries: qkv[1], keys: qkv[1], width: qkv[2] / (3 * heads) }
    }

    /// Independent tasks: one per sample and head.
    pub fn tasks(self) -> usize {
        self.batch * self.heads
    }

    /// Elements of a score matrix.
    pub fn scores(self) -> usize {
        self.queries * self.keys
    }

    /// Elements of all heads together.
    pub fn dimension(self) -> usize {
        self.heads * self.width
    }

    /// The factor on the logits.
    pub fn scale(self) -> f64 {
        (self.width as f64).sqrt().recip()
    }
}

/// Where the elements of a bias lie that broadcasts to [b, h, n, m].
#[derive(Debug, Clone, Copy)]
pub struct BiasStrides([usize; 4]);

impl BiasStrides {
    /// Those of a bias whose elements are in row-major order.
    ///
    /// # Panics
    /// It has fewer than four axes.
    pub fn new(shape: &[usize]) -> Self {
        let mut strides = [0; 4];
        let mut stride = 1;
        for axis in (0..4).rev() {
            strides[axis] = if shape[axis] == 1 { 0 } else { stride };
            stride *= shape[axis];
        }
        Self(strides)
    }

    /// Adds a task's part of the bias to its logits.
    pub fn add<T: Real>(self, bias: &[T], sizes: Sizes, task: usize, logits: &mut [T]) {
        let [sample, head, row, column] = self.0;
        for (i, logits) in logits.chunks_exact_mut(sizes.keys).enumerate() {
            let start = task / sizes.heads * sample + task % sizes.heads * head + i * row;
            if column == 0 {
                for x in logits {
                    *x += bias[start];
                }
            } else {
                for (x, &bias) in logits.iter_mut().zip(&bias[start..start + sizes.keys]) {
                    *x += bias;
                }
            }
        }
    }
}

vectorised! {
    /// Replaces rows of `n` logits by their probabilities, and writes the logarithms of the rows' sums.
    pub fn probabilities<T: Real>(logits: &mut [T], sums: &mut [T], n: usize) {
        for (row, sum) in logits.chunks_exact_mut(n).zip(sums) {
            *sum = row::softmax(row);
        }
    }

    /// Adds up the products of two rows' elements.
    pub fn dot<T: Real>(a: &[T], b: &[T]) -> T {
        row::dot(a, b)
    }

    /// Turns logits `p` into probabilities again by the logarithms of their rows' sums, and the probabilities'
    /// gradients `ds` into those of the logits.
    ///
    /// A row's shift is the sum of its probabilities' products with their gradients.
    pub fn score_gradients<T: Real>(p: &mut [T], ds: &mut [T], sums: &[T], shifts: &[T], n: usize) {
        for (i, (p, ds)) in p.chunks_exact_mut(n).zip(ds.chunks_exact_mut(n)).enumerate() {
            let (sum, shift) = (sums[i], shifts[i]);
            for (p, ds) in p.iter_mut().zip(ds) {
                *p = (*p - sum).exponential();
                *ds = *p * (*ds - shift);
            }
        }
    }
}
