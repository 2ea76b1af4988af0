//! Products of bfloat16, summed in f32 and rounded once.
//!
//! Where the level has no instructions for them, the operands are widened to f32, and the f32 kernels run: that costs more
//! than to have f32 from the start, but rounds as the others do.

use half::bf16;
use palimpsest_kernels::{Level, bfloat16};

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx::Amx;
#[cfg(target_arch = "x86_64")]
use super::avx512::Bf16;
#[cfg(target_arch = "x86_64")]
use super::blocks::OutputBlock;
use super::blocks::{self, Output};
use super::{Destination, Matrix, fill, sgemm};

/// What a product of bfloat16 is written as.
#[allow(private_bounds, reason = "what a block needs is this module's alone")]
pub(in crate::kernels) trait Written: Output<bf16> + Default {
    /// Writes sums, row by row.
    ///
    /// # Safety
    /// The destination is valid for rows of `columns` elements, as many as the sums have.
    unsafe fn write(to: Destination<Self>, sums: &[f32], columns: usize);
}

impl Written for f32 {
    unsafe fn write(to: Destination<Self>, sums: &[f32], columns: usize) {
        for (i, sums) in sums.chunks_exact(columns).enumerate() {
            // SAFETY: the caller's.
            unsafe { std::slice::from_raw_parts_mut(to.out.add(i * to.row), columns) }.copy_from_slice(sums);
        }
    }
}

impl Written for bf16 {
    unsafe fn write(to: Destination<Self>, sums: &[f32], columns: usize) {
        for (i, sums) in sums.chunks_exact(columns).enumerate() {
            // SAFETY: the caller's.
            let out = unsafe { std::slice::from_raw_parts_mut(to.out.add(i * to.row), columns) };
            bfloat16::round(sums, out);
        }
    }
}

/// to = scale a b, on the calling thread.
///
/// # Safety
/// The destination must be valid for `a.rows` rows of `b.columns` elements that no one else uses.
pub(in crate::kernels) unsafe fn product<O: Written>(
    to: Destination<O>,
    a: Matrix<'_, bf16>,
    b: Matrix<'_, bf16>,
) {
    debug_assert_eq!(a.columns, b.rows);
    if a.columns == 0 {
        // SAFETY: the caller's.
        return unsafe { fill(to, a.rows, b.columns, O::default()) };
    }
    let level = Level::current();
    // SAFETY: the level says which instructions are there; the caller answers for the destination.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if level.multiplies_bf16() {
            let target =
                OutputBlock { out: to.out, row: to.row, scale: to.scale as f32, bias: std::ptr::null() };
            match level {
                #[cfg(target_os = "linux")]
                Level::Amx => blocks::product::<Amx, O>(target, a, b),
                _ => blocks::product::<Bf16, O>(target, a, b),
            }
            return;
        }
        let _ = level;
        let [a, b] = [wide(a), wide(b)];
        let mut sums = vec![0f32; a.rows * b.columns];
        let wide = Destination { out: sums.as_mut_ptr(), row: b.columns, scale: to.scale };
        sgemm::product(wide, a.matrix(), b.matrix());
        O::write(to, &sums, b.columns);
    }
}

/// out = a b + bias, in parallel. The sizes have been checked.
pub(in crate::kernels) fn parallel_product(
    out: &mut [bf16],
    a: Matrix<'_, bf16>,
    b: Matrix<'_, bf16>,
    bias: Option<&[f32]>,
) {
    at(Level::current(), out, a, b, bias);
}

/// [`parallel_product`] at a level that the machine has.
pub(super) fn at(
    level: Level,
    out: &mut [bf16],
    a: Matrix<'_, bf16>,
    b: Matrix<'_, bf16>,
    bias: Option<&[f32]>,
) {
    if out.is_empty() {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if level.multiplies_bf16() && a.columns > 0 {
        // SAFETY: the level says which instructions are there; the sizes fit.
        unsafe {
            match level {
                #[cfg(target_os = "linux")]
                Level::Amx => blocks::parallel_product::<Amx, bf16>(out, a, b, bias),
                _ => blocks::parallel_product::<Bf16, bf16>(out, a, b, bias),
            }
        }
        return;
    }
    let [a, b] = [wide(a), wide(b)];
    let mut sums = vec![0f32; out.len()];
    sgemm::at(level, &mut sums, a.matrix(), b.matrix(), bias);
    bfloat16::round(&sums, out);
}

/// A matrix in f32.
struct Wide {
    data: Vec<f32>,
    rows: usize,
    columns: usize,
    turned: bool,
}

/// The elements in f32, in the order in which they lie.
fn wide(matrix: Matrix<'_, bf16>) -> Wide {
    let turned = matrix.column != 1;
    let upright = if turned { matrix.transposed() } else { matrix };
    let mut data = vec![0.0; upright.rows * upright.columns];
    for (i, row) in data.chunks_exact_mut(upright.columns.max(1)).enumerate() {
        bfloat16::widen(&upright.data[upright.start + i * upright.row..][..upright.columns], row);
    }
    Wide { data, rows: matrix.rows, columns: matrix.columns, turned }
}

impl Wide {
    fn matrix(&self) -> Matrix<'_, f32> {
        match self.turned {
            true => Matrix::dense(&self.data, self.columns, self.rows).transposed(),
            false => Matrix::dense(&self.data, self.rows, self.columns),
        }
    }
}
