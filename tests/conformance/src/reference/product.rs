//! Products, and sampling.

use palimpsest_core::Shape;
use palimpsest_core::tensor::Interpolation;

use crate::array::Array;

pub(super) fn matmul(a: &Array, b: &Array) -> Array {
    let (ra, rb) = (a.rank(), b.rank());
    let inner = a.shape[ra - 1];
    let batch = |x: &Array| Shape::from(&x.shape[..x.rank() - 2]);
    let mut shape = batch(a).broadcast(&batch(b)).unwrap_or_default().to_vec();
    shape.extend([a.shape[ra - 2], b.shape[rb - 1]]);
    let rank = shape.len();
    Array::build(&shape, |i| {
        let (mut left, mut right) = (i.to_vec(), i.to_vec());
        let mut sum = 0.0;
        for l in 0..inner {
            left[rank - 1] = l;
            right[rank - 2] = l;
            sum += a.at(&left[rank - ra..]) * b.at(&right[rank - rb..]);
        }
        sum
    })
}

pub(super) fn conv2d(x: &Array, weight: &Array, stride: usize, padding: usize) -> Array {
    let (height, width) = (x.shape[2], x.shape[3]);
    let (channels, kh, kw) = (weight.shape[1], weight.shape[2], weight.shape[3]);
    let out = |n: usize, kernel: usize| (n + 2 * padding - kernel) / stride + 1;
    Array::build(&[x.shape[0], weight.shape[0], out(height, kh), out(width, kw)], |i| {
        let mut sum = 0.0;
        for c in 0..channels {
            for dy in 0..kh {
                for dx in 0..kw {
                    let row = (i[2] * stride + dy).checked_sub(padding).filter(|&row| row < height);
                    let column = (i[3] * stride + dx).checked_sub(padding).filter(|&column| column < width);
                    if let (Some(row), Some(column)) = (row, column) {
                        sum += x.at(&[i[0], c, row, column]) * weight.at(&[i[1], c, dy, dx]);
                    }
                }
            }
        }
        sum
    })
}

pub(super) fn interpolate(x: &Array, height: usize, width: usize, mode: Interpolation) -> Array {
    let (h, w) = (x.shape[2], x.shape[3]);
    Array::build(&[x.shape[0], x.shape[1], height, width], |i| match mode {
        Interpolation::Nearest => x.at(&[i[0], i[1], i[2] * h / height, i[3] * w / width]),
        Interpolation::Bilinear => {
            let mut sum = 0.0;
            for (row, down) in neighbours(i[2], h, height) {
                for (column, across) in neighbours(i[3], w, width) {
                    sum += down * across * x.at(&[i[0], i[1], row, column]);
                }
            }
            sum
        }
    })
}

/// The two input pixels around an output pixel's centre, and their shares.
fn neighbours(i: usize, from: usize, to: usize) -> [(usize, f64); 2] {
    let at = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
    let first = at as usize;
    let share = at - first as f64;
    [(first.min(from - 1), 1.0 - share), ((first + 1).min(from - 1), share)]
}
