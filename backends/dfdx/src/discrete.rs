//! Integers and truth values, which live in host memory, and what makes them of floats.

use std::cmp::Ordering;

use palimpsest_core::tensor::Op;
use palimpsest_core::{Error, Result, Shape};

use crate::dense::Dense;
use crate::engine::{Engine, Hardware};
use crate::fold::common;
use crate::index;
use crate::layout::{joined, narrowed, padded, permuted};
use crate::real::Real;
use crate::reduce::{Around, first_largest};
use crate::value::{Discrete, Value};

/// The places of an array's elements when it is broadcast to `out`.
pub(crate) fn broadcast(shape: &Shape, out: &Shape) -> Vec<usize> {
    let spare = out.rank() - shape.rank();
    let strides = shape.strides();
    let steps: Vec<usize> = (0..out.rank())
        .map(|axis| if axis < spare || shape[axis - spare] == 1 { 0 } else { strides[axis - spare] })
        .collect();
    (0..out.count())
        .map(|mut flat| {
            let mut place = 0;
            for axis in (0..out.rank()).rev() {
                place += flat % out[axis] * steps[axis];
                flat /= out[axis];
            }
            place
        })
        .collect()
}

/// An operation on an array of integers or truth values; `next` gives further inputs.
///
/// # Errors
/// It is not defined on them, an input is missing, or an index is outside.
pub(crate) fn run<T: Copy + Default + Send + Sync>(
    op: &Op,
    x: &Discrete<T>,
    rest: &[Discrete<T>],
    indices: Option<&Discrete<i64>>,
    value: impl Fn(f64) -> T,
) -> Result<Discrete<T>> {
    let name = op.kind().name();
    let indices = || indices.ok_or_else(|| Error::failure(format!("{name}: needs integer indices")));
    let mut shape = x.shape.to_vec();
    Ok(match op {
        Op::Reshape { shape } => Discrete { data: x.data.clone(), shape: shape.clone() },
        Op::Permute { axes } => {
            let out: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
            Discrete::new(permuted(&x.data, &x.shape, axes), out)
        }
        Op::Narrow { axis, start, len } => {
            shape[*axis] = *len;
            Discrete::new(narrowed(&x.data, Around::new(&x.shape, *axis), *start, *len), shape)
        }
        Op::Pad { axis, before, after, value: border } => {
            shape[*axis] += before + after;
            let around = Around::new(&x.shape, *axis);
            Discrete::new(padded(&x.data, around, *before, *after, value(*border)), shape)
        }
        Op::Concat { axis } => {
            let all = || std::iter::once(x).chain(rest);
            let parts: Vec<_> = all().map(|x| (x.data.as_slice(), Around::new(&x.shape, *axis))).collect();
            shape[*axis] = all().map(|x| x.shape[*axis]).sum();
            Discrete::new(joined(&parts), shape)
        }
        Op::Expand { shape } => {
            let places = broadcast(&x.shape, shape);
            Discrete::new(places.into_iter().map(|place| x.data[place]).collect(), shape.clone())
        }
        Op::Gather { axis } => {
            let indices = indices()?;
            let places = index::places(name, indices, *axis, shape[*axis])?;
            Discrete::new(places.into_iter().map(|place| x.data[place]).collect(), indices.shape.clone())
        }
        Op::IndexSelect { axis } => {
            let (places, out) = index::slices(name, &x.shape, *axis, indices()?)?;
            Discrete::new(places.into_iter().map(|place| x.data[place]).collect(), out)
        }
        _ => return Err(Error::failure(format!("{name} is not defined on integers and truth values"))),
    })
}

/// Integers added at indices.
///
/// # Errors
/// An index is outside the axis.
pub(crate) fn scatter_add(
    x: &Discrete<i64>,
    indices: &Discrete<i64>,
    source: &Discrete<i64>,
    axis: usize,
) -> Result<Discrete<i64>> {
    let mut sum = x.data.to_vec();
    let places = index::places("scatter-add", indices, axis, x.shape[axis])?;
    for (place, &value) in places.into_iter().zip(source.data.iter()) {
        sum[place] += value;
    }
    Ok(Discrete::new(sum, x.shape.clone()))
}

/// An array's elements in host memory, of any type.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) shape: &'a Shape,
}

impl<T> Discrete<T> {
    /// The elements.
    pub(crate) fn elements(&self) -> Elements<'_, T> {
        Elements { data: &self.data, shape: &self.shape }
    }
}

/// `Op::Less`: a < b, else a == b; broadcast.
pub(crate) fn compare<T: PartialOrd + Copy>(
    op: &Op,
    a: Elements<'_, T>,
    b: Elements<'_, T>,
) -> Discrete<bool> {
    let out = common(a.shape, b.shape);
    let holds: fn(&T, &T) -> bool = if matches!(op, Op::Less) { T::lt } else { T::eq };
    let pairs = broadcast(a.shape, &out).into_iter().zip(broadcast(b.shape, &out));
    Discrete::new(pairs.map(|(i, j)| holds(&a.data[i], &b.data[j])).collect(), out)
}

/// The elements of `a` where the condition holds, else those of `b`, broadcast.
pub(crate) fn where_<T: Copy>(
    condition: &Discrete<bool>,
    a: Elements<'_, T>,
    b: Elements<'_, T>,
) -> (Vec<T>, Shape) {
    let out = common(&common(a.shape, b.shape), &condition.shape);
    let (i, j) = (broadcast(a.shape, &out), broadcast(b.shape, &out));
    let places = broadcast(&condition.shape, &out);
    let pick = |(at, c): (usize, usize)| if condition.data[c] { a.data[i[at]] } else { b.data[j[at]] };
    let chosen = places.into_iter().enumerate().map(pick);
    (chosen.collect(), out)
}

/// The place of the first largest element along an axis.
pub(crate) fn argmax<E: Real, H: Engine<E>>(x: &Dense<E, H>, axis: usize) -> Discrete<i64> {
    let mut out = x.shape().to_vec();
    out[axis] = 1;
    let best = first_largest(&x.to_vec(), Around::new(x.shape(), axis));
    Discrete::new(best.into_iter().map(|i| i as i64).collect(), out)
}

/// Indices that sort an axis; equal elements keep their order, NaNs count as largest.
pub(crate) fn argsort<E: Real, H: Engine<E>>(
    x: &Dense<E, H>,
    axis: usize,
    descending: bool,
) -> Discrete<i64> {
    let around = Around::new(x.shape(), axis);
    let elements = x.to_vec();
    let mut out = vec![0; elements.len()];
    let mut order: Vec<usize> = Vec::with_capacity(around.len);
    for line in 0..if around.len == 0 { 0 } else { around.lines() } {
        order.clear();
        order.extend(0..around.len);
        order.sort_by(|&a, &b| {
            let ascending = compared(elements[around.at(line, a)], elements[around.at(line, b)]);
            if descending { ascending.reverse() } else { ascending }
        });
        for (i, &from) in order.iter().enumerate() {
            out[around.at(line, i)] = from as i64;
        }
    }
    Discrete::new(out, x.shape().clone())
}

fn compared<E: Real>(a: E, b: E) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.wide().is_nan().cmp(&b.wide().is_nan()))
}

/// The integers of a value.
///
/// # Errors
/// It holds something else.
pub(crate) fn integers<H: Hardware>(what: &str, value: Option<&Value<H>>) -> Result<Discrete<i64>> {
    match value {
        Some(Value::Int(x)) => Ok(x.clone()),
        _ => Err(Error::failure(format!("{what}: needs integers"))),
    }
}
