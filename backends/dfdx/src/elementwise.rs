//! Elementwise operations on floats, with their derivatives.

use palimpsest_core::tensor::Op;

use crate::dense::Dense;
use crate::engine::Engine;
use crate::real::Real;
use crate::value::Var;

impl<E: Real, H: Engine<E>> Dense<E, H> {
    /// x * factor
    pub(crate) fn scale(self, factor: f64) -> Self {
        self.map(|x| x * E::of(factor))
    }

    /// x + addend
    pub(crate) fn shift(self, addend: f64) -> Self {
        self.map(|x| x + E::of(addend))
    }

    /// -x
    pub(crate) fn negated(self) -> Self {
        self.map(|x| x.negate())
    }

    /// a + b, broadcast.
    pub(crate) fn plus(self, other: Self) -> Self {
        self.combine(other, |a, b| a + b, |a, b| a + b)
    }

    /// a - b, broadcast.
    pub(crate) fn minus(self, other: Self) -> Self {
        self.combine(other, |a, b| a - b, |a, b| a - b)
    }

    /// a * b, broadcast.
    pub(crate) fn times(self, other: Self) -> Self {
        self.combine(other, |a, b| a * b, |a, b| a * b)
    }

    /// a / b, broadcast.
    pub(crate) fn over(self, other: Self) -> Self {
        self.combine(other, |a, b| a / b, |a, b| a / b)
    }

    /// Each element by `f` of it and the element of `other` at its place.
    pub(crate) fn zip(self, other: &Self, f: impl Fn(E, E) -> E + Sync) -> Self {
        let other = other.to_vec();
        self.rewrite(1, &|at, part| {
            for (x, &y) in part.iter_mut().zip(&other[at..]) {
                *x = f(*x, y);
            }
        })
    }
}

/// An operation on one tensor; `None` if `op` is none.
pub(crate) fn unary<E: Real, H: Engine<E>>(op: &Op, x: Var<E, H>) -> Option<Var<E, H>> {
    let Var { dense: x, node } = x;
    let nodes = [node];
    Some(match *op {
        Op::Neg => Var::recorded(nodes, x.negated(), |dy, _| [Some(dy.negated())]),
        Op::Exp => {
            let y = x.map(|x| x.exp());
            Var::recorded(nodes, y.clone(), |dy, _| [Some(dy.times(y))])
        }
        Op::Log => Var::recorded(nodes, x.clone().map(|x| x.ln()), |dy, _| [Some(dy.over(x))]),
        Op::Sqrt => {
            let y = x.map(|x| x.sqrt());
            Var::recorded(nodes, y.clone(), |dy, _| [Some(dy.over(y).scale(0.5))])
        }
        Op::Tanh => {
            let y = x.map(|x| x.tanh());
            Var::recorded(nodes, y.clone(), |dy, _| {
                [Some(y.map(|y| y.square()).negated().shift(1.0).times(dy))]
            })
        }
        Op::Erf => {
            // dfdx has none by itself.
            let y = match H::HOST {
                true => x.clone().rewrite(1, &|_, part| {
                    for x in part {
                        *x = E::of(libm::erf(x.wide()));
                    }
                }),
                false => x.clone().erf_there(),
            };
            Var::recorded(nodes, y, |dy, _| {
                let bell = x.map(|x| (x.square() * E::of(-1.0)).exp());
                [Some(bell.scale(std::f64::consts::FRAC_2_SQRT_PI).times(dy))]
            })
        }
        Op::Abs => Var::recorded(nodes, x.clone().map(|x| x.abs()), move |dy, _| {
            // dfdx's own derivative at 0 is not 0.
            [Some(dy.zip(&x, |dy, x| {
                if x > E::ZERO {
                    dy
                } else if x < E::ZERO {
                    -dy
                } else {
                    E::ZERO
                }
            }))]
        }),
        Op::Sin => {
            Var::recorded(nodes, x.clone().map(|x| x.sin()), |dy, _| [Some(x.map(|x| x.cos()).times(dy))])
        }
        Op::Cos => Var::recorded(nodes, x.clone().map(|x| x.cos()), |dy, _| {
            [Some(x.map(|x| x.sin()).negated().times(dy))]
        }),
        Op::AddScalar { value } => Var::recorded(nodes, x.shift(value), |dy, _| [Some(dy)]),
        Op::MulScalar { value } => Var::recorded(nodes, x.scale(value), move |dy, _| [Some(dy.scale(value))]),
        Op::PowScalar { value } => Var::recorded(nodes, power(x.clone(), value), move |dy, _| {
            if value == 0.0 {
                return [Some(dy.scale(0.0))];
            }
            [Some(power(x, value - 1.0).scale(value).times(dy))]
        }),
        Op::Clamp { min, max } => Var::recorded(nodes, x.clone().map(|x| x.clamp(min, max)), move |dy, _| {
            let (min, max) = (E::of(min), E::of(max));
            [Some(dy.zip(&x, |dy, x| if x < min || x > max { E::ZERO } else { dy }))]
        }),
        _ => return None,
    })
}

fn power<E: Real, H: Engine<E>>(x: Dense<E, H>, exponent: f64) -> Dense<E, H> {
    match exponent {
        1.0 => x,
        2.0 => x.map(|x| x.square()),
        _ => x.map(|x| x.powf(exponent)),
    }
}

/// An operation on two tensors, broadcast; `None` if `op` is none.
///
/// Their derivatives are this crate's: dfdx's own panic where both sides are one tensor.
pub(crate) fn binary<E: Real, H: Engine<E>>(op: &Op, a: Var<E, H>, b: Var<E, H>) -> Option<Var<E, H>> {
    let nodes = [a.node, b.node];
    let (a, b) = (a.dense, b.dense);
    let (left, right) = (a.shape().clone(), b.shape().clone());
    Some(match op {
        Op::Add => Var::recorded(nodes, a.plus(b), move |dy, wanted| {
            [wanted[0].then(|| dy.clone().sum_to(&left)), wanted[1].then(|| dy.sum_to(&right))]
        }),
        Op::Sub => Var::recorded(nodes, a.minus(b), move |dy, wanted| {
            [wanted[0].then(|| dy.clone().sum_to(&left)), wanted[1].then(|| dy.sum_to(&right).negated())]
        }),
        Op::Mul => Var::recorded(nodes, a.clone().times(b.clone()), move |dy, wanted| {
            [
                wanted[0].then(|| dy.clone().times(b).sum_to(&left)),
                wanted[1].then(|| dy.times(a).sum_to(&right)),
            ]
        }),
        Op::Div => Var::recorded(nodes, a.clone().over(b.clone()), move |dy, wanted| {
            let da = dy.over(b.clone());
            [
                wanted[0].then(|| da.clone().sum_to(&left)),
                wanted[1].then(|| da.times(a).over(b).sum_to(&right).negated()),
            ]
        }),
        _ => return None,
    })
}
