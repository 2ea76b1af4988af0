//! Every operation, its gradients and automatic differentiation, as `cargo xtask backend validate` tries them, and what
//! is refused, here in process. `suite` has what is this backend's own.

use std::sync::Arc;

use palimpsest_core::{Device, DeviceHandle, Result};
use palimpsest_dfdx::Dfdx;

fn open() -> Result<DeviceHandle> {
    Ok(DeviceHandle { backend: Arc::new(Dfdx::new()), id: Device::Cpu })
}

palimpsest_conformance::conforms!(open, primitives: [F32, F64, I64, Bool], fused: [F32, F64]);
