//! Flex: burn's engine for the processor, in pure Rust.

use burn_backend::{BoolDType, IntDType};
use burn_flex::{Flex, FlexDevice, FlexTensor};
use palimpsest_core::tensor::{DType, HostSliceMut, Op};
use palimpsest_core::{HostTensor, Result};

use crate::engine::{DeviceTypes, Engine};
use crate::value::{Value, burn_type};
use crate::{argsort, convert, fused};

/// The processor.
pub(crate) const HOST: DeviceTypes<Flex> =
    DeviceTypes { device: FlexDevice, ints: IntDType::I64, bools: BoolDType::Native };

impl Engine for Flex {
    const HAS_SCALARS: bool = true;

    fn upload(host: HostTensor, _: &DeviceTypes<Self>) -> Result<FlexTensor> {
        Ok(convert::from_host(host))
    }

    fn download(value: &Value<Self>) -> Result<HostTensor> {
        convert::to_host(value.inner())
    }

    fn is_downloaded_into(value: &Value<Self>, to: &mut HostSliceMut<'_>) -> bool {
        let tensor = value.inner();
        match to {
            HostSliceMut::F32(to) => convert::is_copied(tensor, to),
            HostSliceMut::F64(to) => convert::is_copied(tensor, to),
        }
    }

    fn argsort(x: FlexTensor, axis: usize, descending: bool, _: &DeviceTypes<Self>) -> Result<FlexTensor> {
        Ok(argsort::argsort(&x, axis, descending))
    }

    // Flex types selected truth values as bytes.
    fn as_bools(selected: FlexTensor) -> FlexTensor {
        let layout = selected.layout().clone();
        FlexTensor::from_arc(selected.data_arc(), layout, burn_type(DType::Bool))
    }

    fn cast(x: &Value<Self>, dtype: DType) -> Option<Value<Self>> {
        fused::cast(x, dtype)
    }

    fn fused(op: &Op, inputs: Vec<Value<Self>>) -> Result<Vec<Value<Self>>> {
        fused::run(op, inputs)
    }
}
