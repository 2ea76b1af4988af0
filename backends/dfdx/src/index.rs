//! Operations by indices, on the host's copy: dfdx takes indices of another layout, and checks
//! none of them.

use palimpsest_core::{Error, Result};

use crate::engine::Engine;
use crate::real::Real;
use crate::reduce::Around;
use crate::value::{Discrete, Var};

/// For each entry of `indices` along `axis`, its place in an array with `len` entries there.
///
/// # Errors
/// An index is outside the axis.
pub(crate) fn places(what: &str, indices: &Discrete<i64>, axis: usize, len: usize) -> Result<Vec<usize>> {
    let around = Around::new(&indices.shape, axis);
    let line = around.len * around.inner;
    let place = |(at, &index): (usize, &i64)| {
        let index = checked(what, index, len)?;
        Ok((at / line * len + index) * around.inner + at % around.inner)
    };
    indices.data.iter().enumerate().map(place).collect()
}

fn checked(what: &str, index: i64, len: usize) -> Result<usize> {
    let inside = usize::try_from(index).ok().filter(|&index| index < len);
    inside.ok_or_else(|| Error::failure(format!("{what}: index {index} is outside an axis of {len} entries")))
}

/// The places of whole slices of `x` along an axis, in an array of `shape`.
///
/// # Errors
/// An index is outside the axis.
pub(crate) fn slices(
    what: &str,
    shape: &[usize],
    axis: usize,
    indices: &Discrete<i64>,
) -> Result<(Vec<usize>, Vec<usize>)> {
    let around = Around::new(shape, axis);
    let picked = indices.data.iter().map(|&i| checked(what, i, around.len)).collect::<Result<Vec<_>>>()?;
    let mut places = Vec::with_capacity(around.lines() * picked.len());
    for outer in 0..around.outer {
        for &i in &picked {
            let first = (outer * around.len + i) * around.inner;
            places.extend(first..first + around.inner);
        }
    }
    let mut out = shape.to_vec();
    out[axis] = picked.len();
    Ok((places, out))
}

/// x's elements at places, in a tensor of shape `out`; the gradient is added where they came from.
fn picked<E: Real, H: Engine<E>>(x: Var<E, H>, places: Vec<usize>, out: Vec<usize>) -> Var<E, H> {
    let before = x.dense.shape().clone();
    let source = x.dense.to_vec();
    let y = x.dense.beside(places.iter().map(|&place| source[place]).collect(), out);
    Var::recorded([x.node], y, move |dy, _| {
        let mut dx = vec![E::ZERO; before.count()];
        for (&place, &g) in places.iter().zip(&dy.to_vec()) {
            dx[place] += g;
        }
        [Some(dy.beside(dx, before))]
    })
}

/// Entries at indices along an axis.
pub(crate) fn gather<E: Real, H: Engine<E>>(
    x: Var<E, H>,
    indices: &Discrete<i64>,
    axis: usize,
) -> Result<Var<E, H>> {
    let places = places("gather", indices, axis, x.dense.shape()[axis])?;
    Ok(picked(x, places, indices.shape.to_vec()))
}

/// Whole slices along an axis.
pub(crate) fn select<E: Real, H: Engine<E>>(
    x: Var<E, H>,
    indices: &Discrete<i64>,
    axis: usize,
) -> Result<Var<E, H>> {
    let (places, out) = slices("index-select", x.dense.shape(), axis, indices)?;
    Ok(picked(x, places, out))
}

/// `source` added at indices along an axis.
pub(crate) fn scatter_add<E: Real, H: Engine<E>>(
    x: Var<E, H>,
    indices: &Discrete<i64>,
    source: Var<E, H>,
    axis: usize,
) -> Result<Var<E, H>> {
    let places = places("scatter-add", indices, axis, x.dense.shape()[axis])?;
    let shape = source.dense.shape().clone();
    let mut sum = x.dense.to_vec();
    for (&place, &g) in places.iter().zip(&source.dense.to_vec()) {
        sum[place] += g;
    }
    let y = x.dense.beside(sum, x.dense.shape().clone());
    Ok(Var::recorded([x.node, source.node], y, move |dy, wanted| {
        let picked = wanted[1].then(|| {
            let elements = dy.to_vec();
            dy.beside(places.iter().map(|&place| elements[place]).collect(), shape)
        });
        [Some(dy), picked]
    }))
}
