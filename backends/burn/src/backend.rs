//! The backend as core sees it.

use burn_backend::Backend as _;
use burn_flex::{Flex, FlexDevice};
use palimpsest_core::backend::{BackendInfo, Device, Handle, MemoryStats};
use palimpsest_core::tensor::{DType, HostSliceMut, HostTensor, Op, OpKind, Shape};
use palimpsest_core::{Backend, Result};
use palimpsest_kernels::Level;

#[cfg(feature = "cube")]
use crate::cube::{Cube, Devices};
use crate::engine::Engine as _;
use crate::flex::HOST;
#[cfg(not(feature = "cube"))]
use crate::missing::without;
use crate::panics::caught;
use crate::value::Value;
use crate::{fused, memory, operations, recording};

/// burn's engines: Flex on the host's processor, and CubeCL on GPUs where the crate was built for them.
#[derive(Debug)]
pub struct Burn {
    #[cfg(feature = "cube")]
    gpus: Devices,
    // Not to be built by hand: `new` tunes the allocator.
    _private: (),
}

/// Runs `$work` with `$E` as the engine that made a handle's tensor.
macro_rules! on_engine_of {
    ($handle:expr, $E:ident => $work:expr) => {{
        #[cfg(feature = "cube")]
        if Value::<Cube>::is_behind(&$handle) {
            type $E = Cube;
            return $work;
        }
        type $E = Flex;
        $work
    }};
}

impl Burn {
    /// The backend. The first one in a process also tunes the allocator.
    #[must_use]
    pub fn new() -> Self {
        memory::tune_allocator();
        Self {
            #[cfg(feature = "cube")]
            gpus: Devices::default(),
            _private: (),
        }
    }
}

impl Default for Burn {
    fn default() -> Self {
        Self::new()
    }
}

/// The level of this crate's kernels, and what multiplies bfloat16 where that has instructions of its own.
fn instructions(level: Level) -> String {
    match level.multiplies_bf16() {
        true if level == Level::Amx => format!("{level} (bf16: AMX-BF16)"),
        true => format!("{level} (bf16: AVX512-BF16)"),
        false => level.to_string(),
    }
}

impl Backend for Burn {
    fn info(&self) -> BackendInfo {
        BackendInfo {
            name: "burn".to_owned(),
            version: "0.22.1".to_owned(),
            description: match (cfg!(feature = "cuda"), cfg!(feature = "wgpu")) {
                (false, false) => "burn's Flex engine with automatic differentiation and fused operations",
                (true, false) => "burn with automatic differentiation: Flex on the processor, CubeCL on CUDA",
                (false, true) => "burn with automatic differentiation: Flex on the processor, CubeCL on wgpu",
                (true, true) => {
                    "burn with automatic differentiation: Flex on the processor, CubeCL on CUDA and wgpu"
                }
            }
            .to_owned(),
            instructions: Some(instructions(Level::current())),
        }
    }

    fn devices(&self) -> Vec<Device> {
        #[allow(unused_mut, reason = "GPUs come after it")]
        let mut devices = vec![Device::Cpu];
        #[cfg(feature = "cube")]
        devices.extend(crate::cube::devices());
        devices
    }

    fn supports(&self, op: OpKind, dtype: DType, device: Device) -> bool {
        match device {
            Device::Cpu if dtype == DType::U8 => op == OpKind::Cast,
            Device::Cpu => !op.is_fused() || fused::supports(op, dtype),
            #[cfg(feature = "cube")]
            _ => self.gpus.open(device).is_ok_and(|gpu| gpu.supports(op, dtype)),
            #[cfg(not(feature = "cube"))]
            _ => false,
        }
    }

    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle> {
        match device {
            Device::Cpu => caught("upload", || operations::upload::<Flex>(data, &HOST)),
            #[cfg(feature = "cube")]
            _ => {
                let gpu = self.gpus.open(device)?;
                gpu.has(data.dtype())?;
                caught("upload", || operations::upload::<Cube>(data, &gpu.types))
            }
            #[cfg(not(feature = "cube"))]
            _ => Err(without(device)),
        }
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        on_engine_of!(tensor, E => operations::signature::<E>(tensor))
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        on_engine_of!(tensor, E => caught("download", || operations::download::<E>(tensor)))
    }

    fn download_into(&self, tensor: &Handle, mut to: HostSliceMut<'_>) -> Result<()> {
        on_engine_of!(tensor, E => caught("download", || {
            match E::is_downloaded_into(Value::of(tensor)?, &mut to) {
                true => Ok(()),
                false => to.copy_from(&operations::download::<E>(tensor)?),
            }
        }))
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        let name = op.kind().name();
        match device {
            Device::Cpu => caught(name, || operations::execute::<Flex>(op, inputs, &HOST)),
            #[cfg(feature = "cube")]
            _ => {
                let gpu = self.gpus.open(device)?;
                caught(name, || operations::execute::<Cube>(op, inputs, &gpu.types))
            }
            #[cfg(not(feature = "cube"))]
            _ => Err(without(device)),
        }
    }

    fn track(&self, tensor: &Handle) -> Result<Handle> {
        on_engine_of!(tensor, E => caught("track", || operations::track::<E>(tensor)))
    }

    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        on_engine_of!(tensor, E => operations::detach::<E>(tensor))
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        on_engine_of!(loss, E => caught("backward", || operations::backward::<E>(loss, leaves)))
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        recording::set(enabled)
    }

    fn seed(&self, seed: u64) {
        Flex::seed(&FlexDevice, seed);
        #[cfg(feature = "cube")]
        self.gpus.seed(seed);
    }

    fn synchronize(&self, device: Device) -> Result<()> {
        match device {
            Device::Cpu => Ok(()),
            #[cfg(feature = "cube")]
            _ => {
                let gpu = self.gpus.open(device)?;
                caught("synchronize", || gpu.synchronize())
            }
            #[cfg(not(feature = "cube"))]
            _ => Err(without(device)),
        }
    }

    fn memory(&self, device: Device) -> MemoryStats {
        match device {
            Device::Cpu => MemoryStats::of_process(),
            #[cfg(feature = "cube")]
            _ => self.gpus.open(device).map(|gpu| gpu.memory()).unwrap_or_default(),
            #[cfg(not(feature = "cube"))]
            _ => MemoryStats::default(),
        }
    }
}
