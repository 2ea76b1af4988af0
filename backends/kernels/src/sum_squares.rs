//! The sum of squares, added up in f64.

use crate::{row, vectorised};

vectorised! {
    /// The sum of a piece's squares.
    pub fn sum<T: Real>(x: &[T]) -> f64 {
        // Short runs in the element type keep the lanes full; their rounding is far below 1e-6.
        // A loop: in an iterator's fold they would be compiled apart, without the vector instructions, and each product
        // would be a call.
        let mut sum = 0.0;
        for run in x.chunks(256) {
            sum += row::dot(run, run).wide();
        }
        sum
    }
}
