//! Positions at another size of pictures: tables that were learned on one grid of patches, resampled to
//! another, as MAE does for absolute positions (`interpolate_pos_embed`) and SimMIM for relative ones
//! (`load_pretrained`): bicubic, prefix tokens left as they are.

use crate::geometry::Geometry;
use crate::params::ParamSpec;
use crate::tensor::HostTensor;
use crate::{Error, Result};

/// A table of positions for the encoder's grid; none for a parameter that is no such table, or of a grid
/// that isn't square.
///
/// # Errors
/// Values that don't fill their shape.
pub fn resampled(spec: &ParamSpec, value: &HostTensor, geometry: &Geometry) -> Result<Option<HostTensor>> {
    let shape = value.shape().dims().to_vec();
    let values = value.clone().into_f32();
    let [h, w] = [geometry.grid_h(), geometry.grid_w()];
    let (rows, width, ends, to) = match *shape.as_slice() {
        // [1, P + L, D], the prefix first
        [1, rows, width] if spec.name == "pos_embed" => (rows, width, [geometry.prefix, 0], (h, w)),
        // [(2h - 1)(2w - 1) + 3, heads], the prefix's rows last
        [rows, width] if spec.name.starts_with("rel_pos_bias.") => {
            (rows, width, [0, 3], (2 * h - 1, 2 * w - 1))
        }
        _ => return Ok(None),
    };
    let grid = rows.saturating_sub(ends[0] + ends[1]);
    let side = grid.isqrt();
    if side == 0 || side * side != grid || spec.shape.count() != (to.0 * to.1 + ends[0] + ends[1]) * width {
        return Ok(None);
    }
    let (front, rest) = values.split_at(ends[0] * width);
    let (middle, back) = rest.split_at(grid * width);
    let middle = bicubic(middle, (side, side), to, width);
    let all: Vec<f32> = [front, &middle, back].concat();
    HostTensor::f32(spec.shape.clone(), all).map(Some).map_err(|e: Error| e.at(&spec.name))
}

/// [h, w, width] resampled to another height and width: cubic convolution with a = -0.75, pixel centres at
/// half integers, the border repeated (PyTorch's `bicubic` without aligned corners).
pub fn bicubic(values: &[f32], from: (usize, usize), to: (usize, usize), width: usize) -> Vec<f32> {
    let down = along(values, [1, from.0, from.1 * width], to.0);
    along(&down, [to.0, from.1, width], to.1)
}

/// [outer, n, inner] resampled along the middle axis.
fn along(values: &[f32], [outer, n, inner]: [usize; 3], to: usize) -> Vec<f32> {
    let mut out = vec![0.0; outer * to * inner];
    for i in 0..to {
        let at = (i as f64 + 0.5) * n as f64 / to as f64 - 0.5;
        let first = at.floor();
        for tap in -1..=2 {
            let weight = cubic(at - (first + f64::from(tap))) as f32;
            let from = (first as i64 + i64::from(tap)).clamp(0, n as i64 - 1) as usize;
            for o in 0..outer {
                let source = &values[(o * n + from) * inner..][..inner];
                let target = &mut out[(o * to + i) * inner..][..inner];
                target.iter_mut().zip(source).for_each(|(t, s)| *t += weight * s);
            }
        }
    }
    out
}

/// The cubic convolution kernel (Keys 1981) with PyTorch's a.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.75;
    let x = x.abs();
    if x <= 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}
