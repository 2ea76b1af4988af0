//! Sums, means and largest values along axes, which are kept with extent 1.

use dfdx::shapes::Axis;
use dfdx::tensor_ops::{ReshapeTo, SumTo};

use palimpsest_kernels::{piece, row, vectorised};

use crate::dense::Dense;
use crate::engine::{Engine, Hardware};
use crate::kernels::pieces;
use crate::real::Real;
use crate::value::Var;

/// What lies around an axis: the product of the extents before, its own, and of those behind.
#[derive(Clone, Copy)]
pub(crate) struct Around {
    pub(crate) outer: usize,
    pub(crate) len: usize,
    pub(crate) inner: usize,
}

impl Around {
    pub(crate) fn new(shape: &[usize], axis: usize) -> Self {
        Self {
            outer: shape[..axis].iter().product(),
            len: shape[axis],
            inner: shape[axis + 1..].iter().product(),
        }
    }

    /// The place of entry `i` of the line `line`.
    pub(crate) fn at(self, line: usize, i: usize) -> usize {
        (line / self.inner * self.len + i) * self.inner + line % self.inner
    }

    /// The number of lines along the axis.
    pub(crate) fn lines(self) -> usize {
        self.outer * self.inner
    }
}

impl<E: Real, H: Engine<E>> Dense<E, H> {
    /// The sum over axes, ascending.
    pub(crate) fn sum(self, axes: &[usize]) -> Self {
        let mut out = self.shape().to_vec();
        for &axis in axes {
            out[axis] = 1;
        }
        let device = self.device();
        if self.count() == 0 {
            return Self::full(&device, out, 0.0);
        }
        // Runs of neighbouring axes at once, the last first.
        let mut x = self;
        let mut end = axes.len();
        while end > 0 {
            let mut start = end - 1;
            while start > 0 && axes[start - 1] + 1 == axes[start] {
                start -= 1;
            }
            let (first, last) = (axes[start], axes[end - 1]);
            let mut shape = x.shape().to_vec();
            let around = Around {
                outer: shape[..first].iter().product(),
                len: shape[first..=last].iter().product(),
                inner: shape[last + 1..].iter().product(),
            };
            shape[first..=last].fill(1);
            x = x.sum_middle(around).reshape(shape);
            end = start;
        }
        x.reshape(out)
    }

    fn sum_middle(self, around: Around) -> Self {
        let Around { outer, len, inner } = around;
        if len == 1 {
            return self;
        }
        if H::HOST {
            // dfdx adds one element after another in the element type, on one thread.
            let sums = sums(&self.to_vec(), around);
            return self.beside(sums, [outer * inner]);
        }
        let sums = self.into_flat().reshape_like(&(outer, len, inner)).sum::<(usize, usize), Axis<1>>();
        Self::new(sums.reshape_like(&(outer * inner,)), [outer * inner].into())
    }
}

/// Sums along the middle axis. Runs of rows are added in the element type, runs in f64 and in
/// order.
fn sums<E: Real>(x: &[E], around: Around) -> Vec<E> {
    let Around { outer, len, inner } = around;
    let size = len * inner;
    let piece = piece::size(inner);
    let narrow = |sum: Vec<f64>| sum.into_iter().map(E::of).collect::<Vec<E>>();
    if size <= piece {
        // Many short lines: a task takes several.
        let mut out = vec![E::ZERO; outer * inner];
        let group = (piece / size).max(1);
        pieces::each(&mut out, group * inner, &|at, part| {
            let start = at * len;
            for (out, x) in part.chunks_exact_mut(inner).zip(x[start..].chunks_exact(size)) {
                let mut sum = vec![0.0; inner];
                add_rows(&mut sum, x);
                out.copy_from_slice(&narrow(sum));
            }
        });
        return out;
    }
    let mut out = Vec::with_capacity(outer * inner);
    for x in x.chunks_exact(size) {
        let parts = pieces::collect(size.div_ceil(piece), &|i| {
            let mut sum = vec![0.0; inner];
            add_rows(&mut sum, &x[i * piece..size.min((i + 1) * piece)]);
            sum
        });
        let mut sum = vec![0.0; inner];
        for part in parts {
            for (sum, part) in sum.iter_mut().zip(part) {
                *sum += part;
            }
        }
        out.extend(narrow(sum));
    }
    out
}

vectorised! {
    /// Adds rows of `sum`'s length.
    fn add_rows<T: Real>(sum: &mut [f64], x: &[T]) {
        if let [sum] = sum {
            // Short runs in the element type keep the lanes full; their rounding is far below 1e-6.
            *sum += x.chunks(256).map(|run| row::sum(run, |v| v).wide()).sum::<f64>();
            return;
        }
        for row in x.chunks_exact(sum.len()) {
            for (sum, &x) in sum.iter_mut().zip(row) {
                *sum += x.wide();
            }
        }
    }
}

/// Sum over axes.
pub(crate) fn sum<E: Real, H: Engine<E>>(x: Var<E, H>, axes: &[usize]) -> Var<E, H> {
    let shape = x.dense.shape().clone();
    let y = x.dense.sum(axes);
    Var::recorded([x.node], y, move |dy, _| [Some(dy.expand(&shape))])
}

/// Mean over axes.
pub(crate) fn mean<E: Real, H: Engine<E>>(x: Var<E, H>, axes: &[usize]) -> Var<E, H> {
    let shape = x.dense.shape().clone();
    let count: usize = axes.iter().map(|&axis| shape[axis]).product();
    let share = (count as f64).recip();
    let y = x.dense.sum(axes).scale(share);
    Var::recorded([x.node], y, move |dy, _| [Some(dy.scale(share).expand(&shape))])
}

/// The place along an axis of the first largest element, for each line.
pub(crate) fn first_largest<E: Real>(x: &[E], around: Around) -> Vec<usize> {
    (0..around.lines())
        .map(|line| {
            let at = |i: usize| x[around.at(line, i)];
            let better = |best: usize, i: usize| at(i) > at(best) || (is_nan(at(i)) && !is_nan(at(best)));
            (1..around.len).fold(0, |best, i| if better(best, i) { i } else { best })
        })
        .collect()
}

fn is_nan<E: Real>(x: E) -> bool {
    x.wide().is_nan()
}

/// The largest value along an axis; the gradient goes to the first of equals.
pub(crate) fn max<E: Real, H: Engine<E> + Hardware>(x: Var<E, H>, axis: usize) -> Var<E, H> {
    if !H::HOST && x.node.is_none() {
        // Nobody asks which of the entries it was.
        return Var::plain(x.dense.max_there(axis));
    }
    let shape = x.dense.shape().clone();
    let around = Around::new(&shape, axis);
    let mut out = shape.to_vec();
    out[axis] = 1;
    let elements = x.dense.to_vec();
    let best = first_largest(&elements, around);
    let largest = best.iter().enumerate().map(|(line, &i)| elements[around.at(line, i)]).collect();
    let y = x.dense.beside(largest, out);
    Var::recorded([x.node], y, move |dy, _| {
        let mut dx = vec![E::ZERO; shape.count()];
        for ((line, &i), &g) in best.iter().enumerate().zip(&dy.to_vec()) {
            dx[around.at(line, i)] = g;
        }
        [Some(dy.beside(dx, shape))]
    })
}
