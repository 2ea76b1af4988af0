//! Pieces of work: their size, which does not depend on the number of threads, and the sum of what they leave, in
//! their order; so results are the same for any number.

use crate::Real;

/// Elements per piece: enough to outweigh handing it to a thread, few enough to stay in the second-level cache.
const PIECE: usize = 1 << 14;

/// The whole rows of `width` elements that make up a piece, in elements.
pub fn size(width: usize) -> usize {
    (PIECE / width.max(1)).max(1) * width.max(1)
}

/// The sum of rows of `width` elements, added in their order.
pub fn add_up<'a, T: Real>(parts: impl IntoIterator<Item = &'a [T]>, width: usize) -> Vec<T> {
    let mut total = vec![T::ZERO; width];
    for part in parts {
        for (sum, &x) in total.iter_mut().zip(part) {
            *sum += x;
        }
    }
    total
}
