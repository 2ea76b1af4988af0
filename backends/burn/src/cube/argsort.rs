//! Stable argsort, on the host: burn sorts there too, but not stably.

use burn_flex::FlexTensor;
use palimpsest_core::tensor::{HostData, HostTensor};
use palimpsest_core::{Error, Result};

use super::Cube;
use super::convert::{data, from_host};
use crate::argsort;
use crate::engine::{DeviceTypes, Tensor};
use crate::value::{Value, extents};

pub(super) fn argsort(
    x: Tensor<Cube>,
    axis: usize,
    descending: bool,
    types: &DeviceTypes<Cube>,
) -> Result<Tensor<Cube>> {
    let shape = extents(&x);
    let values = FlexTensor::from_data(data(&Value::Plain(x))?);
    let order = argsort::argsort(&values, axis, descending);
    let order = order.as_slice::<i64>().ok_or_else(|| Error::failure("argsort: no indices came back"))?;
    from_host(HostTensor::new(shape, HostData::I64(order.to_vec()))?, types)
}
