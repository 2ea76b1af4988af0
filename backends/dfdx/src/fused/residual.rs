//! A residual branch with LayerScale and drop path: x + y * gain * keep.

use palimpsest_kernels::vectorised;

use crate::dense::Dense;
use crate::engine::HostEngine;
use crate::real::Real;
use crate::value::Var;

/// x and y [b, n, d], gain [d], keep [b, 1, 1].
pub(super) fn run<E: Real, H: HostEngine<E>>(
    x: Var<E, H>,
    y: Var<E, H>,
    gain: Option<Var<E, H>>,
    keep: Option<Var<E, H>>,
) -> Var<E, H> {
    let (gain, to_gain) = gain.map_or((None, None), |x| (Some(x.dense), x.node));
    let (keep, to_keep) = keep.map_or((None, None), |x| (Some(x.dense), x.node));
    let nodes = vec![x.node, y.node, to_gain, to_keep];
    let branch = y.dense;
    let shape = branch.shape().clone();
    let (rows, d) = (shape[1], shape[2]);
    let factors = Factors { gain: gain.map(|x| x.to_vec()), keep: keep.map(|x| x.to_vec()), rows, d };
    let elements = branch.to_vec();
    let sum = x.dense.rewrite(d, &|at, part| {
        for (i, (x, y)) in part.chunks_exact_mut(d).zip(elements[at..].chunks_exact(d)).enumerate() {
            add_scaled(x, y, factors.gain.as_deref(), factors.keep(at / d + i));
        }
    });
    Var::recorded_many(nodes, sum, move |dy, wanted| {
        let dx = Some(dy.clone());
        let branch_gradient = wanted[1].then(|| {
            if factors.gain.is_none() && factors.keep.is_none() {
                return dy.clone();
            }
            dy.clone().rewrite(d, &|at, part| {
                for (i, dy) in part.chunks_exact_mut(d).enumerate() {
                    scale(dy, factors.gain.as_deref(), factors.keep(at / d + i));
                }
            })
        });
        let dgain = wanted[2].then(|| {
            let product = dy.clone().times(branch.clone());
            let kept = match &factors.keep {
                Some(keep) => product.times(keep_tensor(&dy, keep)),
                None => product,
            };
            kept.sum_to(&[d].into())
        });
        let dkeep = wanted[3].then(|| {
            let product = dy.clone().times(branch.clone());
            let scaled = match &factors.gain {
                Some(gain) => product.times(dy.beside(gain.clone(), [d])),
                None => product,
            };
            scaled.sum(&[1, 2])
        });
        vec![dx, branch_gradient, dgain, dkeep]
    })
}

fn keep_tensor<E: Real, H: HostEngine<E>>(beside: &Dense<E, H>, keep: &[E]) -> Dense<E, H> {
    beside.beside(keep.to_vec(), [keep.len(), 1, 1])
}

struct Factors<E> {
    gain: Option<Vec<E>>,
    keep: Option<Vec<E>>,
    rows: usize,
    d: usize,
}

impl<E: Real> Factors<E> {
    /// The keep factor of a row of all samples'.
    fn keep(&self, row: usize) -> E {
        debug_assert!(self.d > 0);
        self.keep.as_ref().map_or(E::of(1.0), |keep| keep[row / self.rows])
    }
}

vectorised! {
    fn add_scaled<T: Real>(x: &mut [T], y: &[T], gain: Option<&[T]>, keep: T) {
        match gain {
            Some(gain) => {
                for ((x, &y), &gain) in x.iter_mut().zip(y).zip(gain) {
                    *x += y * gain * keep;
                }
            }
            None => {
                for (x, &y) in x.iter_mut().zip(y) {
                    *x += y * keep;
                }
            }
        }
    }

    fn scale<T: Real>(x: &mut [T], gain: Option<&[T]>, keep: T) {
        match gain {
            Some(gain) => {
                for (x, &gain) in x.iter_mut().zip(gain) {
                    *x *= gain * keep;
                }
            }
            None => {
                for x in x {
                    *x *= keep;
                }
            }
        }
    }
}
