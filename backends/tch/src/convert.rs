//! Between host memory and libtorch's tensors.

use bytemuck::Pod;
use palimpsest_core::HostTensor;
use palimpsest_core::tensor::{DType, HostData};
use tch::Tensor;

use crate::failure::Result;
use crate::value::{core_type, extents, torch_kind, torch_shape};

/// A tensor with a copy of host data.
pub(crate) fn from_host(host: &HostTensor, device: tch::Device) -> Result<Tensor> {
    let bytes: &[u8] = match host.data() {
        HostData::F32(values) => bytemuck::cast_slice(values),
        HostData::F64(values) => bytemuck::cast_slice(values),
        HostData::Bf16(values) => bytemuck::cast_slice(values),
        HostData::I64(values) => bytemuck::cast_slice(values),
        HostData::Bool(values) => bytemuck::cast_slice(values),
        HostData::U8(values) => values,
    };
    let tensor = Tensor::f_from_data_size(bytes, &torch_shape(host.shape()), torch_kind(host.dtype()))?;
    Ok(tensor.f_to_device(device)?)
}

/// A copy of a tensor in host memory.
pub(crate) fn to_host(tensor: &Tensor) -> Result<HostTensor> {
    let dense = tensor.f_to_device(tch::Device::Cpu)?.f_contiguous()?;
    let data = match core_type(&dense)? {
        DType::F32 => HostData::F32(elements(&dense)?),
        DType::F64 => HostData::F64(elements(&dense)?),
        DType::Bf16 => HostData::Bf16(elements(&dense)?),
        DType::I64 => HostData::I64(elements(&dense)?),
        DType::Bool => HostData::Bool(elements::<u8>(&dense)?.into_iter().map(|byte| byte != 0).collect()),
        DType::U8 => HostData::U8(elements(&dense)?),
    };
    Ok(HostTensor::new(extents(&dense), data)?)
}

/// As bytes: tch's own conversion to `half::bf16` takes it for half precision.
fn elements<E: Pod>(dense: &Tensor) -> Result<Vec<E>> {
    let count = dense.numel();
    let mut values = vec![E::zeroed(); count];
    dense.f_copy_data_u8(bytemuck::cast_slice_mut(&mut values), count)?;
    Ok(values)
}
