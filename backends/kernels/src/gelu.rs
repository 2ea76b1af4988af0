//! x Phi(x), with the exact normal distribution function.

use crate::vectorised;

vectorised! {
    /// Replaces elements by their images.
    pub fn forward<T: Real>(x: &mut [T]) {
        for x in x {
            *x *= x.normal().0;
        }
    }

    /// Replaces the gradient of the result by that of the elements `x`.
    pub fn backward<T: Real>(dy: &mut [T], x: &[T]) {
        for (dy, &x) in dy.iter_mut().zip(x) {
            let (cdf, density) = x.normal();
            *dy *= cdf + x * density;
        }
    }
}
