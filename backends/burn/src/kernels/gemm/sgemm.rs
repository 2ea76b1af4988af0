//! Products of f32.

use palimpsest_kernels::Level;

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use super::avx512::F32;
use super::blocks::{self, OutputBlock};
use super::portable::Portable;
use super::{Destination, Matrix, fill};

/// Runs `$function` with the kernel of a level.
macro_rules! with_kernel {
    ($level:expr, $function:path, $($argument:expr),*) => {{
        use $function as run;
        match $level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => run::<Avx2, f32>($($argument),*),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => run::<F32, f32>($($argument),*),
            _ => run::<Portable, f32>($($argument),*),
        }
    }};
}

/// to = scale a b, on the calling thread.
///
/// # Safety
/// The destination must be valid for `a.rows` rows of `b.columns` elements that no one else uses.
pub(in crate::kernels) unsafe fn product(to: Destination<f32>, a: Matrix<'_, f32>, b: Matrix<'_, f32>) {
    debug_assert_eq!(a.columns, b.rows);
    // SAFETY: the level says which instructions are there; the caller answers for the destination.
    unsafe {
        if a.columns == 0 {
            return fill(to, a.rows, b.columns, 0.0);
        }
        let target = OutputBlock { out: to.out, row: to.row, scale: to.scale as f32, bias: std::ptr::null() };
        with_kernel!(Level::current(), blocks::product, target, a, b);
    }
}

/// out = a b + bias, in parallel. The sizes have been checked.
pub(in crate::kernels) fn parallel_product(
    out: &mut [f32],
    a: Matrix<'_, f32>,
    b: Matrix<'_, f32>,
    bias: Option<&[f32]>,
) {
    at(Level::current(), out, a, b, bias);
}

/// [`parallel_product`] at a level that the machine has.
pub(super) fn at(
    level: Level,
    out: &mut [f32],
    a: Matrix<'_, f32>,
    b: Matrix<'_, f32>,
    bias: Option<&[f32]>,
) {
    if out.is_empty() {
        return;
    }
    if a.columns == 0 {
        match bias {
            Some(bias) => out.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias)),
            None => out.fill(0.0),
        }
        return;
    }
    // SAFETY: the level says which instructions are there; the sizes fit.
    unsafe { with_kernel!(level, blocks::parallel_product, out, a, b, bias) };
}
