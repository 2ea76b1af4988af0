//! The GPUs of this machine.

use std::sync::{Arc, PoisonError, RwLock};

use burn_backend::Backend;
use palimpsest_core::backend::Device;
use palimpsest_core::{Error, Result};

use super::Cube;
use super::gpu::Gpu;
use crate::panics::{caught, watch_device_threads};

/// The GPUs that this machine offers to this build.
pub(crate) fn devices() -> Vec<Device> {
    let mut devices = Vec::new();
    #[cfg(feature = "cuda")]
    devices.extend((0..super::cuda::count()).map(Device::Cuda));
    #[cfg(feature = "wgpu")]
    devices.extend((0..super::wgpu::adapters().len()).map(Device::Wgpu));
    devices
}

/// The devices in use.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    opened: RwLock<Vec<(Device, Arc<Gpu>)>>,
}

impl Devices {
    /// A device, opened when it is first asked for.
    ///
    /// # Errors
    /// It is not there, or something that it takes is missing; the reason is told.
    pub(crate) fn open(&self, device: Device) -> Result<Arc<Gpu>> {
        let find = |all: &[(Device, Arc<Gpu>)]| {
            all.iter().find(|(name, _)| *name == device).map(|(_, gpu)| Arc::clone(gpu))
        };
        if let Some(gpu) = find(&self.opened.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(gpu);
        }
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(gpu) = find(&opened) {
            return Ok(gpu);
        }
        watch_device_threads();
        let place = locate(device)?;
        let gpu = Arc::new(caught(&device.to_string(), || Ok(Gpu::open(device, place)))?);
        opened.push((device, Arc::clone(&gpu)));
        Ok(gpu)
    }

    /// Seeds the generator that all of them share, after what they were asked before.
    pub(crate) fn seed(&self, seed: u64) {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        for (_, gpu) in opened.iter() {
            Cube::seed(&gpu.types.device, seed);
        }
        if opened.is_empty() {
            // The device is only named: the generator belongs to the process.
            burn_cubecl::CubeBackend::seed(&cubecl::Device::Cuda(Default::default()), seed);
        }
    }
}

/// burn's name for a device of this machine.
fn locate(device: Device) -> Result<cubecl::Device> {
    match device {
        Device::Cpu => Err(Error::failure("the processor is not CubeCL's")),
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => super::cuda::locate(index),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => Err(crate::missing::without(device)),
        #[cfg(feature = "wgpu")]
        Device::Wgpu(index) => super::wgpu::locate(index),
        #[cfg(not(feature = "wgpu"))]
        Device::Wgpu(_) => Err(crate::missing::without(device)),
    }
}
