//! Products of f64, by the `gemm` crate.

use palimpsest_kernels::linear;

use super::{Destination, Matrix, fill};
use crate::kernels::buffer::{Shared, parallel};

/// to = scale a b, on the calling thread.
///
/// # Safety
/// The destination must be valid for `a.rows` rows of `b.columns` elements that no one else uses.
pub(in crate::kernels) unsafe fn product(to: Destination<f64>, a: Matrix<'_, f64>, b: Matrix<'_, f64>) {
    debug_assert_eq!(a.columns, b.rows);
    // SAFETY: the constructors checked that the operands lie in their slices; the caller answers
    // for the destination.
    unsafe {
        if a.columns == 0 {
            return fill(to, a.rows, b.columns, 0.0);
        }
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            to.out,
            1,
            to.row as isize,
            false,
            a.data.as_ptr().add(a.start),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr().add(b.start),
            b.column as isize,
            b.row as isize,
            0.0,
            to.scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// out = a b + bias, the rows cut into blocks that run in parallel. The sizes have been checked.
pub(in crate::kernels) fn parallel_product(
    out: &mut [f64],
    a: Matrix<'_, f64>,
    b: Matrix<'_, f64>,
    bias: Option<&[f64]>,
) {
    let (rows, columns) = (a.rows, b.columns);
    if out.is_empty() {
        return;
    }
    let block = block_rows(rows, columns * a.columns);
    let shared = Shared::new(out);
    parallel(rows.div_ceil(block), &|i| {
        let first = i * block;
        let count = block.min(rows - first);
        // SAFETY: blocks are disjoint and lie in `out`.
        unsafe {
            let at = shared.at(first * columns);
            product(Destination { out: at, row: columns, scale: 1.0 }, a.part(first, count), b);
            if let Some(bias) = bias {
                linear::add_bias(std::slice::from_raw_parts_mut(at, count * columns), bias);
            }
        }
    });
}

/// Rows per block: a power of two of blocks, so that they share out evenly; the fewer the better,
/// as each packs the right operand again.
fn block_rows(rows: usize, work_per_row: usize) -> usize {
    let wanted = (rows * work_per_row / (1 << 25)).clamp(1, 32).next_power_of_two();
    let wanted = if rows * work_per_row < 1 << 18 { 1 } else { wanted.max(2) };
    rows.div_ceil(wanted).max(1)
}
