//! The sum of squares, added up in f64.

use crate::{row, vectorised};

vectorised! {
    /// The sum of a piece's squares.
    pub fn sum<T: Real>(x: &[T]) -> f64 {
        // Short runs in the element type keep the lanes full; their rounding is far below 1e-6.
        x.chunks(256).map(|run| row::dot(run, run).wide()).sum()
    }
}
