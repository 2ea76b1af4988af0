//! From an operation on values to the engine that runs it.

use burn_autodiff::Autodiff;
use burn_backend::{Distribution, FloatDType, Scalar};
use palimpsest_core::tensor::{DType, Op};
use palimpsest_core::{Error, Result, Shape};

use crate::discrete::{self, Kind};
use crate::engine::{DeviceTypes, Engine, Recorded, Tensor};
use crate::value::{Value, burn_shape, burn_type};
use crate::{primitive, recording};

/// Runs an operation.
pub(crate) fn execute<E: Engine>(
    op: &Op,
    inputs: Vec<Value<E>>,
    types: &DeviceTypes<E>,
) -> Result<Vec<Value<E>>> {
    if op.kind().is_fused() && !matches!(op, Op::Lerp { .. }) {
        return E::fused(op, inputs);
    }
    let output = match op {
        Op::Full { shape, value, dtype } => Value::plain(full(shape, *value, *dtype, types)),
        Op::RandomNormal { shape, dtype } => random(shape, *dtype, Distribution::Normal(0.0, 1.0), types),
        Op::RandomUniform { shape, dtype } => random(shape, *dtype, Distribution::Uniform(0.0, 1.0), types),
        Op::Equal | Op::Less | Op::Argmax { .. } | Op::Argsort { .. } => {
            Value::plain(without_gradient(op, inputs, types)?)
        }
        Op::Cast { dtype } if !dtype.is_float() => Value::plain(without_gradient(op, inputs, types)?),
        Op::Where => where_(op, inputs, types)?,
        Op::Cast { dtype }
            if let [x] = inputs.as_slice()
                && let Some(y) = E::cast(x, *dtype) =>
        {
            y
        }
        _ => match inputs.first() {
            None => return Err(Error::failure(format!("{}: no input", op.kind().name()))),
            Some(Value::Int(_)) => discrete_run(op, inputs, false, types)?,
            Some(Value::Bool(_)) => discrete_run(op, inputs, true, types)?,
            Some(_) => differentiable(op, inputs, types)?,
        },
    };
    Ok(vec![output])
}

fn full<E: Engine>(shape: &Shape, value: f64, dtype: DType, types: &DeviceTypes<E>) -> Tensor<E> {
    let extents = burn_shape(shape);
    match dtype {
        DType::I64 => E::int_full(extents, Scalar::Int(value as i64), &types.device, types.ints),
        DType::Bool if value != 0.0 => E::bool_ones(extents, &types.device, types.bools),
        DType::Bool => E::bool_zeros(extents, &types.device, types.bools),
        _ => {
            let dtype = FloatDType::from(burn_type(dtype));
            E::float_full(extents, Scalar::Float(value), &types.device, dtype)
        }
    }
}

fn random<E: Engine>(
    shape: &Shape,
    dtype: DType,
    distribution: Distribution,
    types: &DeviceTypes<E>,
) -> Value<E> {
    let kind = FloatDType::from(burn_type(dtype));
    let mut drawn = E::float_random(burn_shape(shape), distribution, &types.device, kind);
    if dtype == DType::Bf16 && matches!(distribution, Distribution::Uniform(..)) {
        // burn rounds to the nearest, which may be 1; this is the next below.
        drawn =
            E::float_clamp_max(drawn, Scalar::Float(1.0 - f64::from(f32::from(half::bf16::EPSILON)) / 2.0));
    }
    Value::Plain(drawn)
}

fn discrete_run<E: Engine>(
    op: &Op,
    inputs: Vec<Value<E>>,
    bools: bool,
    types: &DeviceTypes<E>,
) -> Result<Value<E>> {
    let inputs = inputs.into_iter().map(Value::into_inner).collect();
    discrete::run::<E>(op, inputs, bools, types).map(Value::plain)
}

/// Operations on whose result no gradient can depend.
fn without_gradient<E: Engine>(op: &Op, inputs: Vec<Value<E>>, types: &DeviceTypes<E>) -> Result<Tensor<E>> {
    match inputs.first() {
        Some(Value::Int(_)) => return Ok(discrete_run(op, inputs, false, types)?.into_inner()),
        Some(Value::Bool(_)) => return Ok(discrete_run(op, inputs, true, types)?.into_inner()),
        _ => {}
    }
    let mut inputs = inputs.into_iter().map(Value::into_inner);
    let wrong = || Error::failure(format!("{}: wrong number of inputs", op.kind().name()));
    let x = inputs.next().ok_or_else(wrong)?;
    let mut pair =
        |x| inputs.next().map(|y| discrete::broadcast::<E, 2>([x, y], Kind::Float)).ok_or_else(wrong);
    Ok(match op {
        Op::Equal => {
            let [a, b] = pair(x)?;
            E::float_equal(a, b, types.bools)
        }
        Op::Less => {
            let [a, b] = pair(x)?;
            E::float_lower(a, b, types.bools)
        }
        Op::Argmax { axis } => E::float_argmax(x, *axis, types.ints),
        Op::Argsort { axis, descending } => E::argsort(x, *axis, *descending, types)?,
        Op::Cast { dtype: DType::I64 } => E::float_into_int(x, types.ints),
        _ => E::float_not_equal_elem(x, Scalar::Float(0.0), types.bools),
    })
}

fn where_<E: Engine>(op: &Op, inputs: Vec<Value<E>>, types: &DeviceTypes<E>) -> Result<Value<E>> {
    match <[Value<E>; 3]>::try_from(inputs) {
        Ok([Value::Bool(condition), Value::Int(a), Value::Int(b)]) => {
            Ok(Value::Int(discrete::where_::<E>(condition, a, b, Kind::Int)))
        }
        Ok([Value::Bool(condition), Value::Bool(a), Value::Bool(b)]) => {
            Ok(Value::Bool(discrete::where_::<E>(condition, a, b, Kind::Bool)))
        }
        Ok(inputs) => differentiable(op, inputs.into(), types),
        Err(_) => Err(Error::failure("where: wrong number of inputs")),
    }
}

/// Runs an operation that a gradient can flow through: recorded if any input is tracked and
/// recording is on, else on the plain tensors.
fn differentiable<E: Engine>(op: &Op, inputs: Vec<Value<E>>, types: &DeviceTypes<E>) -> Result<Value<E>> {
    let record = recording::enabled() && inputs.iter().any(|input| matches!(input, Value::Tracked(_)));
    let mut others = Vec::new();
    if record {
        let mut floats = Vec::with_capacity(inputs.len());
        for input in inputs {
            match input {
                Value::Tracked(tensor) => floats.push(tensor),
                Value::Plain(tensor) => floats.push(Recorded::<E>::new(tensor)),
                Value::Int(tensor) | Value::Bool(tensor) => others.push(tensor),
            }
        }
        primitive::run::<Autodiff<E>>(op, floats, others, types.ints).map(Value::Tracked)
    } else {
        let mut floats = Vec::with_capacity(inputs.len());
        for input in inputs {
            match input {
                Value::Int(tensor) | Value::Bool(tensor) => others.push(tensor),
                input => floats.push(input.into_inner()),
            }
        }
        primitive::run::<E>(op, floats, others, types.ints).map(Value::Plain)
    }
}
