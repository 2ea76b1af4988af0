//! Mean cross-entropy of logits [b, c] against labels [b], with label smoothing.

use palimpsest_core::{Error, Result};
use palimpsest_kernels::{piece, row, vectorised};

use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::real::Real;
use crate::value::{Discrete, Var};

/// # Errors
/// A label is no class.
pub(super) fn run<E: Real, H: HostEngine<E>>(
    logits: Var<E, H>,
    labels: &Discrete<i64>,
    smoothing: f64,
) -> Result<Var<E, H>> {
    let x = logits.dense;
    let (rows, classes) = (x.shape()[0], x.width());
    let class = |&label: &i64| {
        let class = usize::try_from(label).ok().filter(|&class| class < classes);
        class.ok_or_else(|| Error::failure(format!("cross-entropy: label {label} of {classes} classes")))
    };
    let labels = labels.data.iter().map(class).collect::<Result<Vec<_>>>()?;
    // Probabilities take the logits' place; the rows' losses come out.
    let mut p = x.to_vec();
    let piece = piece::size(classes);
    let losses: Vec<f64> = pieces::each_with(&mut p, piece, &|at, part| {
        part.chunks_exact_mut(classes)
            .zip(&labels[at / classes..])
            .map(|(row, &label)| loss(row, label, smoothing))
            .sum()
    });
    let mean = losses.iter().sum::<f64>() / rows as f64;
    let (y, shape) = (x.beside(vec![E::of(mean)], []), x.shape().clone());
    Ok(Var::recorded([logits.node], y, move |dy, _| {
        let share = dy.to_vec()[0].wide() / rows as f64;
        let uniform = smoothing / classes as f64;
        pieces::each(&mut p, piece, &|at, part| {
            for (row, &label) in part.chunks_exact_mut(classes).zip(&labels[at / classes..]) {
                scale(row, E::of(share), E::of(uniform * share));
                row[label] = E::of(row[label].wide() - (1.0 - smoothing) * share);
            }
        });
        [Some(dy.beside(p, shape))]
    }))
}

vectorised! {
    /// Replaces a row of logits by its probabilities; returns its loss.
    fn loss<T: Real>(x: &mut [T], label: usize, smoothing: f64) -> f64 {
        let picked = x[label].wide();
        let mean = if smoothing == 0.0 { 0.0 } else { row::sum(x, |x| x).wide() / x.len() as f64 };
        row::softmax(x).wide() - (1.0 - smoothing) * picked - smoothing * mean
    }

    fn scale<T: Real>(p: &mut [T], factor: T, shift: T) {
        for p in p {
            *p = *p * factor - shift;
        }
    }
}
