//! The walk over a product: the right operand is packed once into panels that all blocks of rows share, and a kernel sums
//! tile after tile.
//!
//! An element is summed in the order of k, in runs of a fixed length, whatever the blocks: how the work is cut up changes
//! no bit.

use std::cell::RefCell;
use std::ops::Range;

use palimpsest_kernels::bfloat16;

use super::Matrix;
use crate::kernels::buffer::{Shared, each, parallel, unwritten};

/// Rows of a block: its part of a run stays in the second-level cache.
const BLOCK: usize = 96;

/// Sums tiles of a product in registers, in f32.
pub(super) trait Kernel: 'static {
    /// The operands' elements.
    type In: Input;
    /// Rows of a tile.
    const ROWS: usize;
    /// Columns of a tile and a panel.
    const COLUMNS: usize;
    /// Steps of k that a panel holds side by side.
    const PAIR: usize;
    /// Steps of k that one instruction takes: panels and packed strips are filled up with zeros to a multiple of it.
    const STEP: usize = Self::PAIR;
    /// Steps of k that are summed in registers before they are added to what is there; a multiple of `STEP`.
    const RUN: usize;
    /// Multiplications below which a product is not worth other threads.
    const ALONE: usize;

    /// Packs the panel whose first column is `first`; see `pack.rs`.
    fn pack_panel(b: Matrix<'_, Self::In>, first: usize, into: &mut [Self::In]);

    /// Packs the strip of a run whose first row is `first`.
    fn pack_strip(a: Matrix<'_, Self::In>, first: usize, run: Range<usize>, into: &mut [Self::In]);

    /// Whether a whole tile's rows can be read where they lie.
    fn reads_in_place(a: &Matrix<'_, Self::In>) -> bool;

    /// A packed strip of a run.
    fn packed(data: *const Self::In, run: usize) -> Left<Self::In> {
        let _ = run;
        Left { data, row: Self::PAIR, column: Self::ROWS * Self::PAIR, packed: true }
    }

    /// Whether whole panels can be read where they lie, row after row.
    fn reads_panels_in_place(b: &Matrix<'_, Self::In>) -> bool {
        let _ = b;
        false
    }

    /// Sums a tile over a run: a whole tile's rows may lie in place, others are packed.
    ///
    /// # Safety
    /// The processor has the kernel's instructions. `left` and `panel` have `tile.steps` steps, `tile.out` is valid for its
    /// rows and columns and, where they are given, `tile.bias` for its columns.
    unsafe fn multiply(tile: &Tile, left: Left<Self::In>, panel: Panel<Self::In>);
}

/// An element that kernels multiply.
pub(super) trait Input: bytemuck::Pod + Default + Send + Sync {
    /// Lends this thread's memory for panels and strips: most products are alike.
    fn with_scratch<R>(work: impl FnOnce(&mut Scratch<Self>) -> R) -> R;
}

/// Memory that a thread keeps between products.
pub(super) struct Scratch<T> {
    panels: Vec<T>,
    strips: Vec<T>,
    sums: Vec<f32>,
}

macro_rules! input {
    ($($ty:ty),*) => { $(
        impl Input for $ty {
            fn with_scratch<R>(work: impl FnOnce(&mut Scratch<Self>) -> R) -> R {
                thread_local! {
                    static SCRATCH: RefCell<Scratch<$ty>> =
                        const { RefCell::new(Scratch { panels: Vec::new(), strips: Vec::new(), sums: Vec::new() }) };
                }
                SCRATCH.with_borrow_mut(work)
            }
        }
    )* };
}

input!(f32, half::bf16);

/// A piece of the result that is summed in registers.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Groups of steps of the run.
    pub(super) steps: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) out: *mut f32,
    /// Elements between rows of `out`.
    pub(super) row: usize,
    /// Whether the sums are added to those of the runs before.
    pub(super) add: bool,
    pub(super) scale: f32,
    /// What is added to the last run's sums, for the tile's columns; null for nothing.
    pub(super) bias: *const f32,
}

/// Rows of the left operand, `row` elements apart. Those that lie in place have their steps `column` elements apart; a kernel
/// knows how it packed the others.
#[derive(Clone, Copy)]
pub(super) struct Left<T> {
    pub(super) data: *const T,
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) packed: bool,
}

/// Columns of the right operand, whose groups of steps lie `step` elements apart.
#[derive(Clone, Copy)]
pub(super) struct Panel<T> {
    pub(super) data: *const T,
    pub(super) step: usize,
}

/// The right operand: all its panels packed, or as it lies.
#[derive(Clone, Copy)]
pub(super) enum Panels<'a, T> {
    Packed(&'a [T]),
    InPlace(Matrix<'a, T>),
}

impl<T> Panels<'_, T> {
    /// The panel that begins with a column, from a step on, of an operand of `depth` steps.
    fn at<K: Kernel<In = T>>(&self, first_column: usize, from: usize, depth: usize) -> Panel<T> {
        match self {
            Self::Packed(panels) => {
                let start = first_column / K::COLUMNS * panel_length::<K>(depth) + from * K::COLUMNS;
                Panel { data: panels[start..].as_ptr(), step: K::COLUMNS * K::PAIR }
            }
            Self::InPlace(b) => {
                let start = b.start + from * b.row + first_column;
                Panel { data: b.data[start..].as_ptr(), step: b.row }
            }
        }
    }
}

/// Where a product goes: a block of the output, and what is done to its sums.
#[derive(Clone, Copy)]
pub(super) struct OutputBlock<O> {
    pub(super) out: *mut O,
    /// Elements between rows.
    pub(super) row: usize,
    pub(super) scale: f32,
    /// As long as the product has columns, or null.
    pub(super) bias: *const f32,
}

impl<O> OutputBlock<O> {
    /// The same from a column on.
    ///
    /// # Safety
    /// It has that column.
    unsafe fn at_column(self, column: usize) -> Self {
        let Self { out, row, scale, bias } = self;
        // SAFETY: the caller's; a bias has as many columns as the product.
        let bias = if bias.is_null() { bias } else { unsafe { bias.add(column) } };
        // SAFETY: as above.
        Self { out: unsafe { out.add(column) }, row, scale, bias }
    }
}

/// What a product is written as, from sums in f32.
pub(super) trait Output<In>: Copy + Send {
    /// Multiplies a block of rows with all panels.
    ///
    /// # Safety
    /// The processor has the kernel's instructions; the target is valid for the block's rows and `columns`, which `panels`
    /// holds.
    unsafe fn block<K: Kernel<In = In>>(
        target: OutputBlock<Self>,
        a: Matrix<'_, In>,
        panels: Panels<'_, In>,
        columns: usize,
        scratch: (&mut Vec<In>, &mut Vec<f32>),
    );
}

/// Elements of a panel.
fn panel_length<K: Kernel>(depth: usize) -> usize {
    depth.next_multiple_of(K::STEP) * K::COLUMNS
}

/// target = scale a b + bias, on this thread.
///
/// # Safety
/// The processor has the kernel's instructions; `target` points to `a.rows` rows of `b.columns` elements that no one
/// else uses.
pub(super) unsafe fn product<K: Kernel, O: Output<K::In>>(
    target: OutputBlock<O>,
    a: Matrix<'_, K::In>,
    b: Matrix<'_, K::In>,
) {
    K::In::with_scratch(|Scratch { panels, strips, sums }| {
        if K::reads_panels_in_place(&b) {
            // SAFETY: the caller's.
            return unsafe { O::block::<K>(target, a, Panels::InPlace(b), b.columns, (strips, sums)) };
        }
        let length = panel_length::<K>(b.rows);
        let count = b.columns.div_ceil(K::COLUMNS);
        panels.resize(panels.len().max(count * length), K::In::default());
        for (i, into) in panels.chunks_exact_mut(length).take(count).enumerate() {
            K::pack_panel(b, i * K::COLUMNS, into);
        }
        // SAFETY: the caller's.
        unsafe { O::block::<K>(target, a, Panels::Packed(panels), b.columns, (strips, sums)) };
    });
}

/// out = a b + bias, in parallel.
///
/// # Safety
/// The processor has the kernel's instructions; `out` has the product's size, `bias` its columns.
pub(super) unsafe fn parallel_product<K: Kernel, O: Output<K::In>>(
    out: &mut [O],
    a: Matrix<'_, K::In>,
    b: Matrix<'_, K::In>,
    bias: Option<&[f32]>,
) {
    let columns = b.columns;
    let target = |out: *mut O| {
        let bias = bias.map_or(std::ptr::null(), <[f32]>::as_ptr);
        OutputBlock { out, row: columns, scale: 1.0, bias }
    };
    if a.rows * columns * a.columns <= K::ALONE {
        // SAFETY: the caller's.
        unsafe { product::<K, O>(target(out.as_mut_ptr()), a, b) };
        return;
    }
    let mut packed;
    let panels = if K::reads_panels_in_place(&b) {
        Panels::InPlace(b)
    } else {
        let length = panel_length::<K>(b.rows);
        // SAFETY: each panel is packed before it is read.
        packed = unsafe { unwritten::<K::In>(columns.div_ceil(K::COLUMNS) * length) };
        each(&mut packed, length, |i, into| K::pack_panel(b, i * K::COLUMNS, into));
        Panels::Packed(&packed)
    };
    let blocks = shares(a.rows.div_ceil(K::ROWS), BLOCK / K::ROWS, rayon::current_num_threads());
    let shared = Shared::new(out);
    parallel(blocks.len(), &|i| {
        let first = blocks[i].start * K::ROWS;
        let count = (blocks[i].end * K::ROWS).min(a.rows) - first;
        // SAFETY: blocks of rows are disjoint and lie in `out`.
        unsafe {
            let at = shared.at(first * columns);
            K::In::with_scratch(|Scratch { strips, sums, .. }| {
                O::block::<K>(target(at), a.part(first, count), panels, columns, (strips, sums));
            });
        }
    });
}

/// Cuts `count` strips into blocks of `most` at most, the last ones smaller, so that threads that take them in turn end
/// together (guided self-scheduling, Polychronopoulos & Kuck, 1987). A few strips make up a block at least: a panel's run
/// stays in the first-level cache for them.
fn shares(count: usize, most: usize, threads: usize) -> Vec<Range<usize>> {
    let least = count.div_ceil(threads).min(most.div_ceil(2));
    let mut blocks = Vec::new();
    let mut first = 0;
    while first < count {
        let share = ((count - first) / (2 * threads)).clamp(least, most).min(count - first);
        blocks.push(first..first + share);
        first += share;
    }
    blocks
}

/// The rows of a block, strip by strip, for some runs: in place where the kernel reads them there, else packed, once for all
/// panels.
struct Strips<'a, K: Kernel> {
    a: Matrix<'a, K::In>,
    packed: &'a [K::In],
    /// The first step.
    start: usize,
    count: usize,
}

impl<'a, K: Kernel> Strips<'a, K> {
    fn new(a: Matrix<'a, K::In>, steps: Range<usize>, packed: &'a mut Vec<K::In>) -> Self {
        let count = a.rows.div_ceil(K::ROWS);
        let strips = Self { a, packed: &[], start: steps.start, count };
        let length = count * K::ROWS * steps.len().next_multiple_of(K::STEP);
        packed.resize(packed.len().max(length), K::In::default());
        for run in runs::<K>(steps) {
            for i in (0..count).filter(|&i| !strips.in_place(i, &run)) {
                let length = K::ROWS * run.len().next_multiple_of(K::STEP);
                K::pack_strip(a, i * K::ROWS, run.clone(), &mut packed[strips.offset(i, &run)..][..length]);
            }
        }
        Self { packed, ..strips }
    }

    fn in_place(&self, i: usize, run: &Range<usize>) -> bool {
        K::reads_in_place(&self.a) && run.len().is_multiple_of(K::STEP) && (i + 1) * K::ROWS <= self.a.rows
    }

    /// Where a strip's run is packed: behind all strips' earlier runs, which are whole.
    fn offset(&self, i: usize, run: &Range<usize>) -> usize {
        K::ROWS * (self.count * (run.start - self.start) + i * run.len().next_multiple_of(K::STEP))
    }

    /// The strip's number of rows, and where they lie.
    fn get(&self, i: usize, run: &Range<usize>) -> (usize, Left<K::In>) {
        let Matrix { data, start, row, column, .. } = self.a;
        let first = i * K::ROWS;
        let rows = K::ROWS.min(self.a.rows - first);
        if self.in_place(i, run) {
            let at = &data[start + first * row + run.start * column..];
            return (rows, Left { data: at.as_ptr(), row, column, packed: false });
        }
        (rows, K::packed(self.packed[self.offset(i, run)..].as_ptr(), run.len()))
    }
}

/// The runs of some steps.
fn runs<K: Kernel>(steps: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    steps.clone().step_by(K::RUN).map(move |from| from..steps.end.min(from + K::RUN))
}

/// Sums go where they belong, run after run.
impl Output<f32> for f32 {
    unsafe fn block<K: Kernel<In = f32>>(
        target: OutputBlock<Self>,
        a: Matrix<'_, f32>,
        panels: Panels<'_, f32>,
        columns: usize,
        (packed, _): (&mut Vec<f32>, &mut Vec<f32>),
    ) {
        // SAFETY: the caller's.
        unsafe { straight::<K>(target, a, panels, columns, packed) };
    }
}

/// As f32's.
impl Output<half::bf16> for f32 {
    unsafe fn block<K: Kernel<In = half::bf16>>(
        target: OutputBlock<Self>,
        a: Matrix<'_, half::bf16>,
        panels: Panels<'_, half::bf16>,
        columns: usize,
        (packed, _): (&mut Vec<half::bf16>, &mut Vec<f32>),
    ) {
        // SAFETY: the caller's.
        unsafe { straight::<K>(target, a, panels, columns, packed) };
    }
}

/// # Safety
/// As [`Output::block`]'s.
unsafe fn straight<K: Kernel>(
    target: OutputBlock<f32>,
    a: Matrix<'_, K::In>,
    panels: Panels<'_, K::In>,
    columns: usize,
    packed: &mut Vec<K::In>,
) {
    for run in runs::<K>(0..a.columns) {
        let strips = Strips::<K>::new(a, run.clone(), packed);
        for first in (0..columns).step_by(K::COLUMNS) {
            // SAFETY: the caller's.
            unsafe { tiles(target.at_column(first), &strips, panels, first..columns, &run) };
        }
    }
}

/// Sums stay in f32 until the last run, panel by panel, and are rounded once.
impl Output<half::bf16> for half::bf16 {
    unsafe fn block<K: Kernel<In = half::bf16>>(
        target: OutputBlock<Self>,
        a: Matrix<'_, half::bf16>,
        panels: Panels<'_, half::bf16>,
        columns: usize,
        (packed, sums): (&mut Vec<half::bf16>, &mut Vec<f32>),
    ) {
        sums.resize(sums.len().max(a.rows * K::COLUMNS), 0.0);
        let strips = Strips::<K>::new(a, 0..a.columns, packed);
        for first in (0..columns).step_by(K::COLUMNS) {
            // SAFETY: the first of a panel's columns is one of the target's.
            let target = unsafe { target.at_column(first) };
            let to = OutputBlock {
                out: sums.as_mut_ptr(),
                row: K::COLUMNS,
                scale: target.scale,
                bias: target.bias,
            };
            for run in runs::<K>(0..a.columns) {
                // SAFETY: the sums have room for a panel's columns of the rows; the rest is the caller's.
                unsafe { tiles(to, &strips, panels, first..columns, &run) };
            }
            let count = K::COLUMNS.min(columns - first);
            for (i, sums) in sums.chunks_exact(K::COLUMNS).take(a.rows).enumerate() {
                // SAFETY: the row lies in the target.
                let out = unsafe { std::slice::from_raw_parts_mut(target.out.add(i * target.row), count) };
                bfloat16::round(&sums[..count], out);
            }
        }
    }
}

/// Multiplies all strips with the first panel of `columns`, over a run; `target` begins with that panel.
///
/// # Safety
/// As [`Output::block`]'s.
unsafe fn tiles<K: Kernel>(
    target: OutputBlock<f32>,
    strips: &Strips<'_, K>,
    panels: Panels<'_, K::In>,
    columns: Range<usize>,
    run: &Range<usize>,
) {
    let depth = strips.a.columns;
    let right = panels.at::<K>(columns.start, run.start, depth);
    for strip in 0..strips.count {
        let (rows, left) = strips.get(strip, run);
        let tile = Tile {
            steps: run.len().div_ceil(K::PAIR),
            rows,
            columns: K::COLUMNS.min(columns.len()),
            // SAFETY: the strip's rows lie in the target.
            out: unsafe { target.out.add(strip * K::ROWS * target.row) },
            row: target.row,
            add: run.start > 0,
            scale: target.scale,
            bias: if run.end == depth { target.bias } else { std::ptr::null() },
        };
        // SAFETY: the tile lies in the target, its bias in the columns'; left and panel have the run's steps.
        unsafe { K::multiply(&tile, left, right) };
    }
}
