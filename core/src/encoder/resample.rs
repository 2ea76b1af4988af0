//! Positions of an encoder for images of another size.

use crate::tensor::{DType, HostTensor, Shape};
use crate::{Error, Result};

/// A learned position table [1, prefix + h w, D] or a relative one [(2h - 1)(2w - 1) + 3, heads] of square
/// grids, resampled to the shape of another square grid; none for other parameters, whose shapes have
/// to fit.
///
/// # Errors
/// A grid that isn't square.
pub fn resized_positions(name: &str, value: &HostTensor, wanted: &Shape) -> Result<Option<HostTensor>> {
    let relative = name.ends_with("relative_position_bias_table");
    let (rows, wanted_rows, width) = match (value.shape().dims(), wanted.dims()) {
        (&[1, rows, width], &[1, wanted, own]) if name.ends_with("pos_embed") && own == width => {
            (rows, wanted, width)
        }
        (&[rows, width], &[wanted, own]) if relative && own == width => (rows, wanted, width),
        _ => return Ok(None),
    };
    let side = |rows: usize, others: usize| {
        let side = (rows.saturating_sub(others) as f64).sqrt().round() as usize;
        (rows >= others && side * side + others == rows).then_some(side)
    };
    // A class token or none; three rows for the class token, behind the others.
    let others: &[usize] = if relative { &[3] } else { &[0, 1] };
    let sides = others.iter().find_map(|&n| Some((n, side(rows, n)?, side(wanted_rows, n)?)));
    let Some((others, from, to)) = sides else {
        return Err(Error::user(format!("`{name}` is {} and can't become {wanted}", value.shape()))
            .help("use images as high as wide"));
    };
    let values = value.clone().to_float(DType::F32)?.into_f32();
    let resampling = Resampling::Antialiased;
    let resampled = if relative {
        let (grid, kept) = values.split_at((rows - others) * width);
        let mut out = resample_positions(resampling, grid, width, 0, (from, from), (to, to));
        out.extend_from_slice(kept);
        out
    } else {
        resample_positions(resampling, &values, width, others, (from, from), (to, to))
    };
    HostTensor::f32(wanted.clone(), resampled).map(Some)
}

/// How a position table is resampled, all by `torch.nn.functional.interpolate` with `mode="bicubic"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resampling {
    /// With `antialias=True`: timm, and transformers' DINOv2 with registers.
    #[default]
    Antialiased,
    /// Without: transformers' ViT, ViTMAE, DINOv2 and SigLIP.
    Plain,
}

/// A position table [prefix + h w, width] for another grid, as timm's `resample_abs_pos_embed` makes it or as
/// transformers' `interpolate_pos_encoding` does: rows of prefix tokens stay.
pub fn resample_positions(
    resampling: Resampling,
    table: &[f32],
    width: usize,
    prefix: usize,
    from: (usize, usize),
    to: (usize, usize),
) -> Vec<f32> {
    let (kept, grid) = table.split_at(prefix * width);
    // One axis after the other, the columns first, as PyTorch does.
    let columns = along(resampling, grid, from.0, from.1, width, to.1);
    let rows = along(resampling, &columns, 1, from.0, to.1 * width, to.0);
    kept.iter().copied().chain(rows).collect()
}

/// Resamples the middle axis of [outer, from, inner] to `to` points.
fn along(
    resampling: Resampling,
    values: &[f32],
    outer: usize,
    from: usize,
    inner: usize,
    to: usize,
) -> Vec<f32> {
    let weights = match resampling {
        Resampling::Antialiased => antialiased,
        Resampling::Plain => plain,
    };
    let taps: Vec<(usize, Vec<f64>)> = (0..to).map(|i| weights(i, from, to)).collect();
    let mut out = Vec::with_capacity(outer * to * inner);
    for block in values.chunks(from * inner).take(outer) {
        for (first, weights) in &taps {
            out.extend((0..inner).map(|k| {
                let sum: f64 = weights
                    .iter()
                    .enumerate()
                    .map(|(j, weight)| weight * f64::from(block[(first + j) * inner + k]))
                    .sum();
                sum as f32
            }));
        }
    }
    out
}

/// The first point and the weights that point `i` of `to` is made of, out of `from` points.
fn antialiased(i: usize, from: usize, to: usize) -> (usize, Vec<f64>) {
    let scale = from as f64 / to as f64;
    // Where there are fewer points than before, the kernel grows with the distance between them.
    let stretch = scale.max(1.0);
    let centre = scale * (i as f64 + 0.5);
    let first = (centre - 2.0 * stretch + 0.5).max(0.0) as usize;
    let end = ((centre + 2.0 * stretch + 0.5) as usize).min(from);
    let raw: Vec<f64> = (first..end).map(|j| cubic((j as f64 - centre + 0.5) / stretch, -0.5)).collect();
    let sum: f64 = raw.iter().sum();
    (first, raw.into_iter().map(|weight| weight / sum).collect())
}

/// The same without a kernel that grows: four points, of which those beyond an edge are the edge's.
fn plain(i: usize, from: usize, to: usize) -> (usize, Vec<f64>) {
    let at = (i as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let floor = at.floor();
    let last = from - 1;
    let point = |j: i64| (floor as i64 + j).clamp(0, last as i64) as usize;
    let first = point(-1);
    let mut weights = vec![0.0; point(2) - first + 1];
    for j in -1..=2 {
        weights[point(j) - first] += cubic(j as f64 - (at - floor), -0.75);
    }
    (first, weights)
}

/// Keys' cubic convolution kernel (1981), of which PyTorch takes a = -1/2 where it antialiases, and -3/4 elsewhere.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(shape: &[usize]) -> HostTensor {
        let count: usize = shape.iter().product();
        HostTensor::f32(shape.to_vec(), (0..count).map(|i| (i as f32 * 0.7).sin()).collect()).expect("fits")
    }

    #[test]
    fn prefix_rows_stay_and_a_constant_stays_constant() {
        let old = table(&[1, 1 + 16, 4]);
        let wanted = Shape::from([1, 1 + 36, 4]);
        let new = resized_positions("pos_embed", &old, &wanted).expect("square").expect("a table");
        assert_eq!(new.shape(), &wanted);
        assert_eq!(new.into_f32()[..4], old.into_f32()[..4]);
        let relative = HostTensor::f32([49 + 3, 2], vec![0.3; 104]).expect("fits");
        let name = "rel_pos_bias.relative_position_bias_table";
        let new = resized_positions(name, &relative, &Shape::from([121 + 3, 2])).expect("square");
        assert!(new.expect("a table").into_f32().iter().all(|v| (v - 0.3).abs() < 1e-6));
    }

    #[test]
    fn what_is_no_table_or_not_square() {
        let value = table(&[4, 4]);
        assert_eq!(resized_positions("norm.weight", &value, &Shape::from([5, 4])).expect("none"), None);
        let text = resized_positions("pos_embed", &table(&[1, 17, 4]), &Shape::from([1, 19, 4]))
            .expect_err("not square")
            .to_string();
        assert!(text.contains("`pos_embed` is [1, 17, 4] and can't become [1, 19, 4]"), "{text}");
    }
}
