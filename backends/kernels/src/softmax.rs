//! Softmax of rows.

use crate::{row, vectorised};

vectorised! {
    /// Replaces rows of `n` logits by their probabilities.
    pub fn forward<T: Real>(x: &mut [T], n: usize) {
        for row in x.chunks_exact_mut(n) {
            row::softmax(row);
        }
    }

    /// Replaces the gradient of softmax's result `y` by that of its input.
    pub fn backward<T: Real>(dy: &mut [T], y: &[T], n: usize) {
        for (dy, y) in dy.chunks_exact_mut(n).zip(y.chunks_exact(n)) {
            let shift = row::dot(dy, y);
            for (dy, &y) in dy.iter_mut().zip(y) {
                *dy = y * (*dy - shift);
            }
        }
    }
}
