//! Core's `Backend` on one engine.

use palimpsest_core::backend::Handle;
use palimpsest_core::tensor::{HostTensor, Op, Shape};
use palimpsest_core::{DType, Error, Result};

use burn_backend::TensorMetadata;

use crate::engine::{DeviceTypes, Engine, Recorded};
use crate::execute;
use crate::scalar::{handle, held, is_scalar};
use crate::value::{Value, core_type};

pub(crate) fn upload<E: Engine>(data: HostTensor, types: &DeviceTypes<E>) -> Result<Handle> {
    let scalar = !E::HAS_SCALARS && data.shape().is_empty();
    let data = if scalar { HostTensor::new([1], data.into_data())? } else { data };
    Ok(handle(Value::<E>::plain(E::upload(data, types)?), scalar))
}

pub(crate) fn signature<E: Engine>(tensor: &Handle) -> Result<(Shape, DType)> {
    let inner = Value::<E>::of(tensor)?.inner();
    let shape =
        if is_scalar::<E>(tensor) { Shape::default() } else { inner.shape().iter().copied().collect() };
    Ok((shape, core_type(inner.dtype())?))
}

pub(crate) fn download<E: Engine>(tensor: &Handle) -> Result<HostTensor> {
    let data = E::download(Value::of(tensor)?)?;
    if is_scalar::<E>(tensor) { HostTensor::new([], data.into_data()) } else { Ok(data) }
}

pub(crate) fn execute<E: Engine>(
    op: &Op,
    inputs: Vec<Handle>,
    types: &DeviceTypes<E>,
) -> Result<Vec<Handle>> {
    let scalars = !E::HAS_SCALARS && !inputs.is_empty() && inputs.iter().all(is_scalar::<E>);
    let inputs = inputs.into_iter().map(Value::take).collect::<Result<Vec<_>>>()?;
    if E::HAS_SCALARS {
        let outputs = execute::execute(op, inputs, types)?;
        return Ok(outputs.into_iter().map(Handle::new).collect());
    }
    let (op, scalars) = held(op, scalars);
    let outputs = execute::execute(&op, inputs, types)?;
    Ok(outputs.into_iter().map(|value| handle(value, scalars)).collect())
}

pub(crate) fn track<E: Engine>(tensor: &Handle) -> Result<Handle> {
    match Value::<E>::of(tensor)?.clone() {
        value @ (Value::Plain(_) | Value::Tracked(_)) => {
            let leaf = Recorded::<E>::new(value.into_inner()).require_grad();
            Ok(handle(Value::<E>::Tracked(leaf), is_scalar::<E>(tensor)))
        }
        Value::Int(_) | Value::Bool(_) => Err(Error::failure("track: gradients need floats")),
    }
}

pub(crate) fn detach<E: Engine>(tensor: &Handle) -> Result<Handle> {
    match Value::<E>::of(tensor)? {
        Value::Tracked(recorded) => {
            let plain = Value::<E>::Plain(recorded.primitive().clone());
            Ok(handle(plain, is_scalar::<E>(tensor)))
        }
        _ => Ok(tensor.clone()),
    }
}

pub(crate) fn backward<E: Engine>(loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
    let Value::<E>::Tracked(loss) = Value::take(loss)? else {
        return Err(Error::failure("backward: the loss descends from no tracked tensor"));
    };
    let gradients = loss.backward();
    leaves
        .iter()
        .map(|&leaf| match Value::<E>::of(leaf)? {
            Value::Tracked(recorded) => Ok(recorded
                .grad(&gradients)
                .map(|grad| handle(Value::<E>::Plain(grad), is_scalar::<E>(leaf)))),
            _ => Err(Error::failure("backward: a leaf is not tracked")),
        })
        .collect()
}
