//! Functions of one, two or three elements.

use palimpsest_core::tensor::Op;

use super::erf;
use crate::array::{Array, broadcast};

/// A function of one element.
pub(super) fn unary(op: &Op) -> impl Fn(f64) -> f64 {
    let op = op.clone();
    move |x| match op {
        Op::Neg => -x,
        Op::Exp => x.exp(),
        Op::Log => x.ln(),
        Op::Sqrt => x.sqrt(),
        Op::Tanh => x.tanh(),
        Op::Erf => erf(x),
        Op::Abs => x.abs(),
        Op::Sin => x.sin(),
        Op::Cos => x.cos(),
        Op::AddScalar { value } => x + value,
        Op::MulScalar { value } => x * value,
        Op::PowScalar { value } => x.powf(value),
        Op::Clamp { min, max } => x.clamp(min, max),
        Op::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Op::Silu => x / (1.0 + (-x).exp()),
        ref other => unreachable!("{other:?} is no function of one element"),
    }
}

/// A function of two elements.
pub(super) fn binary(op: &Op) -> impl Fn(f64, f64) -> f64 {
    let op = op.clone();
    let truth = |holds: bool| f64::from(u8::from(holds));
    move |a, b| match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::Equal => truth(a == b),
        Op::Less => truth(a < b),
        Op::Lerp { weight } => a + weight * (b - a),
        ref other => unreachable!("{other:?} is no function of two elements"),
    }
}

pub(super) fn where_(condition: &Array, a: &Array, b: &Array) -> Array {
    let shape = broadcast(&[condition, a, b]);
    Array::build(&shape, |i| if condition.at(i) == 0.0 { b.at(i) } else { a.at(i) })
}
