//! A device that was opened.

use burn_backend::backend::get_device_settings;
use burn_backend::{Backend, BoolDType, DType as BurnType, ExecutionError, IntDType};
use palimpsest_core::backend::{Device, MemoryStats};
use palimpsest_core::tensor::{DType, OpKind};
use palimpsest_core::{Error, Result};

use super::{Cube, fused};
use crate::engine::DeviceTypes;

/// A device that was opened, and what it can do.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) types: DeviceTypes<Cube>,
    name: Device,
    wide: bool,
    brain: bool,
}

impl Gpu {
    /// Asks a device what it can do, which opens it. Panics where that fails.
    pub(super) fn open(name: Device, device: cubecl::Device) -> Self {
        let has = |dtype| Cube::supports_dtype(&device, dtype);
        // WGSL has no elementary functions of 64 bits: wgpu's shaders call Vulkan's of 32 bits on them, and what
        // comes back is no number of use. burn claims the type all the same.
        let wide = has(BurnType::F64) && !matches!(device, cubecl::Device::Wgpu(_));
        let brain = has(BurnType::BF16);
        let ints = if has(BurnType::I64) { IntDType::I64 } else { IntDType::I32 };
        let bools: BoolDType = get_device_settings::<Cube>(&device).bool_dtype;
        Self { types: DeviceTypes { device, ints, bools }, name, wide, brain }
    }

    fn holds(&self, dtype: DType) -> bool {
        match dtype {
            DType::F32 | DType::I64 | DType::Bool => true,
            DType::F64 => self.wide,
            DType::Bf16 => self.brain,
            // WGSL has none.
            DType::U8 => false,
        }
    }

    /// Whether an operation runs on a type here.
    pub(crate) fn supports(&self, op: OpKind, dtype: DType) -> bool {
        self.holds(dtype) && (!op.is_fused() || fused::supports(op, dtype))
    }

    /// Refuses a type that the device doesn't compute with.
    pub(crate) fn has(&self, dtype: DType) -> Result<()> {
        if self.holds(dtype) {
            return Ok(());
        }
        let text = format!("{} does not compute with {dtype} in the burn backend", self.name);
        Err(Error::user(text).help("use f32"))
    }

    /// Waits until all that was asked is done.
    pub(crate) fn synchronize(&self) -> Result<()> {
        Cube::sync(&self.types.device).map_err(|error| failure(&error))
    }

    /// What tensors take up, and what has been taken from the device for them: burn keeps memory that it
    /// took, so that is the most there was.
    pub(crate) fn memory(&self) -> MemoryStats {
        let usage = Cube::memory_pool_usage(&self.types.device);
        MemoryStats {
            in_use: usage.as_ref().map(|usage| usage.bytes_in_use),
            peak: usage.map(|usage| usage.bytes_reserved),
        }
    }
}

/// burn's failure in one line.
pub(super) fn failure(error: &ExecutionError) -> Error {
    let text = error.to_string();
    let cause = text.split_once("Caused by:").map_or(text.as_str(), |(_, cause)| cause);
    Error::failure(cause.split_whitespace().collect::<Vec<_>>().join(" "))
}
