//! Products of f32 matrices on processors with AVX2 and FMA.
//!
//! The right operand is packed once, into panels of 16 columns that all blocks of rows share; the
//! left one is read where it lies if its rows are contiguous. An element is summed in the order of
//! k, in runs of 256, whatever the blocks: how the work is cut up changes no bit.

use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_mul_ps,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};
use std::cell::RefCell;

use super::Matrix;
use crate::kernels::buffer::{Shared, each, parallel, unwritten};

/// Rows of a tile: with two registers of columns, 12 sums fill the registers but for 4.
const ROWS: usize = 6;
/// Columns of a tile and a panel.
const COLUMNS: usize = 16;
/// Run of k: a panel's run (16 KiB) stays in the first-level cache.
const RUN: usize = 256;
/// Rows of a block: its part of a run (96 KiB) stays in the second-level cache.
const BLOCK: usize = 96;
/// Multiplications below which a product is not worth other threads.
const ALONE: usize = 1 << 17;

thread_local! {
    // Panels and strips of this thread's last product: most products are alike.
    static PANELS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static STRIPS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Whether this processor has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Where a product goes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) out: *mut f32,
    /// Elements between rows.
    pub(super) row: usize,
    pub(super) scale: f32,
}

/// target = scale a b (+ target), on this thread.
///
/// # Safety
/// The instructions are `available`; `target` points to `a.rows` rows of `b.columns` elements that
/// no one else uses.
pub(super) unsafe fn product(target: Target, a: Matrix<'_, f32>, b: Matrix<'_, f32>) {
    PANELS.with_borrow_mut(|panels| {
        let count = b.columns.div_ceil(COLUMNS);
        panels.resize(panels.len().max(count * COLUMNS * b.rows), 0.0);
        for panel in 0..count {
            pack_panel(b, panel, &mut panels[panel * COLUMNS * b.rows..][..COLUMNS * b.rows]);
        }
        // SAFETY: the caller's.
        unsafe { block(target, a, panels, b.columns) };
    });
}

/// out = a b in parallel; `finish` gets each block of rows.
///
/// # Safety
/// The instructions are `available`.
pub(super) unsafe fn parallel_product(
    out: &mut [f32],
    a: Matrix<'_, f32>,
    b: Matrix<'_, f32>,
    finish: &(impl Fn(&mut [f32]) + Sync),
) {
    let columns = b.columns;
    let target = |out: *mut f32| Target { out, row: columns, scale: 1.0 };
    if a.rows * columns * a.columns <= ALONE {
        // SAFETY: the caller's; `out` has the product's size.
        unsafe { product(target(out.as_mut_ptr()), a, b) };
        finish(out);
        return;
    }
    let panel = COLUMNS * b.rows;
    // SAFETY: each panel is packed before it is read.
    let mut panels = unsafe { unwritten::<f32>(columns.div_ceil(COLUMNS) * panel) };
    each(&mut panels, panel, |i, into| pack_panel(b, i, into));
    // Few rows are shared out in smaller blocks.
    let rows = if a.rows >= 8 * BLOCK { BLOCK } else { BLOCK / 2 };
    let shared = Shared::new(out);
    parallel(a.rows.div_ceil(rows), &|i| {
        let first = i * rows;
        let count = rows.min(a.rows - first);
        // SAFETY: blocks of rows are disjoint and lie in `out`.
        unsafe {
            let at = shared.at(first * columns);
            block(target(at), a.part(first, count), &panels, columns);
            finish(std::slice::from_raw_parts_mut(at, count * columns));
        }
    });
}

/// Copies 16 columns of `b`, row after row; columns beyond the last are 0.
fn pack_panel(b: Matrix<'_, f32>, panel: usize, into: &mut [f32]) {
    let first = panel * COLUMNS;
    let count = COLUMNS.min(b.columns - first);
    for (p, into) in into.chunks_exact_mut(COLUMNS).enumerate() {
        let start = b.start + p * b.row + first * b.column;
        if b.column == 1 {
            into[..count].copy_from_slice(&b.data[start..start + count]);
        } else {
            for (j, into) in into[..count].iter_mut().enumerate() {
                *into = b.data[start + j * b.column];
            }
        }
        into[count..].fill(0.0);
    }
}

/// Copies rows `first..` of a run of `a` into a strip, 6 to a column; rows beyond the last are 0.
fn pack_strip(a: Matrix<'_, f32>, first: usize, run: std::ops::Range<usize>, into: &mut [f32]) {
    let count = ROWS.min(a.rows - first);
    for (p, into) in run.zip(into.chunks_exact_mut(ROWS)) {
        let start = a.start + first * a.row + p * a.column;
        if a.row == 1 {
            into[..count].copy_from_slice(&a.data[start..start + count]);
        } else {
            for (i, into) in into[..count].iter_mut().enumerate() {
                *into = a.data[start + i * a.row];
            }
        }
        into[count..].fill(0.0);
    }
}

/// Multiplies a block of rows with all panels.
///
/// # Safety
/// As `product`'s; `panels` holds all panels of the right operand.
unsafe fn block(target: Target, a: Matrix<'_, f32>, panels: &[f32], columns: usize) {
    // Rows that are contiguous are read in place, unless so far apart that they fall into the same
    // lines of the cache.
    let in_place = a.column == 1 && !(a.row * size_of::<f32>()).is_multiple_of(4096);
    let depth = a.columns;
    let strips = a.rows.div_ceil(ROWS);
    STRIPS.with_borrow_mut(|packed| {
        for from in (0..depth).step_by(RUN) {
            let run = RUN.min(depth - from);
            if !in_place {
                packed.resize(packed.len().max(strips * ROWS * run), 0.0);
                for (i, into) in packed.chunks_exact_mut(ROWS * run).take(strips).enumerate() {
                    pack_strip(a, i * ROWS, from..from + run, into);
                }
            }
            for first_column in (0..columns).step_by(COLUMNS) {
                let panel = panels[first_column * depth + from * COLUMNS..].as_ptr();
                for strip in 0..strips {
                    let first = strip * ROWS;
                    let rows = ROWS.min(a.rows - first);
                    let left: [*const f32; ROWS] = std::array::from_fn(|i| {
                        if in_place {
                            // Rows beyond the last are the last once more; they are not stored.
                            a.data[a.start + (first + i.min(rows - 1)) * a.row + from..].as_ptr()
                        } else {
                            packed[strip * ROWS * run + i..].as_ptr()
                        }
                    });
                    let tile = Tile {
                        run,
                        rows,
                        columns: COLUMNS.min(columns - first_column),
                        // SAFETY: the tile lies in the target.
                        out: unsafe { target.out.add(first * target.row + first_column) },
                        row: target.row,
                        add: from > 0,
                        scale: target.scale,
                    };
                    // SAFETY: the instructions are there; left, panel and tile have `run` steps.
                    unsafe {
                        if in_place {
                            multiply::<1>(tile, left, panel);
                        } else {
                            multiply::<ROWS>(tile, left, panel);
                        }
                    }
                }
            }
        }
    });
}

/// A piece of the result that is summed in registers.
#[derive(Clone, Copy)]
struct Tile {
    run: usize,
    rows: usize,
    columns: usize,
    out: *mut f32,
    row: usize,
    /// Whether the sums are added to those of the runs before.
    add: bool,
    scale: f32,
}

/// Sums a tile over a run. The elements of a row of the left operand are `STEP` apart.
///
/// # Safety
/// `left` and `panel` have `run` steps, `out` is valid for `rows` by `columns`.
#[target_feature(enable = "avx2,fma")]
unsafe fn multiply<const STEP: usize>(tile: Tile, left: [*const f32; ROWS], panel: *const f32) {
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    // SAFETY: the caller's.
    unsafe {
        for p in 0..tile.run {
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
                let plain = Tile { add: false, ..tile };
                store(whole.as_mut_ptr().add(i * COLUMNS), *sums, plain);
            }
            for i in 0..tile.rows {
                let out = std::slice::from_raw_parts_mut(tile.out.add(i * tile.row), tile.columns);
                for (out, &value) in out.iter_mut().zip(&whole[i * COLUMNS..]) {
                    *out = if tile.add { *out + value } else { value };
                }
            }
        }
    }
}

/// Writes one row of a tile.
///
/// # Safety
/// `out` is valid for 16 elements.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn store(out: *mut f32, sums: [__m256; 2], tile: Tile) {
    let scale = _mm256_set1_ps(tile.scale);
    for (half, sum) in sums.into_iter().enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let out = out.add(half * COLUMNS / 2);
            let value = _mm256_mul_ps(sum, scale);
            let value = if tile.add { _mm256_add_ps(_mm256_loadu_ps(out), value) } else { value };
            _mm256_storeu_ps(out, value);
        }
    }
}
