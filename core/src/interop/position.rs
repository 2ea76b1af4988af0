//! Position tables for another grid of patches.

/// A position table [prefix + h w, width] for another grid, as timm's `resample_abs_pos_embed` makes it
/// (`torch.nn.functional.interpolate` with `mode="bicubic"`, `antialias=True`): rows of prefix tokens
/// stay.
pub fn resample_positions(
    table: &[f32],
    width: usize,
    prefix: usize,
    from: (usize, usize),
    to: (usize, usize),
) -> Vec<f32> {
    let (kept, grid) = table.split_at(prefix * width);
    // One axis after the other, the columns first, as PyTorch does.
    let columns = along(grid, from.0, from.1, width, to.1);
    let rows = along(&columns, 1, from.0, to.1 * width, to.0);
    kept.iter().copied().chain(rows).collect()
}

/// Resamples the middle axis of [outer, from, inner] to `to` points.
fn along(values: &[f32], outer: usize, from: usize, inner: usize, to: usize) -> Vec<f32> {
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
fn weights(i: usize, from: usize, to: usize) -> (usize, Vec<f64>) {
    let scale = from as f64 / to as f64;
    // Where there are fewer points than before, the kernel grows with the distance between them.
    let stretch = scale.max(1.0);
    let centre = scale * (i as f64 + 0.5);
    let first = (centre - 2.0 * stretch + 0.5).max(0.0) as usize;
    let end = ((centre + 2.0 * stretch + 0.5) as usize).min(from);
    let raw: Vec<f64> = (first..end).map(|j| cubic((j as f64 - centre + 0.5) / stretch)).collect();
    let sum: f64 = raw.iter().sum();
    (first, raw.into_iter().map(|weight| weight / sum).collect())
}

/// Keys' cubic convolution kernel (1981) with a = -1/2, which PyTorch takes where it antialiases.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}
