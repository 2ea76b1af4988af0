//! Matrix products on strided memory.

#[cfg(target_arch = "x86_64")]
mod avx2;

use super::buffer::{Shared, parallel};
use super::real::Real;

/// A matrix in memory: element (i, j) lies at `start + i * row + j * column`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    data: &'a [T],
    start: usize,
    rows: usize,
    columns: usize,
    row: usize,
    column: usize,
}

impl<'a, T: Real> Matrix<'a, T> {
    /// A matrix whose rows are `row` elements apart.
    ///
    /// # Panics
    /// It reaches beyond `data`.
    pub(crate) fn new(data: &'a [T], start: usize, rows: usize, columns: usize, row: usize) -> Self {
        assert!(
            rows == 0 || columns == 0 || start + (rows - 1) * row + columns <= data.len(),
            "a matrix reaches beyond its memory"
        );
        Self { data, start, rows, columns, row, column: 1 }
    }

    /// A matrix that fills `data`.
    pub(crate) fn dense(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self::new(data, 0, rows, columns, columns)
    }

    /// The transpose.
    pub(crate) fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row: self.column, column: self.row, ..self }
    }

    /// The same matrix, if its elements are of type `U`.
    #[cfg(target_arch = "x86_64")]
    fn of<U: Real>(self) -> Option<Matrix<'a, U>> {
        let Self { data, start, rows, columns, row, column } = self;
        (T::dtype() == U::dtype()).then(|| {
            let data = bytemuck::cast_slice(data);
            Matrix { data, start, rows, columns, row, column }
        })
    }

    fn part(self, first: usize, rows: usize) -> Self {
        Self { start: self.start + first * self.row, rows, ..self }
    }
}

/// out = scale a b, on the calling thread.
///
/// # Safety
/// `out` must point to `a.rows` rows of `b.columns` elements, `row` apart, that no one else uses.
pub(crate) unsafe fn product<T: Real>(out: *mut T, row: usize, scale: T, a: Matrix<'_, T>, b: Matrix<'_, T>) {
    debug_assert_eq!(a.columns, b.rows);
    if a.columns == 0 {
        for i in 0..a.rows {
            // SAFETY: the caller answers for the rows of `out`.
            unsafe { std::slice::from_raw_parts_mut(out.add(i * row), b.columns).fill(T::ZERO) };
        }
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if let (Some(a), Some(b)) = (a.of::<f32>(), b.of::<f32>())
        && avx2::available()
    {
        let target = avx2::Target { out: out.cast(), row, scale: scale.wide() as f32 };
        // SAFETY: the processor has the instructions; the caller answers for `out`.
        unsafe { avx2::product(target, a, b) };
        return;
    }
    // SAFETY: the constructors checked that the operands lie in their slices; the caller answers
    // for `out`.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out,
            1,
            row as isize,
            false,
            a.data.as_ptr().add(a.start),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr().add(b.start),
            b.column as isize,
            b.row as isize,
            T::ZERO,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// out = a b, the rows cut into blocks that run in parallel. `finish` then gets each block's
/// elements while they are still in the cache.
pub(crate) fn parallel_product<T: Real>(
    out: &mut [T],
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    finish: impl Fn(&mut [T]) + Sync,
) {
    let (rows, columns) = (a.rows, b.columns);
    assert_eq!(out.len(), rows * columns);
    if out.is_empty() {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if let (Some(a), Some(b)) = (a.of::<f32>(), b.of::<f32>())
        && a.columns > 0
        && avx2::available()
    {
        let finish = |block: &mut [f32]| finish(bytemuck::cast_slice_mut(block));
        // SAFETY: the processor has the instructions.
        unsafe { avx2::parallel_product(bytemuck::cast_slice_mut(out), a, b, &finish) };
        return;
    }
    let block = block_rows(rows, columns * a.columns);
    let shared = Shared::new(out);
    let run = |i: usize| {
        let first = i * block;
        let count = block.min(rows - first);
        // SAFETY: blocks are disjoint and lie in `out`.
        unsafe {
            let at = shared.at(first * columns);
            product(at, columns, T::ONE, a.part(first, count), b);
            finish(std::slice::from_raw_parts_mut(at, count * columns));
        }
    };
    parallel(rows.div_ceil(block), &run);
}

/// Rows per block: a power of two of blocks, so that they share out evenly; the fewer the better,
/// as each packs the right operand again.
fn block_rows(rows: usize, work_per_row: usize) -> usize {
    let wanted = (rows * work_per_row / (1 << 25)).clamp(1, 32).next_power_of_two();
    let wanted = if rows * work_per_row < 1 << 18 { 1 } else { wanted.max(2) };
    rows.div_ceil(wanted).max(1)
}
