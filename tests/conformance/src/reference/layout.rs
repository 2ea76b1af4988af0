//! The same elements elsewhere.

use super::with;
use crate::array::Array;

/// An index with another entry along an axis.
pub(super) fn moved(index: &[usize], axis: usize, to: usize) -> Vec<usize> {
    with(index, axis, to)
}

pub(super) fn permute(x: &Array, axes: &[usize]) -> Array {
    let shape: Vec<usize> = axes.iter().map(|&a| x.shape[a]).collect();
    Array::build(&shape, |i| {
        let mut index = vec![0; i.len()];
        for (&axis, &entry) in axes.iter().zip(i) {
            index[axis] = entry;
        }
        x.at(&index)
    })
}

pub(super) fn narrow(x: &Array, axis: usize, start: usize, len: usize) -> Array {
    Array::build(&with(&x.shape, axis, len), |i| x.at(&moved(i, axis, i[axis] + start)))
}

pub(super) fn concat(parts: &[Array], axis: usize) -> Array {
    let extent = parts.iter().map(|part| part.shape[axis]).sum();
    Array::build(&with(&parts[0].shape, axis, extent), |i| {
        let mut entry = i[axis];
        for part in parts {
            if entry < part.shape[axis] {
                return part.at(&moved(i, axis, entry));
            }
            entry -= part.shape[axis];
        }
        unreachable!("the extents add up")
    })
}

pub(super) fn pad(x: &Array, axis: usize, before: usize, after: usize, value: f64) -> Array {
    let extent = x.shape[axis];
    Array::build(&with(&x.shape, axis, before + extent + after), |i| match i[axis].checked_sub(before) {
        Some(entry) if entry < extent => x.at(&moved(i, axis, entry)),
        _ => value,
    })
}
