//! Reductions of a short row, in as many accumulators as fill vector registers.
//!
//! All are inlined into the function that calls them, so that they are compiled for its instructions.

use crate::Real;

const LANES: usize = 16;

/// Folds `f` over the elements at the same places of two rows and adds up.
#[inline(always)]
pub fn sum_with<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (mut left, mut right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (x, y) in (&mut left).zip(&mut right) {
        for i in 0..LANES {
            lanes[i] += f(x[i], y[i]);
        }
    }
    let tail: T = left.remainder().iter().zip(right.remainder()).map(|(&x, &y)| f(x, y)).sum();
    tree(lanes) + tail
}

/// The sum of a row under `f`.
#[inline(always)]
pub fn sum<T: Real>(a: &[T], f: impl Fn(T) -> T) -> T {
    sum_with(a, a, |x, _| f(x))
}

/// The sum of products.
#[inline(always)]
pub fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (mut left, mut right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (x, y) in (&mut left).zip(&mut right) {
        for i in 0..LANES {
            lanes[i] = x[i].fma(y[i], lanes[i]);
        }
    }
    let tail = left.remainder().iter().zip(right.remainder()).fold(T::ZERO, |sum, (&x, &y)| x.fma(y, sum));
    tree(lanes) + tail
}

/// The largest element; NaNs are passed over.
#[inline(always)]
pub fn max<T: Real>(a: &[T]) -> T {
    let larger = |x: T, y: T| if y > x { y } else { x };
    let mut lanes = [T::LOWEST; LANES];
    let mut chunks = a.chunks_exact(LANES);
    for chunk in &mut chunks {
        for i in 0..LANES {
            lanes[i] = larger(lanes[i], chunk[i]);
        }
    }
    let best = chunks.remainder().iter().copied().fold(T::LOWEST, larger);
    lanes.into_iter().fold(best, larger)
}

/// Replaces a row by e^(x - shift); returns the sum.
#[inline(always)]
pub fn exponentials<T: Real>(row: &mut [T], shift: T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let mut chunks = row.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for i in 0..LANES {
            let e = (chunk[i] - shift).exponential();
            chunk[i] = e;
            lanes[i] += e;
        }
    }
    let mut tail = T::ZERO;
    for x in chunks.into_remainder() {
        *x = (*x - shift).exponential();
        tail += *x;
    }
    tree(lanes) + tail
}

/// Softmax of a row in place; returns the logarithm of the sum of exponentials.
#[inline(always)]
pub fn softmax<T: Real>(row: &mut [T]) -> T {
    let shift = max(row);
    let total = exponentials(row, shift);
    let scale = T::ONE / total;
    for x in row {
        *x *= scale;
    }
    shift + total.logarithm()
}

#[inline(always)]
fn tree<T: Real>(mut lanes: [T; LANES]) -> T {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            let upper = lanes[i + width];
            lanes[i] += upper;
        }
    }
    lanes[0]
}
