//! From an operation on values to the engine that runs it.

use burn_backend::ops::{BoolTensorOps, FloatTensorOps, IntTensorOps};
use burn_backend::{BoolDType, Distribution, FloatDType, IntDType, Scalar};
use burn_flex::{Flex, FlexDevice, FlexTensor};
use palimpsest_core::tensor::{DType, Op};
use palimpsest_core::{Error, Result, Shape};

use crate::value::{Recorded, RecordedTensor, Value, burn_shape, burn_type};
use crate::{argsort, discrete, fused, primitive, recording};

/// Runs an operation.
pub(crate) fn execute(op: &Op, inputs: Vec<Value>) -> Result<Vec<Value>> {
    if op.kind().is_fused() && !matches!(op, Op::Lerp { .. }) {
        return fused::run(op, inputs);
    }
    let output = match op {
        Op::Full { shape, value, dtype } => Value::plain(full(shape, *value, *dtype)),
        Op::RandomNormal { shape, dtype } => random(shape, *dtype, Distribution::Normal(0.0, 1.0)),
        Op::RandomUniform { shape, dtype } => random(shape, *dtype, Distribution::Uniform(0.0, 1.0)),
        Op::Equal | Op::Less | Op::Argmax { .. } | Op::Argsort { .. } => {
            Value::plain(without_gradient(op, inputs)?)
        }
        Op::Cast { dtype } if !dtype.is_float() => Value::plain(without_gradient(op, inputs)?),
        Op::Where => choose(op, inputs)?,
        _ => match inputs.first() {
            None => return Err(Error::failure(format!("{}: no input", op.kind().name()))),
            Some(Value::Int(_)) => discrete_run(op, inputs, false)?,
            Some(Value::Bool(_)) => discrete_run(op, inputs, true)?,
            Some(_) => differentiable(op, inputs)?,
        },
    };
    Ok(vec![output])
}

fn full(shape: &Shape, value: f64, dtype: DType) -> FlexTensor {
    let extents = burn_shape(shape);
    match dtype {
        DType::I64 => Flex::int_full(extents, Scalar::Int(value as i64), &FlexDevice, IntDType::I64),
        DType::Bool if value != 0.0 => Flex::bool_ones(extents, &FlexDevice, BoolDType::Native),
        DType::Bool => Flex::bool_zeros(extents, &FlexDevice, BoolDType::Native),
        _ => {
            let dtype = FloatDType::from(burn_type(dtype));
            Flex::float_full(extents, Scalar::Float(value), &FlexDevice, dtype)
        }
    }
}

fn random(shape: &Shape, dtype: DType, distribution: Distribution) -> Value {
    let kind = FloatDType::from(burn_type(dtype));
    let mut drawn = Flex::float_random(burn_shape(shape), distribution, &FlexDevice, kind);
    if dtype == DType::Bf16 && matches!(distribution, Distribution::Uniform(..)) {
        // burn rounds to the nearest, which may be 1; this is the next below.
        drawn = Flex::float_clamp_max(
            drawn,
            Scalar::Float(1.0 - f64::from(f32::from(half::bf16::EPSILON)) / 2.0),
        );
    }
    Value::Plain(drawn)
}

fn discrete_run(op: &Op, inputs: Vec<Value>, truths: bool) -> Result<Value> {
    let inputs = inputs.into_iter().map(Value::into_inner).collect();
    discrete::run(op, inputs, truths).map(Value::plain)
}

/// Operations on whose result no gradient can depend.
fn without_gradient(op: &Op, inputs: Vec<Value>) -> Result<FlexTensor> {
    match inputs.first() {
        Some(Value::Int(_)) => return Ok(discrete_run(op, inputs, false)?.into_inner()),
        Some(Value::Bool(_)) => return Ok(discrete_run(op, inputs, true)?.into_inner()),
        _ => {}
    }
    let mut inputs = inputs.into_iter().map(Value::into_inner);
    let wrong = || Error::failure(format!("{}: wrong number of inputs", op.kind().name()));
    let x = inputs.next().ok_or_else(wrong)?;
    let mut pair = |x| inputs.next().map(|y| discrete::broadcast([x, y])).ok_or_else(wrong);
    Ok(match op {
        Op::Equal => {
            let [a, b] = pair(x)?;
            Flex::float_equal(a, b, BoolDType::Native)
        }
        Op::Less => {
            let [a, b] = pair(x)?;
            Flex::float_lower(a, b, BoolDType::Native)
        }
        Op::Argmax { axis } => Flex::float_argmax(x, *axis, IntDType::I64),
        Op::Argsort { axis, descending } => argsort::argsort(&x, *axis, *descending),
        Op::Cast { dtype: DType::I64 } => Flex::float_into_int(x, IntDType::I64),
        _ => Flex::float_not_equal_elem(x, Scalar::Float(0.0), BoolDType::Native),
    })
}

fn choose(op: &Op, inputs: Vec<Value>) -> Result<Value> {
    match <[Value; 3]>::try_from(inputs) {
        Ok([Value::Bool(condition), Value::Int(a), Value::Int(b)]) => {
            Ok(Value::Int(discrete::choose(condition, a, b, false)))
        }
        Ok([Value::Bool(condition), Value::Bool(a), Value::Bool(b)]) => {
            Ok(Value::Bool(discrete::choose(condition, a, b, true)))
        }
        Ok(inputs) => differentiable(op, inputs.into()),
        Err(_) => Err(Error::failure("where: wrong number of inputs")),
    }
}

/// Runs an operation that a gradient can flow through: recorded if any input is tracked and
/// recording is on, else on the plain tensors.
fn differentiable(op: &Op, inputs: Vec<Value>) -> Result<Value> {
    let record = recording::enabled() && inputs.iter().any(|input| matches!(input, Value::Tracked(_)));
    let mut others = Vec::new();
    if record {
        let mut floats = Vec::with_capacity(inputs.len());
        for input in inputs {
            match input {
                Value::Tracked(tensor) => floats.push(tensor),
                Value::Plain(tensor) => floats.push(RecordedTensor::new(tensor)),
                Value::Int(tensor) | Value::Bool(tensor) => others.push(tensor),
            }
        }
        primitive::run::<Recorded>(op, floats, others).map(Value::Tracked)
    } else {
        let mut floats = Vec::with_capacity(inputs.len());
        for input in inputs {
            match input {
                Value::Int(tensor) | Value::Bool(tensor) => others.push(tensor),
                input => floats.push(input.into_inner()),
            }
        }
        primitive::run::<Flex>(op, floats, others).map(Value::Plain)
    }
}
