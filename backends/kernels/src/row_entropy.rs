//! -sum p ln p of rows; 0 ln 0 = 0.

use crate::{Real, row, vectorised};

/// What the logarithm is taken of.
#[inline(always)]
fn floored<T: Real>(p: T) -> T {
    if p < T::FLOOR { T::FLOOR } else { p }
}

vectorised! {
    /// Writes the entropies of rows of `n` probabilities.
    pub fn forward<T: Real>(out: &mut [T], p: &[T], n: usize) {
        if n == 0 {
            return;
        }
        for (out, p) in out.iter_mut().zip(p.chunks_exact(n)) {
            *out = -row::sum(p, |p| p * floored(p).logarithm());
        }
    }

    /// Replaces probabilities by their gradients, from the gradients of the rows' entropies.
    pub fn backward<T: Real>(p: &mut [T], dy: &[T], n: usize) {
        for (p, &dy) in p.chunks_exact_mut(n).zip(dy) {
            for p in p {
                // At the floor only the factor p varies.
                let slope = if *p < T::FLOOR { T::ZERO } else { T::ONE };
                *p = -dy * (floored(*p).logarithm() + slope);
            }
        }
    }
}
