//! Matrix products on strided memory: f32 and bfloat16 by kernels of this crate for each level of instructions, f64 by
//! the `gemm` crate, which looks for instructions itself.
//!
//! | file | subject |
//! |---|---|
//! | `sgemm.rs`, `dgemm.rs`, `sbgemm.rs` | products of a type: which kernel takes them (BLAS's names for f32, f64 and bfloat16) |
//! | `blocks.rs`, `pack.rs` | how a product is cut into blocks, panels, strips and tiles |
//! | `portable.rs`, `avx2.rs`, `avx512.rs`, `amx.rs` | kernels: a tile's sums in registers |

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocks;
pub(super) mod dgemm;
mod pack;
mod portable;
pub(super) mod sbgemm;
pub(super) mod sgemm;
#[cfg(test)]
mod tests;

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

impl<'a, T> Matrix<'a, T> {
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

    fn part(self, first: usize, rows: usize) -> Self {
        Self { start: self.start + first * self.row, rows, ..self }
    }
}

/// Where a product goes: rows of `out`, `row` elements apart; and the factor on it.
#[derive(Clone, Copy)]
pub(crate) struct Destination<O> {
    pub(crate) out: *mut O,
    pub(crate) row: usize,
    pub(crate) scale: f64,
}

/// That a product fits.
///
/// # Panics
/// It doesn't.
pub(super) fn check<T, W>(out: &[T], a: &Matrix<'_, T>, b: &Matrix<'_, T>, bias: Option<&[W]>) {
    assert_eq!(a.columns, b.rows, "the factors don't fit each other");
    assert_eq!(out.len(), a.rows * b.columns, "the result has another size");
    assert!(bias.is_none_or(|bias| bias.len() == b.columns), "the bias has another size");
}

/// Fills a product over nothing: zeros, or the bias.
///
/// # Safety
/// The destination is valid for `rows` rows of `columns` elements.
unsafe fn fill<O: Copy>(to: Destination<O>, rows: usize, columns: usize, zero: O) {
    for i in 0..rows {
        // SAFETY: the caller's.
        unsafe { std::slice::from_raw_parts_mut(to.out.add(i * to.row), columns).fill(zero) };
    }
}
