//! Products of f32 matrices on processors with AVX2 and FMA.

use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_mul_ps,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};
use std::ops::Range;

use super::blocks::{Kernel, Left, Panel, Tile};
use super::{Matrix, pack};

/// Rows of a tile: with two registers of columns, 12 sums fill the registers but for 4.
const ROWS: usize = 6;
const COLUMNS: usize = 16;

/// The kernel.
pub(super) struct Avx2;

impl Kernel for Avx2 {
    type In = f32;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const PAIR: usize = 1;
    // A panel's run (16 KiB) stays in the first-level cache.
    const RUN: usize = 256;
    const ALONE: usize = 1 << 17;

    fn pack_panel(b: Matrix<'_, f32>, first: usize, into: &mut [f32]) {
        pack::panel::<f32, COLUMNS, 1>(b, first, into);
    }

    fn pack_strip(a: Matrix<'_, f32>, first: usize, run: Range<usize>, into: &mut [f32]) {
        pack::strip::<f32, ROWS, 1>(a, first, run, into);
    }

    // Unless rows are so far apart that they fall into the same lines of the cache.
    fn reads_in_place(a: &Matrix<'_, f32>) -> bool {
        a.column == 1 && !(a.row * size_of::<f32>()).is_multiple_of(4096)
    }

    unsafe fn multiply(tile: &Tile, left: Left<f32>, panel: Panel<f32>) {
        // SAFETY: the caller's.
        unsafe {
            if left.packed {
                multiply::<ROWS>(tile, left, panel.data);
            } else {
                multiply::<1>(tile, left, panel.data);
            }
        }
    }
}

/// Sums a tile over a run. The elements of a row of the left operand are `STEP` apart.
///
/// # Safety
/// As [`Kernel::multiply`]'s.
#[target_feature(enable = "avx2,fma")]
unsafe fn multiply<const STEP: usize>(tile: &Tile, left: Left<f32>, panel: *const f32) {
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    // SAFETY: the caller's.
    unsafe {
        let left: [*const f32; ROWS] = std::array::from_fn(|i| left.data.add(i * left.row));
        for p in 0..tile.steps {
            let right = [
                _mm256_loadu_ps(panel.add(p * COLUMNS)),
                _mm256_loadu_ps(panel.add(p * COLUMNS + COLUMNS / 2)),
            ];
            for (sums, left) in sums.iter_mut().zip(left) {
                let factor = _mm256_broadcast_ss(&*left.add(p * STEP));
                sums[0] = _mm256_fmadd_ps(factor, right[0], sums[0]);
                sums[1] = _mm256_fmadd_ps(factor, right[1], sums[1]);
            }
        }
        if tile.rows == ROWS && tile.columns == COLUMNS {
            for (i, sums) in sums.iter().enumerate() {
                store(tile.out.add(i * tile.row), *sums, tile);
            }
        } else {
            let mut whole = [0f32; ROWS * COLUMNS];
            for (i, sums) in sums.iter().enumerate() {
                let plain = Tile { add: false, bias: std::ptr::null(), ..*tile };
                store(whole.as_mut_ptr().add(i * COLUMNS), *sums, &plain);
            }
            for i in 0..tile.rows {
                let out = std::slice::from_raw_parts_mut(tile.out.add(i * tile.row), tile.columns);
                for (j, (out, &value)) in out.iter_mut().zip(&whole[i * COLUMNS..]).enumerate() {
                    let value = if tile.add { *out + value } else { value };
                    *out = if tile.bias.is_null() { value } else { value + *tile.bias.add(j) };
                }
            }
        }
    }
}

/// Writes one row of a tile.
///
/// # Safety
/// `out`, and the bias where there is one, are valid for 16 elements.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn store(out: *mut f32, sums: [__m256; 2], tile: &Tile) {
    let scale = _mm256_set1_ps(tile.scale);
    for (half, sum) in sums.into_iter().enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let out = out.add(half * COLUMNS / 2);
            let value = _mm256_mul_ps(sum, scale);
            let value = if tile.add { _mm256_add_ps(_mm256_loadu_ps(out), value) } else { value };
            let value = if tile.bias.is_null() {
                value
            } else {
                _mm256_add_ps(value, _mm256_loadu_ps(tile.bias.add(half * COLUMNS / 2)))
            };
            _mm256_storeu_ps(out, value);
        }
    }
}
