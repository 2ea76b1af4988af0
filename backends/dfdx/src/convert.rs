//! Between host memory and tensors.

use palimpsest_core::tensor::HostData;
use palimpsest_core::{DType, Error, HostTensor, Result, Shape};

use crate::dense::Dense;
use crate::engine::{Engine, Hardware};
use crate::real::Real;
use crate::tape::{Node, typed};
use crate::value::{Discrete, Value, Var};

/// What is said where bfloat16 is asked for.
pub(crate) fn no_bf16() -> Error {
    Error::user("the dfdx backend has no bf16").help("use f32")
}

/// What is said where bytes come, which are never sent: the backend doesn't claim them.
fn no_u8() -> Error {
    Error::failure("the dfdx backend has no u8")
}

/// A tensor of host data.
pub(crate) fn from_host<H: Hardware>(device: &H, host: HostTensor) -> Result<Value<H>> {
    let shape = host.shape().clone();
    Ok(match host.into_data() {
        HostData::F32(elements) => Value::F32(Var::plain(Dense::from_vec(device, elements, shape))),
        HostData::F64(elements) => Value::F64(Var::plain(Dense::from_vec(device, elements, shape))),
        HostData::I64(elements) => Value::Int(Discrete::new(elements, shape)),
        HostData::Bool(elements) => Value::Bool(Discrete::new(elements, shape)),
        HostData::Bf16(_) => return Err(no_bf16()),
        HostData::U8(_) => return Err(no_u8()),
    })
}

/// A copy in host memory.
pub(crate) fn to_host<H: Hardware>(value: &Value<H>) -> Result<HostTensor> {
    let data = match value {
        Value::F32(x) => f32::host(x.dense.to_vec()),
        Value::F64(x) => f64::host(x.dense.to_vec()),
        Value::Int(x) => HostData::I64(x.data.to_vec()),
        Value::Bool(x) => HostData::Bool(x.data.to_vec()),
    };
    HostTensor::new(value.signature().0.clone(), data)
}

/// A tensor of one value.
pub(crate) fn full<H: Hardware>(device: &H, shape: &Shape, value: f64, dtype: DType) -> Result<Value<H>> {
    Ok(match dtype {
        DType::F32 => Value::F32(Var::plain(Dense::full(device, shape.clone(), value))),
        DType::F64 => Value::F64(Var::plain(Dense::full(device, shape.clone(), value))),
        DType::I64 => Value::Int(Discrete::new(vec![value as i64; shape.count()], shape.clone())),
        DType::Bool => Value::Bool(Discrete::new(vec![value != 0.0; shape.count()], shape.clone())),
        DType::Bf16 => return Err(no_bf16()),
        DType::U8 => return Err(no_u8()),
    })
}

/// The same values in another type. Between float types gradients pass.
pub(crate) fn cast<H: Hardware>(device: &H, value: Value<H>, dtype: DType) -> Result<Value<H>> {
    let plain32 = |elements, shape| Value::F32(Var::plain(Dense::from_vec(device, elements, shape)));
    let plain64 = |elements, shape| Value::F64(Var::plain(Dense::from_vec(device, elements, shape)));
    let bit = |x: bool| u8::from(x);
    Ok(match (value, dtype) {
        (_, DType::Bf16) => return Err(no_bf16()),
        (_, DType::U8) => return Err(no_u8()),
        (value, dtype) if value.signature().1 == dtype => value,
        (Value::F32(x), DType::F64) => Value::F64(float(x)),
        (Value::F64(x), DType::F32) => Value::F32(float(x)),
        (Value::F32(x), dtype) => whole(&x.dense.to_vec(), x.dense.shape(), dtype),
        (Value::F64(x), dtype) => whole(&x.dense.to_vec(), x.dense.shape(), dtype),
        (Value::Int(x), DType::F32) => plain32(x.data.iter().map(|&x| x as f32).collect(), x.shape),
        (Value::Int(x), DType::F64) => plain64(x.data.iter().map(|&x| x as f64).collect(), x.shape),
        (Value::Int(x), _) => Value::Bool(Discrete::new(x.data.iter().map(|&x| x != 0).collect(), x.shape)),
        (Value::Bool(x), DType::F32) => plain32(x.data.iter().map(|&x| bit(x).into()).collect(), x.shape),
        (Value::Bool(x), DType::F64) => plain64(x.data.iter().map(|&x| bit(x).into()).collect(), x.shape),
        (Value::Bool(x), _) => Value::Int(Discrete::new(x.data.iter().map(|&x| x.into()).collect(), x.shape)),
    })
}

fn float<A: Real, B: Real, H: Engine<A> + Engine<B>>(x: Var<A, H>) -> Var<B, H> {
    let back = |gradient, _: &[bool]| {
        let gradient: Dense<B, H> = typed(gradient);
        vec![Some(A::gradient(changed(&gradient)))]
    };
    Var { dense: changed(&x.dense), node: Node::child(vec![x.node], Box::new(back)) }
}

fn changed<A: Real, B: Real, H: Engine<A> + Engine<B>>(x: &Dense<A, H>) -> Dense<B, H> {
    let elements = x.to_vec().into_iter().map(|x| B::of(x.wide())).collect();
    Dense::from_vec(&x.device(), elements, x.shape().clone())
}

fn whole<E: Real, H: Hardware>(x: &[E], shape: &Shape, dtype: DType) -> Value<H> {
    if dtype == DType::Bool {
        return Value::Bool(Discrete::new(x.iter().map(|&x| x != E::ZERO).collect(), shape.clone()));
    }
    Value::Int(Discrete::new(x.iter().map(|x| x.wide() as i64).collect(), shape.clone()))
}
