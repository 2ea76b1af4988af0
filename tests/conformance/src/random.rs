//! Random operations: moments, range, and the same values after the same seed.

use palimpsest_core::tensor::{Op, OpKind};
use palimpsest_core::{DType, DeviceHandle, Error, Result, Shape};

use crate::array::Array;
use crate::outcome::Outcome;
use crate::subject::{Subject, call};

/// Enough that a moment's standard error is below a hundredth.
const COUNT: [usize; 2] = [64, 1024];
/// Standard errors: a sound generator is beyond them once in a million seeds, and the seed is fixed.
const SPREAD: f64 = 5.0;

type Check = fn(&DeviceHandle, &Op) -> Result<f64>;

pub(crate) fn test(subject: &mut Subject<'_>, kind: OpKind, dtype: DType) -> Vec<Outcome> {
    let n = COUNT.iter().product::<usize>() as f64;
    let normal = kind == OpKind::RandomNormal;
    // A moment's variance over the number of values.
    let spread = |variance: f64| SPREAD * (variance / n).sqrt();
    let mut checks: Vec<(&str, Check, f64)> = vec![
        ("the same seed, the same values", same_seed, 0.0),
        ("another seed, other values", other_seed, 0.0),
        ("two draws differ", two_draws, 0.0),
        ("nothing and one", shapes, 0.0),
    ];
    if normal {
        checks.push(("mean", |p, op| moment(p, op, |x| x, 0.0), spread(1.0)));
        checks.push(("variance", |p, op| moment(p, op, |x| x * x, 1.0), spread(2.0)));
        checks.push(("skewness", |p, op| moment(p, op, |x| x.powi(3), 0.0), spread(15.0)));
        checks.push((
            "kurtosis",
            |p, op| moment(p, op, |x| x.powi(4), 3.0),
            spread(96.0) + short_tail(dtype),
        ));
    } else {
        checks.push(("range", range, 0.0));
        checks.push(("mean", |p, op| moment(p, op, |x| x, 0.5), spread(1.0 / 12.0) + coarseness(dtype)));
        checks.push((
            "second moment",
            |p, op| moment(p, op, |x| x * x, 1.0 / 3.0),
            spread(4.0 / 45.0) + coarseness(dtype),
        ));
    }
    checks.push(("neighbours", if normal { normal_neighbours } else { uniform_neighbours }, spread(1.0)));
    checks
        .into_iter()
        .map(|(name, check, limit)| {
            let (error, failure) = match subject.guard(|device| check(device, &op(kind, &COUNT, dtype))) {
                Ok(error) => (error, None),
                Err(error) => (f64::INFINITY, Some(error.to_string())),
            };
            Outcome { operation: kind.name(), dtype, case: name.to_owned(), error, limit, failure }
        })
        .collect()
}

/// Uniform bfloat16 values may be multiples of 2^-8, rounded down: the mean shifts by half of one.
fn coarseness(dtype: DType) -> f64 {
    if dtype == DType::Bf16 { 2f64.powi(-8) } else { 0.0 }
}

/// Normal bfloat16 values may be made of uniform ones of eight bits by Box and Muller's formula: none is beyond
/// sqrt(2 ln 2^8) = 3.3, which takes 0.2 off the fourth moment.
fn short_tail(dtype: DType) -> f64 {
    if dtype == DType::Bf16 { 0.2 } else { 0.0 }
}

fn op(kind: OpKind, shape: &[usize], dtype: DType) -> Op {
    let shape = Shape::from(shape);
    match kind {
        OpKind::RandomUniform => Op::RandomUniform { shape, dtype },
        _ => Op::RandomNormal { shape, dtype },
    }
}

/// The values after a seed, and those after them.
fn draw(device: &DeviceHandle, op: &Op, seed: u64) -> Result<[Array; 2]> {
    device.backend.seed(seed);
    let one = || {
        let mut made = call(device, op, vec![])?;
        match made.pop() {
            Some(host) if made.is_empty() => Ok(Array::of(host)),
            _ => Err(Error::failure("not one result")),
        }
    };
    Ok([one()?, one()?])
}

/// 0 where the claim holds.
fn holds(claim: bool, otherwise: &str) -> Result<f64> {
    if claim { Ok(0.0) } else { Err(Error::failure(otherwise)) }
}

fn same_seed(device: &DeviceHandle, op: &Op) -> Result<f64> {
    holds(draw(device, op, 7)? == draw(device, op, 7)?, "the values differ")
}

fn other_seed(device: &DeviceHandle, op: &Op) -> Result<f64> {
    holds(draw(device, op, 7)?[0] != draw(device, op, 8)?[0], "the values are the same")
}

fn two_draws(device: &DeviceHandle, op: &Op) -> Result<f64> {
    let [first, second] = draw(device, op, 7)?;
    holds(first != second, "the values are the same")
}

fn shapes(device: &DeviceHandle, like: &Op) -> Result<f64> {
    let (Op::RandomNormal { dtype, .. } | Op::RandomUniform { dtype, .. }) = *like else {
        return Err(Error::failure("not a random operation"));
    };
    for shape in [&[][..], &[2, 0], &[1, 7, 1]] {
        let made = &draw(device, &op(like.kind(), shape, dtype), 7)?[0];
        holds(made.shape == shape, &format!("shape {:?} where {shape:?} is due", made.shape))?;
    }
    Ok(0.0)
}

fn range(device: &DeviceHandle, op: &Op) -> Result<f64> {
    let [values, _] = draw(device, op, 7)?;
    match values.data.iter().find(|value| !(0.0..1.0).contains(*value)) {
        Some(value) => Err(Error::failure(format!("{value} is outside [0, 1)"))),
        None => Ok(0.0),
    }
}

fn moment(device: &DeviceHandle, op: &Op, power: fn(f64) -> f64, due: f64) -> Result<f64> {
    let [values, _] = draw(device, op, 7)?;
    let mean = values.data.iter().map(|&x| power(x)).sum::<f64>() / values.data.len() as f64;
    Ok((mean - due).abs())
}

fn normal_neighbours(device: &DeviceHandle, op: &Op) -> Result<f64> {
    correlation(device, op, 0.0, 1.0)
}

fn uniform_neighbours(device: &DeviceHandle, op: &Op) -> Result<f64> {
    correlation(device, op, 0.5, 1.0 / 12.0)
}

/// The correlation of each value with the next.
fn correlation(device: &DeviceHandle, op: &Op, mean: f64, variance: f64) -> Result<f64> {
    let [values, _] = draw(device, op, 7)?;
    let products = values.data.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean));
    Ok((products.sum::<f64>() / (values.data.len() - 1) as f64 / variance).abs())
}
