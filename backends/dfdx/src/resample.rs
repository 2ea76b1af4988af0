//! Images in another resolution.

use palimpsest_core::tensor::Interpolation;

use crate::engine::Engine;
use crate::real::Real;
use crate::value::Var;

/// The two entries that an output place is between, and the share of the second.
#[derive(Clone, Copy)]
struct Between {
    first: usize,
    second: usize,
    share: f64,
}

/// Where the entries of an axis come from, with pixel centres at half integers.
fn sources(from: usize, to: usize, mode: Interpolation) -> Vec<Between> {
    (0..to)
        .map(|i| match mode {
            Interpolation::Nearest => {
                let first = i * from / to;
                Between { first, second: first, share: 0.0 }
            }
            Interpolation::Bilinear => {
                let at = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
                let first = (at as usize).min(from - 1);
                Between { first, second: (first + 1).min(from - 1), share: at - at.floor() }
            }
        })
        .collect()
}

/// Calls `f` with an output place, a source place and the share of the source in the output.
fn each(rows: &[Between], columns: &[Between], width: usize, mut f: impl FnMut(usize, usize, f64)) {
    for (y, row) in rows.iter().enumerate() {
        for (x, column) in columns.iter().enumerate() {
            let to = y * columns.len() + x;
            for (row, dy) in [(row.first, 1.0 - row.share), (row.second, row.share)] {
                for (column, dx) in [(column.first, 1.0 - column.share), (column.second, column.share)] {
                    if dy * dx != 0.0 {
                        f(to, row * width + column, dy * dx);
                    }
                }
            }
        }
    }
}

/// [b, c, h, w] -> [b, c, height, width]
pub(crate) fn interpolate<E: Real, H: Engine<E>>(
    x: Var<E, H>,
    height: usize,
    width: usize,
    mode: Interpolation,
) -> Var<E, H> {
    let before = x.dense.shape().clone();
    let (planes, size, out) = (before[0] * before[1], before[2] * before[3], height * width);
    let rows = sources(before[2], height, mode);
    let columns = sources(before[3], width, mode);
    let source = x.dense.to_vec();
    let mut elements = vec![E::ZERO; planes * out];
    for plane in 0..planes {
        each(&rows, &columns, before[3], |to, from, share| {
            elements[plane * out + to] += source[plane * size + from] * E::of(share);
        });
    }
    let y = x.dense.beside(elements, [before[0], before[1], height, width]);
    Var::recorded([x.node], y, move |dy, _| {
        let gradient = dy.to_vec();
        let mut dx = vec![E::ZERO; before.count()];
        for plane in 0..planes {
            each(&rows, &columns, before[3], |to, from, share| {
                dx[plane * size + from] += gradient[plane * out + to] * E::of(share);
            });
        }
        [Some(dy.beside(dx, before))]
    })
}
