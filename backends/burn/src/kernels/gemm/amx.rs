//! Products of bfloat16 matrices in AMX's tiles.
//!
//! Rust has no stable functions for the instructions, so a run is one block of assembly, which configures the tiles and
//! gives them back: nothing lives in them between runs.

use std::arch::asm;
use std::mem::MaybeUninit;
use std::ops::Range;

use half::bf16;

use super::blocks::{Kernel, Left, Panel, Tile};
use super::{Matrix, avx512};

/// Rows and columns of the sums: two tiles each way.
const SIDE: usize = 32;
/// Steps of k that one instruction multiplies.
const DEPTH: usize = 32;
/// Bytes of a row of a tile.
const LINE: usize = 64;

/// The kernel.
pub(super) struct Amx;

impl Kernel for Amx {
    type In = bf16;
    const ROWS: usize = SIDE;
    const COLUMNS: usize = SIDE;
    const PAIR: usize = 2;
    const STEP: usize = DEPTH;
    const RUN: usize = 1024;
    const ALONE: usize = 1 << 20;

    fn pack_panel(b: Matrix<'_, bf16>, first: usize, into: &mut [bf16]) {
        // SAFETY: a machine with AMX has the instructions.
        unsafe { avx512::pack_panel::<bf16, 2>(b, first, into) };
    }

    /// Row after row, each as long as the run.
    fn pack_strip(a: Matrix<'_, bf16>, first: usize, run: Range<usize>, into: &mut [bf16]) {
        let length = into.len() / SIDE;
        if a.row == 1 && first + SIDE <= a.rows {
            // Steps of contiguous rows: a square at a time, of which the first-level cache holds both sides.
            for from in (0..length).step_by(SIDE) {
                for p in from..from + SIDE {
                    let start = a.start + first + (run.start + p) * a.column;
                    let rows = (p < run.len()).then(|| &a.data[start..start + SIDE]);
                    for i in 0..SIDE {
                        into[i * length + p] = rows.map_or(bf16::ZERO, |rows| rows[i]);
                    }
                }
            }
            return;
        }
        for (i, into) in into.chunks_exact_mut(length).enumerate() {
            let there = if first + i < a.rows { run.len() } else { 0 };
            let start = a.start + (first + i) * a.row + run.start * a.column;
            for (p, into) in into.iter_mut().enumerate() {
                *into = if p < there { a.data[start + p * a.column] } else { bf16::ZERO };
            }
        }
    }

    fn reads_in_place(a: &Matrix<'_, bf16>) -> bool {
        avx512::in_place(a)
    }

    fn packed(data: *const bf16, run: usize) -> Left<bf16> {
        Left { data, row: run.next_multiple_of(DEPTH), column: 1, packed: true }
    }

    unsafe fn multiply(tile: &Tile, left: Left<bf16>, panel: Panel<bf16>) {
        let mut sums = MaybeUninit::<Sums>::uninit();
        // SAFETY: the caller's: rows, panel and runs are there, padded to whole steps of a tile. All sums are written.
        unsafe {
            run(tile.steps.div_ceil(DEPTH / 2), left, panel.data, sums.as_mut_ptr());
            write(tile, sums.assume_init_ref());
        }
    }
}

/// The tiles' sums, rows of lines that no cache splits.
#[repr(C, align(64))]
struct Sums([f32; SIDE * SIDE]);

/// What `ldtilecfg` reads: eight tiles of 16 lines of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

const TILES: usize = 8;
static CONFIGURATION: Configuration = {
    let (mut bytes, mut rows) = ([0; 16], [0; 16]);
    let mut i = 0;
    while i < TILES {
        bytes[i] = LINE as u16;
        rows[i] = 16;
        i += 1;
    }
    Configuration { palette: 1, start_row: 0, reserved: [0; 14], bytes, rows }
};

/// Writes the sums of 32 rows and 32 columns over `blocks` times 32 steps.
///
/// # Safety
/// The system has granted tiles; `left` has 32 rows of so many steps, `panel` so many rows of pairs.
unsafe fn run(blocks: usize, left: Left<bf16>, panel: *const bf16, sums: *mut Sums) {
    #[cfg(test)]
    if palimpsest_kernels::Level::highest() < palimpsest_kernels::Level::Amx {
        // SAFETY: the caller's.
        return unsafe { emulated(blocks, left, panel, sums) };
    }
    let stride = left.row * size_of::<bf16>();
    // SAFETY: reads 16 lines each from the rows of `left` and from the panel, 64 bytes further on in the one and 16 lines in
    // the other with each block; writes the sums' 32 lines. The configuration is aligned; the tiles are given back.
    unsafe {
        asm!(
            "ldtilecfg [{configuration}]",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{upper} + {stride}*1]",
            "tileloadd tmm6, [{panel} + {line}*1]",
            "tileloadd tmm7, [{panel} + {line}*1 + 64]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{lower} + {stride}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {upper}, 64",
            "add {lower}, 64",
            "add {panel}, 2048",
            "dec {blocks}",
            "jnz 2b",
            "tilestored [{sums} + {line}*1], tmm0",
            "tilestored [{sums} + {line}*1 + 64], tmm1",
            "tilestored [{sums} + {line}*1 + 2048], tmm2",
            "tilestored [{sums} + {line}*1 + 2112], tmm3",
            "tilerelease",
            configuration = in(reg) &raw const CONFIGURATION,
            upper = inout(reg) left.data => _,
            lower = inout(reg) left.data.add(16 * left.row) => _,
            stride = in(reg) stride,
            panel = inout(reg) panel => _,
            line = in(reg) 2 * LINE,
            blocks = inout(reg) blocks => _,
            sums = in(reg) sums,
            out("tmm0") _,
            out("tmm1") _,
            out("tmm2") _,
            out("tmm3") _,
            out("tmm4") _,
            out("tmm5") _,
            out("tmm6") _,
            out("tmm7") _,
            options(nostack),
        );
    }
}

/// What [`run`] does, where a test's machine has no tiles: the same lines of the same memory.
///
/// # Safety
/// As there, but for the tiles.
#[cfg(test)]
unsafe fn emulated(blocks: usize, left: Left<bf16>, panel: *const bf16, sums: *mut Sums) {
    // SAFETY: the caller's; zeros are sums.
    let sums = unsafe {
        sums.write_bytes(0, 1);
        &mut *sums
    };
    for (i, sums) in sums.0.chunks_exact_mut(SIDE).enumerate() {
        for (j, sum) in sums.iter_mut().enumerate() {
            for pair in 0..blocks * DEPTH / 2 {
                for step in 0..2 {
                    // SAFETY: the caller's.
                    let (a, b) = unsafe {
                        (
                            *left.data.add(i * left.row + 2 * pair + step),
                            *panel.add((pair * SIDE + j) * 2 + step),
                        )
                    };
                    *sum += a.to_f32() * b.to_f32();
                }
            }
        }
    }
}

/// Writes the sums where the tile is.
///
/// # Safety
/// As [`Kernel::multiply`]'s.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn write(tile: &Tile, sums: &Sums) {
    for c in 0..tile.columns.div_ceil(avx512::LANES) {
        for i in 0..tile.rows {
            // SAFETY: the sums have 32 columns; the rest is the caller's.
            unsafe {
                let sum =
                    std::arch::x86_64::_mm512_load_ps(sums.0.as_ptr().add(i * SIDE + c * avx512::LANES));
                avx512::write(tile, i, c, sum);
            }
        }
    }
}
