//! x sigmoid(x): its gradient. The backends round its values in two ways.

use crate::vectorised;

vectorised! {
    /// Replaces the gradient of the result by that of the elements `x`.
    pub fn backward<T: Real>(dy: &mut [T], x: &[T]) {
        for (dy, &x) in dy.iter_mut().zip(x) {
            // For large -x the exponential is infinite and the sigmoid 0, as it should be.
            let sigmoid = T::ONE / (T::ONE + (-x).exponential());
            *dy *= sigmoid * (T::ONE + x * (T::ONE - sigmoid));
        }
    }
}
