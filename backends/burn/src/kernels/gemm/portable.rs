//! Products of f32 matrices in code that every processor runs: SSE2 and NEON where the compiler finds them.

use std::ops::Range;

use super::blocks::{Kernel, Left, Panel, Tile};
use super::{Matrix, pack};

const ROWS: usize = 4;
const COLUMNS: usize = 8;

/// The kernel.
pub(super) struct Portable;

impl Kernel for Portable {
    type In = f32;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const PAIR: usize = 1;
    const RUN: usize = 256;
    const ALONE: usize = 1 << 16;

    fn pack_panel(b: Matrix<'_, f32>, first: usize, into: &mut [f32]) {
        pack::panel::<f32, COLUMNS, 1>(b, first, into);
    }

    fn pack_strip(a: Matrix<'_, f32>, first: usize, run: Range<usize>, into: &mut [f32]) {
        pack::strip::<f32, ROWS, 1>(a, first, run, into);
    }

    fn reads_in_place(_: &Matrix<'_, f32>) -> bool {
        false
    }

    unsafe fn multiply(tile: &Tile, left: Left<f32>, panel: Panel<f32>) {
        let mut sums = [[0f32; COLUMNS]; ROWS];
        // SAFETY: left and panel have the tile's steps, and a strip is packed.
        let (left, panel) = unsafe {
            (
                std::slice::from_raw_parts(left.data, tile.steps * ROWS),
                std::slice::from_raw_parts(panel.data, tile.steps * COLUMNS),
            )
        };
        for (left, right) in left.chunks_exact(ROWS).zip(panel.chunks_exact(COLUMNS)) {
            for (sums, &factor) in sums.iter_mut().zip(left) {
                for (sum, &x) in sums.iter_mut().zip(right) {
                    *sum = multiply_add(factor, x, *sum);
                }
            }
        }
        for (i, sums) in sums.iter().take(tile.rows).enumerate() {
            // SAFETY: the row lies in the tile, the bias has its columns.
            let (out, bias) = unsafe {
                let out = std::slice::from_raw_parts_mut(tile.out.add(i * tile.row), tile.columns);
                let bias =
                    (!tile.bias.is_null()).then(|| std::slice::from_raw_parts(tile.bias, tile.columns));
                (out, bias)
            };
            for (j, (out, &sum)) in out.iter_mut().zip(sums).enumerate() {
                let sum = sum * tile.scale;
                let sum = if tile.add { *out + sum } else { sum };
                *out = bias.map_or(sum, |bias| sum + bias[j]);
            }
        }
    }
}

/// Rounded once where the processor does so; elsewhere that would be a call for each element.
#[inline(always)]
fn multiply_add(a: f32, b: f32, sum: f32) -> f32 {
    if cfg!(target_arch = "aarch64") { a.mul_add(b, sum) } else { a * b + sum }
}
