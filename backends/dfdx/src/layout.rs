//! The same elements elsewhere: axes in another order, parts, borders.

use dfdx::shapes::Axes4;
use dfdx::tensor_ops::{PermuteTo, ReshapeTo};
use palimpsest_core::Shape;
use palimpsest_kernels::piece;

use crate::dense::Dense;
use crate::engine::Engine;
use crate::fold::Rank4;
use crate::kernels::pieces;
use crate::real::Real;
use crate::reduce::Around;
use crate::value::Var;

/// The elements of a row-major array with its axes in another order.
pub(crate) fn permuted<T: Copy + Default + Send + Sync>(x: &[T], shape: &[usize], axes: &[usize]) -> Vec<T> {
    let mut out = vec![T::default(); x.len()];
    let strides = Shape::from(shape).strides();
    let (extents, steps) = folded(shape, &strides, axes);
    let (Some(&row), Some(&step)) = (extents.last(), steps.last()) else {
        out.copy_from_slice(x);
        return out;
    };
    if out.is_empty() {
        return out;
    }
    let size = piece::size(row);
    pieces::each(&mut out, size, &|at, part| {
        for (i, part) in part.chunks_exact_mut(row).enumerate() {
            let mut index = at / row + i;
            let mut from = 0;
            for axis in (0..extents.len() - 1).rev() {
                from += index % extents[axis] * steps[axis];
                index /= extents[axis];
            }
            if step == 1 {
                part.copy_from_slice(&x[from..from + row]);
            } else {
                for (out, x) in part.iter_mut().zip(x[from..].iter().step_by(step)) {
                    *out = *x;
                }
            }
        }
    });
    out
}

/// Extents of the result and the distances of their elements in the source, neighbours that stay
/// neighbours folded into one.
fn folded(shape: &[usize], strides: &[usize], axes: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let (mut extents, mut steps): (Vec<usize>, Vec<usize>) = Default::default();
    for &axis in axes.iter().filter(|&&axis| shape[axis] != 1) {
        match (extents.last_mut(), steps.last_mut()) {
            (Some(extent), Some(step)) if *step == shape[axis] * strides[axis] => {
                *extent *= shape[axis];
                *step = strides[axis];
            }
            _ => {
                extents.push(shape[axis]);
                steps.push(strides[axis]);
            }
        }
    }
    (extents, steps)
}

impl<E: Real, H: Engine<E>> Dense<E, H> {
    /// Axes in another order.
    pub(crate) fn permute(self, axes: &[usize]) -> Self {
        let out: Vec<usize> = axes.iter().map(|&axis| self.shape()[axis]).collect();
        if H::HOST || self.count() == 0 {
            return self.beside(permuted(&self.to_vec(), self.shape(), axes), out);
        }
        // Any order is a row of swaps of two neighbouring blocks of axes, and those have one type.
        let mut x = self;
        let mut order: Vec<usize> = (0..axes.len()).collect();
        for (to, &axis) in axes.iter().enumerate() {
            let from = order.iter().position(|&a| a == axis).unwrap_or(to);
            if from == to {
                continue;
            }
            let shape = x.shape().to_vec();
            let extent = |range: std::ops::Range<usize>| shape[range].iter().product::<usize>();
            let blocks: Rank4 = (extent(0..to), extent(to..from), shape[from], extent(from + 1..shape.len()));
            order[to..=from].rotate_right(1);
            let mut next = shape.clone();
            next[to..=from].rotate_right(1);
            let count = x.count();
            let turned =
                x.into_flat().reshape_like(&blocks).permute::<Rank4, Axes4<0, 2, 1, 3>>().contiguous();
            x = Self::new(turned.reshape_like(&(count,)), next.into());
        }
        x.reshape(out)
    }

    /// `len` entries of an axis from `start` on.
    pub(crate) fn narrow(self, axis: usize, start: usize, len: usize) -> Self {
        if !H::HOST {
            return self.narrow_there(axis, start, len);
        }
        let mut out = self.shape().to_vec();
        out[axis] = len;
        let part = narrowed(&self.to_vec(), Around::new(self.shape(), axis), start, len);
        self.beside(part, out)
    }

    /// Entries of `value` before and behind an axis.
    pub(crate) fn pad(self, axis: usize, before: usize, after: usize, value: f64) -> Self {
        if !H::HOST {
            return self.pad_there(axis, before, after, value);
        }
        let mut out = self.shape().to_vec();
        out[axis] += before + after;
        let padded = padded(&self.to_vec(), Around::new(self.shape(), axis), before, after, E::of(value));
        self.beside(padded, out)
    }
}

/// `len` entries of an axis from `start` on.
pub(crate) fn narrowed<T: Copy>(x: &[T], around: Around, start: usize, len: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(around.lines() * len);
    for outer in 0..around.outer {
        let first = (outer * around.len + start) * around.inner;
        out.extend_from_slice(&x[first..first + len * around.inner]);
    }
    out
}

/// A border along an axis.
pub(crate) fn padded<T: Copy>(x: &[T], around: Around, before: usize, after: usize, value: T) -> Vec<T> {
    let mut out = Vec::with_capacity(around.lines() * (around.len + before + after));
    for outer in 0..around.outer {
        let size = around.len * around.inner;
        out.extend(std::iter::repeat_n(value, before * around.inner));
        out.extend_from_slice(&x[outer * size..(outer + 1) * size]);
        out.extend(std::iter::repeat_n(value, after * around.inner));
    }
    out
}

/// Arrays one after another along an axis.
pub(crate) fn joined<T: Copy>(parts: &[(&[T], Around)]) -> Vec<T> {
    let mut out = Vec::with_capacity(parts.iter().map(|(x, _)| x.len()).sum());
    for outer in 0..parts.first().map_or(0, |(_, around)| around.outer) {
        for (x, around) in parts {
            let size = around.len * around.inner;
            out.extend_from_slice(&x[outer * size..(outer + 1) * size]);
        }
    }
    out
}

/// The same elements in another shape.
pub(crate) fn reshape<E: Real, H: Engine<E>>(x: Var<E, H>, shape: &Shape) -> Var<E, H> {
    let before = x.dense.shape().clone();
    Var::recorded([x.node], x.dense.reshape(shape.clone()), move |dy, _| [Some(dy.reshape(before))])
}

/// Axes in another order.
pub(crate) fn permute<E: Real, H: Engine<E>>(x: Var<E, H>, axes: &[usize]) -> Var<E, H> {
    let mut back = vec![0; axes.len()];
    for (to, &from) in axes.iter().enumerate() {
        back[from] = to;
    }
    Var::recorded([x.node], x.dense.permute(axes), move |dy, _| [Some(dy.permute(&back))])
}

/// A part of an axis.
pub(crate) fn narrow<E: Real, H: Engine<E>>(
    x: Var<E, H>,
    axis: usize,
    start: usize,
    len: usize,
) -> Var<E, H> {
    let after = x.dense.shape()[axis] - start - len;
    // dfdx's own derivative assigns where it should add.
    Var::recorded([x.node], x.dense.narrow(axis, start, len), move |dy, _| {
        [Some(dy.pad(axis, start, after, 0.0))]
    })
}

/// A border along an axis.
pub(crate) fn pad<E: Real, H: Engine<E>>(
    x: Var<E, H>,
    axis: usize,
    before: usize,
    after: usize,
    value: f64,
) -> Var<E, H> {
    let len = x.dense.shape()[axis];
    Var::recorded([x.node], x.dense.pad(axis, before, after, value), move |dy, _| {
        [Some(dy.narrow(axis, before, len))]
    })
}

/// Extents of 1 repeated.
pub(crate) fn expand<E: Real, H: Engine<E>>(x: Var<E, H>, shape: &Shape) -> Var<E, H> {
    let before = x.dense.shape().clone();
    Var::recorded([x.node], x.dense.expand(shape), move |dy, _| [Some(dy.sum_to(&before))])
}
