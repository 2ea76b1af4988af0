//! Products of f32 and of bfloat16 matrices on processors with AVX-512; those of bfloat16 need AVX512-BF16.
//!
//! Both work on lanes of 32 bits: one f32, or two steps of k in bfloat16 that one instruction multiplies and adds up.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm256_maskz_loadu_epi16, _mm512_add_ps, _mm512_cvtepu16_epi32,
    _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_epi32, _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_or_si512, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_i32x4, _mm512_slli_epi32, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};
use std::ops::Range;

use half::bf16;

use super::blocks::{Input, Kernel, Left, Panel, Tile};
use super::{Matrix, pack};

/// Rows of a tile: with two registers of columns, 24 sums fill the registers but for 8.
const ROWS: usize = 12;
const COLUMNS: usize = 2 * LANES;
/// Sums of a register.
pub(super) const LANES: usize = 16;

/// The kernel for f32.
pub(super) struct F32;

impl Kernel for F32 {
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
        in_place(a) || (a.row == 1 && near(a.column))
    }

    fn reads_panels_in_place(b: &Matrix<'_, f32>) -> bool {
        b.column == 1 && b.columns.is_multiple_of(COLUMNS) && near(b.row)
    }

    unsafe fn multiply(tile: &Tile, left: Left<f32>, panel: Panel<f32>) {
        // SAFETY: the caller's.
        unsafe { sized::<F32>(tile, left, panel) };
    }
}

/// The kernel for bfloat16.
pub(super) struct Bf16;

impl Kernel for Bf16 {
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

    unsafe fn multiply(tile: &Tile, left: Left<bf16>, panel: Panel<bf16>) {
        // SAFETY: the caller's.
        unsafe { sized::<Bf16>(tile, left, panel) };
    }
}

/// Whether steps that lie so many elements apart may be read there: they share no more than a few lines of the cache.
fn near(step: usize) -> bool {
    step * size_of::<f32>() < 4096
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

    /// Sums `R` rows and `C` registers of columns.
    ///
    /// # Safety
    /// As [`Kernel::multiply`]'s; `R` rows of `left` can be read.
    unsafe fn sums<const R: usize, const C: usize, const LAYOUT: usize>(
        tile: &Tile,
        left: Left<Self::In>,
        panel: Panel<Self::In>,
    );
}

// Between kinds of registers; inlined into functions that have the instructions.
#[inline(always)]
fn floats(lanes: __m512i) -> __m512 {
    // SAFETY: both are 512 bits without invalid values.
    unsafe { std::mem::transmute(lanes) }
}

impl Multiply for F32 {
    unsafe fn sums<const R: usize, const C: usize, const LAYOUT: usize>(
        tile: &Tile,
        left: Left<f32>,
        panel: Panel<f32>,
    ) {
        // SAFETY: the caller's.
        unsafe { sums_f32::<Self, R, C, LAYOUT>(tile, left, panel) };
    }

    #[inline(always)]
    unsafe fn add(left: *const f32, right: __m512i, sum: __m512) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_fmadd_ps(_mm512_set1_ps(*left), floats(right), sum) }
    }
}

impl Multiply for Bf16 {
    unsafe fn sums<const R: usize, const C: usize, const LAYOUT: usize>(
        tile: &Tile,
        left: Left<bf16>,
        panel: Panel<bf16>,
    ) {
        // SAFETY: the caller's.
        unsafe { sums_bf16::<Self, R, C, LAYOUT>(tile, left, panel) };
    }

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
unsafe fn sized<K: Multiply>(tile: &Tile, left: Left<K::In>, panel: Panel<K::In>) {
    let narrow = tile.columns <= LANES;
    // SAFETY: the caller's. The rows of a packed strip are there, up to `ROWS`.
    unsafe {
        let layout = match left {
            Left { packed: true, .. } => PACKED,
            Left { row: 1, .. } => TURNED,
            _ => UPRIGHT,
        };
        match (tile.rows, narrow, layout) {
            (0..=4, false, _) => K::sums::<4, 2, PACKED>(tile, left, panel),
            (0..=4, true, _) => K::sums::<4, 1, PACKED>(tile, left, panel),
            (5..=8, false, _) => K::sums::<8, 2, PACKED>(tile, left, panel),
            (5..=8, true, _) => K::sums::<8, 1, PACKED>(tile, left, panel),
            (_, false, PACKED) => K::sums::<ROWS, 2, PACKED>(tile, left, panel),
            (_, true, PACKED) => K::sums::<ROWS, 1, PACKED>(tile, left, panel),
            (_, false, UPRIGHT) => K::sums::<ROWS, 2, UPRIGHT>(tile, left, panel),
            (_, true, UPRIGHT) => K::sums::<ROWS, 1, UPRIGHT>(tile, left, panel),
            (_, false, _) => K::sums::<ROWS, 2, TURNED>(tile, left, panel),
            (_, true, _) => K::sums::<ROWS, 1, TURNED>(tile, left, panel),
        }
    }
}

/// How a strip lies: packed; rows of contiguous steps; or steps of contiguous rows.
const PACKED: usize = 0;
const UPRIGHT: usize = 1;
const TURNED: usize = 2;

/// Declares the sums of `R` rows and `C` registers of columns over a run, with some instructions: the same code for both
/// kernels, but f32 may not be compiled for instructions that only bfloat16 is given to.
///
/// # Safety
/// As [`Kernel::multiply`]'s; `R` rows of `left` can be read.
macro_rules! sums {
    ($name:ident, $features:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<K: Multiply, const R: usize, const C: usize, const LAYOUT: usize>(
            tile: &Tile,
            left: Left<K::In>,
            panel: Panel<K::In>,
        ) {
            let mut sums = [[_mm512_setzero_ps(); C]; R];
            let (row, step) = match LAYOUT {
                PACKED => (K::PAIR, ROWS * K::PAIR),
                UPRIGHT => (left.row, K::PAIR),
                _ => (1, left.column),
            };
            // SAFETY: the caller's.
            unsafe {
                // Four rows share a pointer: as many as there are rows don't fit into the registers for addresses.
                let mut fours: [*const K::In; 3] =
                    std::array::from_fn(|i| left.data.wrapping_add(4 * i.min(R / 4 - 1) * row));
                let mut right_at = panel.data;
                for _ in 0..tile.steps {
                    let right: [__m512i; C] =
                        std::array::from_fn(|c| _mm512_loadu_si512(right_at.add(c * LANES * K::PAIR).cast()));
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let factor = fours[i / 4].wrapping_add(i % 4 * row);
                        for (sum, &right) in sums.iter_mut().zip(&right) {
                            *sum = K::add(factor, right, *sum);
                        }
                    }
                    // After the last step both point to nothing.
                    fours = fours.map(|at| at.wrapping_add(step));
                    right_at = right_at.wrapping_add(panel.step);
                }
                for c in 0..C {
                    for (i, sums) in sums.iter().enumerate().take(tile.rows) {
                        write(tile, i, c, sums[c]);
                    }
                }
            }
        }
    };
}

sums!(sums_f32, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
sums!(sums_bf16, "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma");

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
    let (steps, count) = (0..b.rows, COLUMNS.min(b.columns - first));
    // SAFETY: the instructions are there.
    unsafe { gather::<T, PAIR, COLUMNS>(b.transposed(), first..first + count, steps, into) };
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
    let count = ROWS.min(a.rows - first);
    // SAFETY: the instructions are there.
    unsafe { gather::<T, PAIR, ROWS>(a, first..first + count, run, into) };
}

/// Packs rows of a matrix, `WIDTH` to a step: in registers where rows or steps are contiguous, and by the plain code what is
/// left: a step that shares its lanes with none, and the zeros behind.
///
/// # Safety
/// The instructions are there.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn gather<T: Input, const PAIR: usize, const WIDTH: usize>(
    matrix: Matrix<'_, T>,
    rows: Range<usize>,
    steps: Range<usize>,
    into: &mut [T],
) {
    let (first, count) = (rows.start, rows.len());
    let groups = steps.len() / PAIR;
    let at = |row: usize, step: usize| {
        matrix.start + (first + row) * matrix.row + (steps.start + step) * matrix.column
    };
    let mut done = 0;
    if groups > 0 && (matrix.row == 1 || matrix.column == 1) {
        assert!(
            at(count - 1, groups * PAIR - 1) < matrix.data.len() && groups * PAIR * WIDTH <= into.len(),
            "a packed matrix reaches beyond its memory"
        );
        done = groups * PAIR;
        for group in (0..groups).step_by(LANES) {
            let lanes = LANES.min(groups - group);
            let (from, to) = (at(0, group * PAIR), group * PAIR * WIDTH);
            // SAFETY: the instructions are there; the last places that are read and written were looked at, and lanes
            // beyond rows, steps and width are masked.
            unsafe {
                let from = matrix.data.as_ptr().add(from);
                let to = into.as_mut_ptr().add(to);
                if matrix.row == 1 {
                    interleave::<T, PAIR, WIDTH>(from, matrix.column, count, lanes, to);
                } else {
                    for row in (0..WIDTH).step_by(LANES) {
                        let there = count.saturating_sub(row).min(LANES);
                        let width = (WIDTH - row).min(LANES);
                        let from = from.wrapping_add(row * matrix.row).cast::<u32>();
                        let to = to.add(row * PAIR).cast::<u32>();
                        transpose::<WIDTH>(from, matrix.row * size_of::<T>(), (there, lanes), to, width);
                    }
                }
            }
        }
    }
    if done * WIDTH < into.len() {
        let rest = steps.start + done..steps.end;
        pack::strip::<T, WIDTH, PAIR>(matrix, first, rest, &mut into[done * WIDTH..]);
    }
}

/// Copies groups of steps whose `count` rows are contiguous; the steps that share a lane are interleaved.
///
/// # Safety
/// The instructions are there, and both places, for `groups`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn interleave<T: Input, const PAIR: usize, const WIDTH: usize>(
    from: *const T,
    stride: usize,
    count: usize,
    groups: usize,
    to: *mut T,
) {
    let (read, write) = (masks(count), masks(WIDTH));
    // SAFETY: the caller's; lanes beyond the rows and the width are masked.
    unsafe {
        for group in 0..groups {
            let (from, to) = (from.add(group * PAIR * stride), to.add(group * PAIR * WIDTH));
            for half in 0..WIDTH.div_ceil(LANES) {
                let from = from.wrapping_add(half * LANES);
                let packed = if PAIR == 1 {
                    _mm512_maskz_loadu_epi32(read[half], from.cast())
                } else {
                    let step =
                        |step| _mm256_maskz_loadu_epi16(read[half], from.wrapping_add(step * stride).cast());
                    let [even, odd] = [_mm512_cvtepu16_epi32(step(0)), _mm512_cvtepu16_epi32(step(1))];
                    _mm512_or_si512(even, _mm512_slli_epi32::<16>(odd))
                };
                _mm512_mask_storeu_epi32(to.add(half * LANES * PAIR).cast(), write[half], packed);
            }
        }
    }
}

/// Transposes up to 16 by 16 lanes: of `there` rows, which lie `stride` bytes apart, `lanes` each, and zeros for the rows that
/// are not there. What is written are `lanes` rows of `width` lanes, `WIDTH` apart.
///
/// # Safety
/// The instructions are there, and both places.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn transpose<const WIDTH: usize>(
    from: *const u32,
    stride: usize,
    (there, lanes): (usize, usize),
    to: *mut u32,
    width: usize,
) {
    let (read, write) = (masks(lanes)[0], masks(width)[0]);
    // Masks rather than branches: with those, the registers would be an array in memory. Where a mask is 0, nothing is touched.
    let rows: [__m512i; LANES] = std::array::from_fn(|i| {
        let read = if i < there { read } else { 0 };
        // SAFETY: the caller's.
        unsafe { _mm512_maskz_loadu_epi32(read, from.wrapping_byte_add(i * stride).cast()) }
    });
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
            let write = if 4 * q + j < lanes { write } else { 0 };
            // SAFETY: the caller's.
            unsafe { _mm512_mask_storeu_epi32(to.wrapping_add((4 * q + j) * WIDTH).cast(), write, column) };
        }
    }
}
