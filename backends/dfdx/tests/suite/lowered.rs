//! A backend that denies every fused operation, so that core takes them apart.

use std::sync::Arc;

use palimpsest_core::backend::{BackendInfo, Device, Handle, MemoryStats};
use palimpsest_core::tensor::{Op, OpKind, Shape};
use palimpsest_core::{Backend, DType, HostTensor, Place, Result};
use palimpsest_dfdx::Dfdx;

pub(crate) struct Primitives(Dfdx);

/// Where tensors live that know primitives only.
pub(crate) fn primitives() -> Place {
    Place { backend: Arc::new(Primitives(Dfdx::new())), device: Device::Cpu }
}

impl Backend for Primitives {
    fn info(&self) -> BackendInfo {
        self.0.info()
    }
    fn devices(&self) -> Vec<Device> {
        self.0.devices()
    }
    fn supports(&self, op: OpKind, dtype: DType, device: Device) -> bool {
        !op.is_fused() && self.0.supports(op, dtype, device)
    }
    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle> {
        self.0.upload(data, device)
    }
    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        self.0.signature(tensor)
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        self.0.download(tensor)
    }
    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        assert!(!op.kind().is_fused(), "{op:?} was denied");
        self.0.execute(op, inputs, device)
    }
    fn track(&self, tensor: &Handle) -> Result<Handle> {
        self.0.track(tensor)
    }
    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        self.0.detach(tensor)
    }
    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        self.0.backward(loss, leaves)
    }
    fn set_grad_enabled(&self, enabled: bool) -> bool {
        self.0.set_grad_enabled(enabled)
    }
    fn seed(&self, seed: u64) {
        self.0.seed(seed);
    }
    fn synchronize(&self, device: Device) -> Result<()> {
        self.0.synchronize(device)
    }
    fn memory(&self, device: Device) -> MemoryStats {
        self.0.memory(device)
    }
}
