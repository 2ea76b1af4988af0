//! Between host memory and Flex tensors.

use burn_backend::{BoolStore, DType as BurnType, Element, TensorData};
use burn_flex::FlexTensor;
use half::bf16;
use palimpsest_core::tensor::HostData;
use palimpsest_core::{Error, HostTensor, Result};

use crate::value::{burn_shape, extents};

/// A Flex tensor of host data, without a copy.
pub(crate) fn from_host(host: HostTensor) -> FlexTensor {
    let shape = burn_shape(host.shape());
    FlexTensor::from_data(match host.into_data() {
        HostData::F32(values) => TensorData::new(values, shape),
        HostData::F64(values) => TensorData::new(values, shape),
        HostData::Bf16(values) => TensorData::new(values, shape),
        HostData::I64(values) => TensorData::new(values, shape),
        HostData::Bool(values) => TensorData::new(values, shape),
        HostData::U8(values) => TensorData::new(values, shape),
    })
}

/// A copy of a Flex tensor in host memory.
pub(crate) fn to_host(tensor: &FlexTensor) -> Result<HostTensor> {
    let data = match tensor.dtype() {
        BurnType::F32 => HostData::F32(elements(tensor)),
        BurnType::F64 => HostData::F64(elements(tensor)),
        BurnType::BF16 => HostData::Bf16(elements::<bf16>(tensor)),
        BurnType::I64 => HostData::I64(elements(tensor)),
        BurnType::U8 => HostData::U8(elements(tensor)),
        BurnType::Bool(BoolStore::Native | BoolStore::U8) => HostData::Bool(bools(tensor)),
        other => return Err(Error::failure(format!("burn returned elements of type {other:?}"))),
    };
    HostTensor::new(extents(tensor), data)
}

/// Copies elements that lie in row-major order; `false` where they don't, or don't fill `to`.
pub(crate) fn is_copied<E: Element + bytemuck::Pod>(tensor: &FlexTensor, to: &mut [E]) -> bool {
    if tensor.dtype() != E::dtype() {
        return false;
    }
    let Some(from) = tensor.as_slice::<E>().filter(|from| from.len() == to.len()) else { return false };
    to.copy_from_slice(from);
    true
}

fn elements<E: Element + bytemuck::Pod>(tensor: &FlexTensor) -> Vec<E> {
    match tensor.as_slice::<E>() {
        Some(slice) => slice.to_vec(),
        None => {
            let dense = tensor.to_contiguous();
            dense.as_slice::<E>().map(<[E]>::to_vec).unwrap_or_default()
        }
    }
}

fn bools(tensor: &FlexTensor) -> Vec<bool> {
    let dense = tensor.to_contiguous();
    let (start, end) = dense.layout().contiguous_offsets().unwrap_or((0, 0));
    dense.bytes()[start..end].iter().map(|&byte| byte != 0).collect()
}
