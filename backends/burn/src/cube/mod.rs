//! CubeCL: burn's engine for GPUs. Its kernels are compiled for the device when they are first used, and
//! neighbouring elementwise operations and reductions are fused into one.

mod argsort;
mod convert;
#[cfg(feature = "cuda")]
mod cuda;
mod devices;
mod fused;
mod gpu;
#[cfg(feature = "wgpu")]
mod wgpu;

use burn_backend::ops::{FloatTensorOps, IntTensorOps};
use burn_backend::{IntDType, Shape, TensorMetadata};
pub(crate) use burn_cubecl::Cube;
use palimpsest_core::tensor::Op;
use palimpsest_core::{HostTensor, Result};

use crate::engine::{DeviceTypes, Engine, Tensor};
use crate::total::Total;
use crate::value::{Value, burn_shape, extents};

pub(crate) use devices::{Devices, devices};

impl Total for Cube {
    fn total(x: Tensor<Self>) -> Tensor<Self> {
        let shape = Shape::from(vec![1; x.rank()]);
        Self::float_reshape(Self::float_sum(x), shape)
    }
}

impl Engine for Cube {
    const HAS_SCALARS: bool = false;

    fn upload(host: HostTensor, types: &DeviceTypes<Self>) -> Result<Tensor<Self>> {
        convert::from_host(host, types)
    }

    fn download(value: &Value<Self>) -> Result<HostTensor> {
        convert::to_host(value)
    }

    fn argsort(
        x: Tensor<Self>,
        axis: usize,
        descending: bool,
        types: &DeviceTypes<Self>,
    ) -> Result<Tensor<Self>> {
        argsort::argsort(x, axis, descending, types)
    }

    // CubeCL 0.11.3 reads indices past the end where they are one entry that was expanded: its `select` takes any
    // vector for a dense one. Conformance has the case: index-select, expanded.
    fn expand_integers(x: Tensor<Self>, shape: &[usize]) -> Tensor<Self> {
        match (extents(&x).as_slice(), shape) {
            ([1], &[count]) if count > 1 => {
                let dense = Self::int_zeros(burn_shape(shape), &x.device(), IntDType::from(x.dtype()));
                Self::int_add(dense, x)
            }
            _ => Self::int_expand(x, burn_shape(shape)),
        }
    }

    fn as_bools(selected: Tensor<Self>) -> Tensor<Self> {
        selected
    }

    fn fused(op: &Op, inputs: Vec<Value<Self>>) -> Result<Vec<Value<Self>>> {
        fused::run(op, inputs)
    }
}
