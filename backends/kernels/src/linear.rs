//! What a linear layer does beside its product.

use crate::vectorised;

vectorised! {
    /// Adds the bias to rows of its length.
    pub fn add_bias<T: Real>(rows: &mut [T], bias: &[T]) {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (y, &b) in row.iter_mut().zip(bias) {
                *y += b;
            }
        }
    }
}
