//! Copies of operands in the order in which kernels read them.
//!
//! A right operand is cut into panels of a kernel's columns, a left one into strips of its rows. In both, the steps of k
//! that a lane of 32 bits holds lie together: one of f32, two of bfloat16 (VNNI's layout). What lies beyond the last row,
//! column or step is 0.

use std::ops::Range;

use super::Matrix;

/// Packs one panel: for each group of `PAIR` steps `WIDTH` columns, each with its steps. `into` holds whole groups, as many
/// as the operand's rows take or more.
#[inline(always)]
pub(super) fn panel<T: Copy + Default, const WIDTH: usize, const PAIR: usize>(
    b: Matrix<'_, T>,
    first: usize,
    into: &mut [T],
) {
    let count = WIDTH.min(b.columns - first);
    groups::<T, WIDTH, PAIR>(b.transposed(), first, count, 0..b.rows, into);
}

/// Packs `WIDTH` rows of a run of the left operand, of which `count` are there.
#[inline(always)]
pub(super) fn strip<T: Copy + Default, const WIDTH: usize, const PAIR: usize>(
    a: Matrix<'_, T>,
    first: usize,
    run: Range<usize>,
    into: &mut [T],
) {
    let count = WIDTH.min(a.rows - first);
    groups::<T, WIDTH, PAIR>(a, first, count, run, into);
}

/// `WIDTH` rows of `a`, step after step.
#[inline(always)]
fn groups<T: Copy + Default, const WIDTH: usize, const PAIR: usize>(
    a: Matrix<'_, T>,
    first: usize,
    count: usize,
    run: Range<usize>,
    into: &mut [T],
) {
    for (group, into) in into.chunks_exact_mut(WIDTH * PAIR).enumerate() {
        let from = run.start + group * PAIR;
        let start = a.start + first * a.row + from * a.column;
        if a.row == 1 && count == WIDTH && from + PAIR <= run.end {
            let steps: [&[T]; PAIR] = std::array::from_fn(|step| &a.data[start + step * a.column..][..WIDTH]);
            for i in 0..WIDTH {
                for step in 0..PAIR {
                    into[i * PAIR + step] = steps[step][i];
                }
            }
            continue;
        }
        for (i, into) in into.chunks_exact_mut(PAIR).enumerate() {
            for (step, into) in into.iter_mut().enumerate() {
                let there = i < count && from + step < run.end;
                *into = if there { a.data[start + i * a.row + step * a.column] } else { T::default() };
            }
        }
    }
}
