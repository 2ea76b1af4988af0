//! Reductions along axes, and orders.

use super::with;
use crate::array::Array;

pub(super) fn mean(x: &Array, axes: &[usize]) -> Array {
    let count: usize = axes.iter().map(|&a| x.shape[a]).product();
    x.sum(axes).map(|sum| sum / count as f64)
}

/// The elements along an axis through an index.
fn line(x: &Array, axis: usize, index: &[usize]) -> Vec<f64> {
    let mut index = index.to_vec();
    (0..x.shape[axis])
        .map(|i| {
            index[axis] = i;
            x.at(&index)
        })
        .collect()
}

/// Where the largest is; of equals, the first.
fn first_largest(line: &[f64]) -> usize {
    (1..line.len()).fold(0, |best, i| if line[i] > line[best] { i } else { best })
}

pub(super) fn max(x: &Array, axis: usize) -> Array {
    Array::build(&with(&x.shape, axis, 1), |i| {
        let line = line(x, axis, i);
        line[first_largest(&line)]
    })
}

pub(super) fn argmax(x: &Array, axis: usize) -> Array {
    Array::build(&with(&x.shape, axis, 1), |i| first_largest(&line(x, axis, i)) as f64)
}

pub(super) fn argsort(x: &Array, axis: usize, descending: bool) -> Array {
    Array::build(&x.shape, |index| {
        let line = line(x, axis, index);
        let mut order: Vec<usize> = (0..line.len()).collect();
        // Stable both ways: equals stay in the order of their places.
        order.sort_by(|&a, &b| {
            let (a, b) = if descending { (b, a) } else { (a, b) };
            line[a].partial_cmp(&line[b]).unwrap_or(std::cmp::Ordering::Equal)
        });
        order[index[axis]] as f64
    })
}
