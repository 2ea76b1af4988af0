//! -sum p ln p over the last axis, kept; 0 ln 0 = 0.

use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::kernels::row;
use crate::kernels::vectorised::vectorised;
use crate::real::Real;
use crate::value::Var;

pub(super) fn run<E: Real, H: HostEngine<E>>(p: Var<E, H>) -> Var<E, H> {
    let x = p.dense;
    let n = x.width();
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = 1;
    }
    let elements = x.to_vec();
    let mut out = vec![E::ZERO; shape.iter().product()];
    let group = pieces::piece(n) / n.max(1);
    pieces::each(&mut out, group, &|at, part| forward(part, &elements[at * n..], n));
    Var::recorded([p.node], x.beside(out, shape), move |dy, _| {
        let gradient = dy.to_vec();
        [Some(x.rewrite(n, &|at, part| backward(part, &gradient[at / n..], n)))]
    })
}

vectorised! {
    fn forward<T: Real>(out: &mut [T], p: &[T], n: usize) {
        if n == 0 {
            return;
        }
        for (out, p) in out.iter_mut().zip(p.chunks_exact(n)) {
            *out = -row::sum(p, |p| p * floored(p).logarithm());
        }
    }

    /// Replaces probabilities by their gradients.
    fn backward<T: Real>(p: &mut [T], dy: &[T], n: usize) {
        for (p, &dy) in p.chunks_exact_mut(n).zip(dy) {
            for p in p {
                // At the floor only the factor p varies.
                let slope = if *p < T::FLOOR { T::ZERO } else { T::ONE };
                *p = -dy * (floored(*p).logarithm() + slope);
            }
        }
    }
}

#[inline(always)]
fn floored<T: Real>(p: T) -> T {
    if p < T::FLOOR { T::FLOOR } else { p }
}
