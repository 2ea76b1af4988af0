//! Products of f32 and of bfloat16 matrices on processors with AVX-512; those of bfloat16 need AVX512-BF16.
//!
//! Both work on lanes of 32 bits: one f32, or two steps of k in bfloat16 that one instruction multiplies and adds up.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm256_maskz_loadu_epi16, _mm512_add_ps, _mm512_cvtepu16_epi32,
    _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_epi32, _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_or_si512, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_i32x4, _mm512_slli_epi32, _mm512_storeu_si512,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};
use std::ops::Range;

use half::bf16;

use super::blocks::{Input, Kernel, Left, Tile};
use super::{Matrix, pack};

/// Rows of a tile: with two registers of columns, 24 sums fill the registers but for 8.
const ROWS: usize = 12;
const COLUMNS: usize = 2 * LANES;
/// Sums of a register.
pub(super) const LANES: usize = 16;

/// The kernel for f32.
pub(super) struct Single;

impl Kernel for Single {
    type In = f32;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const PAIR: usize = 1;
    const RUN: usize = 256;
    const ALONE: usize = 1 << 18;

    fn pack_panel(b: Matrix<'_, f32>, first: usize, into: &mut [f32]) {
        // SAFETY: the kernel is chosen where the instructions are.
        unsafe { pack_panel::<f32, 1>(b, first, into) };
    }

    fn pack_strip(a: Matrix<'_, f32>, first: usize, run: Range<usize>, into: &mut [f32]) {
        // SAFETY: as above.
        unsafe { pack_strip::<f32, 1>(a, first, run, into) };
    }

    fn reads_in_place(a: &Matrix<'_, f32>) -> bool {
        in_place(a)
    }

    unsafe fn multiply(tile: &Tile, left: Left<f32>, panel: *const f32) {
        // SAFETY: the caller's.
        unsafe { sized::<Single>(tile, left, panel) };
    }
}

/// The kernel for bfloat16.
pub(super) struct Brain;

impl Kernel for Brain {
    type In = bf16;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const PAIR: usize = 2;
    const RUN: usize = 512;
    const ALONE: usize = 1 << 19;

    fn pack_panel(b: Matrix<'_, bf16>, first: usize, into: &mut [bf16]) {
        // SAFETY: the kernel is chosen where the instructions are.
        unsafe { pack_panel::<bf16, 2>(b, first, into) };
    }

    fn pack_strip(a: Matrix<'_, bf16>, first: usize, run: Range<usize>, into: &mut [bf16]) {
        // SAFETY: as above.
        unsafe { pack_strip::<bf16, 2>(a, first, run, into) };
    }

    fn reads_in_place(a: &Matrix<'_, bf16>) -> bool {
        in_place(a)
    }

    unsafe fn multiply(tile: &Tile, left: Left<bf16>, panel: *const bf16) {
        // SAFETY: the caller's.
        unsafe { sized::<Brain>(tile, left, panel) };
    }
}

/// Whether rows are contiguous, and not so far apart that they fall into the same lines of the cache.
pub(super) fn in_place<T>(a: &Matrix<'_, T>) -> bool {
    a.column == 1 && !(a.row * size_of::<T>()).is_multiple_of(4096)
}

/// What the kernels differ in.
trait Multiply: Kernel {
    /// sum + the lanes of `right` times the group of steps at `left`.
    ///
    /// # Safety
    /// The instructions are there, and what `left` points to.
    unsafe fn add(left: *const Self::In, right: __m512i, sum: __m512) -> __m512;
}

// Between kinds of registers; inlined into functions that have the instructions.
#[inline(always)]
fn floats(lanes: __m512i) -> __m512 {
    // SAFETY: both are 512 bits without invalid values.
    unsafe { std::mem::transmute(lanes) }
}

impl Multiply for Single {
    #[inline(always)]
    unsafe fn add(left: *const f32, right: __m512i, sum: __m512) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_fmadd_ps(_mm512_set1_ps(*left), floats(right), sum) }
    }
}

impl Multiply for Brain {
    #[inline(always)]
    unsafe fn add(left: *const bf16, right: __m512i, sum: __m512) -> __m512 {
        // SAFETY: the caller's; two elements are read, wherever they lie.
        unsafe {
            let factor = _mm512_set1_epi32(left.cast::<i32>().read_unaligned());
            _mm512_dpbf16_ps(sum, pairs(factor), pairs(right))
        }
    }
}

#[inline(always)]
fn pairs(lanes: __m512i) -> __m512bh {
    // SAFETY: as above.
    unsafe { std::mem::transmute(lanes) }
}

/// Chooses the height and width of the sums: four rows at a time, one or two registers.
///
/// # Safety
/// As [`Kernel::multiply`]'s.
#[inline(always)]
unsafe fn sized<K: Multiply>(tile: &Tile, left: Left<K::In>, panel: *const K::In) {
    let narrow = tile.columns <= LANES;
    // SAFETY: the caller's. The rows of a packed strip are there, up to `ROWS`.
    unsafe {
        match (tile.rows, narrow, left.packed) {
            (0..=4, false, _) => multiply::<K, 4, 2, true>(tile, left, panel),
            (0..=4, true, _) => multiply::<K, 4, 1, true>(tile, left, panel),
            (5..=8, false, _) => multiply::<K, 8, 2, true>(tile, left, panel),
            (5..=8, true, _) => multiply::<K, 8, 1, true>(tile, left, panel),
            (_, false, true) => multiply::<K, ROWS, 2, true>(tile, left, panel),
            (_, true, true) => multiply::<K, ROWS, 1, true>(tile, left, panel),
            (_, false, false) => multiply::<K, ROWS, 2, false>(tile, left, panel),
            (_, true, false) => multiply::<K, ROWS, 1, false>(tile, left, panel),
        }
    }
}

/// Sums `R` rows and `C` registers of columns over a run.
///
/// # Safety
/// As [`Kernel::multiply`]'s; `R` rows of `left` can be read.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
unsafe fn multiply<K: Multiply, const R: usize, const C: usize, const PACKED: bool>(
    tile: &Tile,
    left: Left<K::In>,
    panel: *const K::In,
) {
    let mut sums = [[_mm512_setzero_ps(); C]; R];
    let (row, step) = if PACKED { (K::PAIR, ROWS * K::PAIR) } else { (left.row, K::PAIR) };
    // SAFETY: the caller's.
    unsafe {
        // Four rows share a pointer: as many as there are rows don't fit into the registers for addresses.
        let mut fours: [*const K::In; 3] = std::array::from_fn(|i| left.data.add(4 * i.min(R / 4 - 1) * row));
        let mut panel = panel;
        for _ in 0..tile.steps {
            let right: [__m512i; C] =
                std::array::from_fn(|c| _mm512_loadu_si512(panel.add(c * LANES * K::PAIR).cast()));
            for (i, sums) in sums.iter_mut().enumerate() {
                let factor = fours[i / 4].add(i % 4 * row);
                for (sum, &right) in sums.iter_mut().zip(&right) {
                    *sum = K::add(factor, right, *sum);
                }
            }
            fours = fours.map(|at| at.add(step));
            panel = panel.add(COLUMNS * K::PAIR);
        }
        for c in 0..C {
            for (i, sums) in sums.iter().enumerate().take(tile.rows) {
                write(tile, i, c, sums[c]);
            }
        }
    }
}

/// Writes 16 columns, the `c`th of the tile, of its row `i`.
///
/// # Safety
/// As [`Kernel::multiply`]'s; the tile has the row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn write(tile: &Tile, i: usize, c: usize, sum: __m512) {
    let masked = masks(tile.columns)[c];
    // SAFETY: the caller's; what lies beyond the tile's columns is masked.
    unsafe {
        let out = tile.out.add(i * tile.row + c * LANES);
        let mut value = _mm512_mul_ps(sum, _mm512_set1_ps(tile.scale));
        if tile.add {
            value = _mm512_add_ps(_mm512_maskz_loadu_ps(masked, out), value);
        }
        if !tile.bias.is_null() {
            value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(masked, tile.bias.add(c * LANES)));
        }
        _mm512_mask_storeu_ps(out, masked, value);
    }
}

/// Which lanes of two registers hold columns.
#[inline(always)]
fn masks(columns: usize) -> [u16; 2] {
    let mask = if columns >= COLUMNS { u32::MAX } else { (1 << columns) - 1 };
    [mask as u16, (mask >> LANES) as u16]
}

/// Packs a panel of 32 columns.
///
/// # Safety
/// The instructions are there.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn pack_panel<T: Input, const PAIR: usize>(b: Matrix<'_, T>, first: usize, into: &mut [T]) {
    // Steps that are packed in registers; the plain code does the rest, and the zeros behind.
    let whole = first + COLUMNS <= b.columns;
    let done = if whole && b.column == 1 {
        // SAFETY: the instructions are there.
        unsafe { interleave::<T, PAIR, COLUMNS>(b, first, 0..b.rows, into) }
    } else if whole && b.row == 1 {
        let steps = b.rows / (PAIR * LANES) * PAIR * LANES;
        for step in (0..steps).step_by(PAIR * LANES) {
            for c in (0..COLUMNS).step_by(LANES) {
                let start = b.start + (first + c) * b.column + step;
                let to = step * COLUMNS + c * PAIR;
                let last_from = start + (LANES - 1) * b.column + LANES * PAIR;
                let last_to = to + ((LANES - 1) * COLUMNS + LANES) * PAIR;
                assert!(
                    last_from <= b.data.len() && last_to <= into.len(),
                    "a panel reaches beyond its memory"
                );
                // SAFETY: the instructions are there, and the last places that are read and written were looked at.
                unsafe {
                    let from = b.data.as_ptr().add(start).cast::<u8>();
                    transpose(from, b.column * size_of::<T>(), into.as_mut_ptr().add(to).cast::<u8>());
                }
            }
        }
        steps
    } else {
        0
    };
    if done * COLUMNS < into.len() {
        let b = Matrix { start: b.start + done * b.row, rows: b.rows - done, ..b };
        pack::panel::<T, COLUMNS, PAIR>(b, first, &mut into[done * COLUMNS..]);
    }
}

/// Packs a strip of 12 rows.
///
/// # Safety
/// The instructions are there.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn pack_strip<T: Input, const PAIR: usize>(
    a: Matrix<'_, T>,
    first: usize,
    run: Range<usize>,
    into: &mut [T],
) {
    let done = if a.row == 1 && first + ROWS <= a.rows {
        // SAFETY: the instructions are there.
        unsafe { interleave::<T, PAIR, ROWS>(a.transposed(), first, run.clone(), into) }
    } else {
        0
    };
    if done * ROWS < into.len() {
        pack::strip::<T, ROWS, PAIR>(a, first, run.start + done..run.end, &mut into[done * ROWS..]);
    }
}

/// Copies `WIDTH` contiguous elements of each step; those of the steps that share a lane are interleaved. Returns the steps
/// that were done: whole groups.
///
/// # Safety
/// The instructions are there; `WIDTH` is a multiple of 4 and at most 32.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn interleave<T: Input, const PAIR: usize, const WIDTH: usize>(
    matrix: Matrix<'_, T>,
    first: usize,
    steps: Range<usize>,
    into: &mut [T],
) -> usize {
    let count = steps.len() / PAIR * PAIR;
    if count == 0 {
        return 0;
    }
    let start = matrix.start + steps.start * matrix.row + first;
    assert!(
        start + (count - 1) * matrix.row + WIDTH <= matrix.data.len() && count * WIDTH <= into.len(),
        "a packed matrix reaches beyond its memory"
    );
    let lanes = masks(WIDTH);
    // SAFETY: the instructions are there; the last places that are read and written were looked at, and lanes beyond the
    // width are masked.
    unsafe {
        for group in 0..count / PAIR {
            let from = matrix.data.as_ptr().add(start + group * PAIR * matrix.row);
            let to = into.as_mut_ptr().add(group * PAIR * WIDTH);
            for (half, &mask) in lanes.iter().enumerate().take(WIDTH.div_ceil(LANES)) {
                let from = from.add(half * LANES);
                let packed = if PAIR == 1 {
                    _mm512_maskz_loadu_epi32(mask, from.cast())
                } else {
                    let even = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from.cast()));
                    let odd =
                        _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from.add(matrix.row).cast()));
                    _mm512_or_si512(even, _mm512_slli_epi32::<16>(odd))
                };
                _mm512_mask_storeu_epi32(to.add(half * LANES * PAIR).cast(), mask, packed);
            }
        }
    }
    count
}

/// Transposes 16 by 16 lanes: rows at `from` lie `stride` bytes apart, those written at `to` a panel's row.
///
/// # Safety
/// The instructions are there; both places are valid.
#[target_feature(enable = "avx512f")]
unsafe fn transpose(from: *const u8, stride: usize, to: *mut u8) {
    // SAFETY: the caller's.
    let rows: [__m512i; LANES] =
        std::array::from_fn(|i| unsafe { _mm512_loadu_si512(from.add(i * stride).cast()) });
    // Lanes of neighbouring rows, then pairs of lanes, each within quarters of a register.
    let mut pairs = rows;
    for i in (0..LANES).step_by(2) {
        pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    let mut fours = pairs;
    for i in (0..LANES).step_by(4) {
        fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    // fours[4 g + j] holds, in its quarter q, column 4 q + j of rows 4 g .. 4 g + 4.
    for j in 0..4 {
        let [a, b, c, d] = [fours[j], fours[4 + j], fours[8 + j], fours[12 + j]];
        // Quarters 0 and 2, and 1 and 3, of two registers each.
        let (even, odd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
        let (even_below, odd_below) =
            (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d));
        let columns = [
            _mm512_shuffle_i32x4::<0x88>(even, even_below),
            _mm512_shuffle_i32x4::<0x88>(odd, odd_below),
            _mm512_shuffle_i32x4::<0xdd>(even, even_below),
            _mm512_shuffle_i32x4::<0xdd>(odd, odd_below),
        ];
        for (q, column) in columns.into_iter().enumerate() {
            // SAFETY: the caller's.
            unsafe { _mm512_storeu_si512(to.add((4 * q + j) * COLUMNS * 4).cast(), column) };
        }
    }
}
