//! Between host memory and a GPU's.

use burn_backend::ops::{BoolTensorOps, FloatTensorOps, IntTensorOps};
use burn_backend::{BoolStore, DType as BurnType, Element, IntDType, TensorData, read_sync};
use palimpsest_core::tensor::{HostData, HostTensor};
use palimpsest_core::{Error, Result};

use super::Cube;
use super::gpu::failure;
use crate::engine::{DeviceTypes, Tensor};
use crate::value::{Value, burn_shape, extents};

/// A tensor of host data.
pub(super) fn from_host(host: HostTensor, types: &DeviceTypes<Cube>) -> Result<Tensor<Cube>> {
    let shape = burn_shape(host.shape());
    let device = &types.device;
    Ok(match host.into_data() {
        HostData::F32(values) => Cube::float_from_data(TensorData::new(values, shape), device),
        HostData::F64(values) => Cube::float_from_data(TensorData::new(values, shape), device),
        HostData::Bf16(values) => Cube::float_from_data(TensorData::new(values, shape), device),
        HostData::I64(values) if types.ints == IntDType::I64 => {
            Cube::int_from_data(TensorData::new(values, shape), device)
        }
        HostData::I64(values) => Cube::int_from_data(TensorData::new(narrowed(values)?, shape), device),
        HostData::Bool(values) => {
            let bools = TensorData::new(values, shape).convert_dtype(BurnType::Bool(types.bools));
            Cube::bool_from_data(bools, device)
        }
        HostData::U8(_) => return Err(Error::failure("the burn backend has no bytes on a GPU")),
    })
}

/// In 32 bits, where a device has no more.
fn narrowed(values: Vec<i64>) -> Result<Vec<i32>> {
    let narrow = |value| {
        i32::try_from(value).map_err(|_| {
            Error::failure(format!("this device has integers of 32 bits, and {value} is too large for them"))
        })
    };
    values.into_iter().map(narrow).collect()
}

/// A copy in host memory.
pub(super) fn to_host(value: &Value<Cube>) -> Result<HostTensor> {
    let shape = extents(value.inner());
    let data = data(value)?;
    let data = match data.dtype() {
        BurnType::F32 => HostData::F32(elements(data)?),
        BurnType::F64 => HostData::F64(elements(data)?),
        BurnType::BF16 => HostData::Bf16(elements(data)?),
        BurnType::I64 => HostData::I64(elements(data)?),
        BurnType::I32 => HostData::I64(elements::<i32>(data)?.into_iter().map(i64::from).collect()),
        BurnType::Bool(BoolStore::U32) => {
            HostData::Bool(data.as_bytes().chunks_exact(4).map(|word| word != [0; 4]).collect())
        }
        BurnType::Bool(_) => HostData::Bool(data.as_bytes().iter().map(|&byte| byte != 0).collect()),
        other => return Err(Error::failure(format!("burn returned elements of type {other:?}"))),
    };
    HostTensor::new(shape, data)
}

/// The elements as burn hands them out; waits for the device.
pub(super) fn data(value: &Value<Cube>) -> Result<TensorData> {
    let tensor = value.inner().clone();
    match value {
        Value::Plain(_) | Value::Tracked(_) => read_sync(Cube::float_into_data(tensor)),
        Value::Int(_) => read_sync(Cube::int_into_data(tensor)),
        Value::Bool(_) => read_sync(Cube::bool_into_data(tensor)),
    }
    .map_err(|error| failure(&error))
}

fn elements<T: Element>(data: TensorData) -> Result<Vec<T>> {
    data.try_into_vec().map_err(|error| Error::failure(format!("burn returned unreadable elements: {error}")))
}
