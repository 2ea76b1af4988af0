//! The walk over pieces of a slice, in parallel.
//!
//! Pieces have fixed sizes and their results are put together in order, so that nothing depends on
//! the number of threads. Every loop goes through a function by reference: with rayon's code in
//! each kernel the crate takes far longer to compile.

use rayon::prelude::*;

/// Runs `f` on each piece of `size` elements; it gets the place of the first.
pub(crate) fn each<T: Send>(elements: &mut [T], size: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    elements.par_chunks_mut(size.max(1)).enumerate().for_each(|(i, part)| f(i * size, part));
}

/// The results of `f` on 0..count, in order.
pub(crate) fn collect<R: Send>(count: usize, f: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    (0..count).into_par_iter().map(f).collect()
}

/// As [`each`], with a result for each piece, in order.
pub(crate) fn each_with<T: Send, R: Send>(
    elements: &mut [T],
    size: usize,
    f: &(dyn Fn(usize, &mut [T]) -> R + Sync),
) -> Vec<R> {
    elements.par_chunks_mut(size.max(1)).enumerate().map(|(i, part)| f(i * size, part)).collect()
}
