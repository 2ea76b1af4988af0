//! A backend without its fused operations, so that core takes them apart.

use std::sync::Arc;

use palimpsest_core::backend::Wrapper;
use palimpsest_core::tensor::OpKind;
use palimpsest_core::{Backend, DType, Device, DeviceHandle};

/// The same device with primitives alone.
pub(crate) fn taken_apart(device: &DeviceHandle) -> DeviceHandle {
    DeviceHandle { backend: Arc::new(Primitives(device.backend.clone())), id: device.id }
}

struct Primitives(Arc<dyn Backend>);

impl Wrapper for Primitives {
    fn inner(&self) -> &dyn Backend {
        &*self.0
    }

    fn supports(&self, op: OpKind, dtype: DType, device: Device) -> bool {
        !op.is_fused() && self.0.supports(op, dtype, device)
    }
}
