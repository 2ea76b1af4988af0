//! Elements at given indices.

use palimpsest_core::Shape;

use super::layout::moved;
use super::with;
use crate::array::{self, Array};

pub(super) fn gather(x: &Array, at: &Array, axis: usize) -> Array {
    Array::build(&at.shape, |i| x.at(&moved(i, axis, at.at(i) as usize)))
}

pub(super) fn select(x: &Array, at: &Array, axis: usize) -> Array {
    Array::build(&with(&x.shape, axis, at.shape[0]), |i| x.at(&moved(i, axis, at.data[i[axis]] as usize)))
}

pub(super) fn scatter_add(x: &Array, at: &Array, source: &Array, axis: usize) -> Array {
    let strides = Shape::from(x.shape.as_slice()).strides();
    let mut out = x.clone();
    for i in array::indices(&at.shape) {
        let to = moved(&i, axis, at.at(&i) as usize);
        out.data[to.iter().zip(&strides).map(|(entry, stride)| entry * stride).sum::<usize>()] +=
            source.at(&i);
    }
    out
}
