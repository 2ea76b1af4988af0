//! Every operation, its gradients and automatic differentiation, as `cargo xtask backend validate` tries them, and what
//! is refused, here in process. `suite` has what is this backend's own.

use std::sync::Arc;

use palimpsest_burn::Burn;
use palimpsest_core::{Device, DeviceHandle, Result};

fn open() -> Result<DeviceHandle> {
    Ok(DeviceHandle { backend: Arc::new(Burn::new()), id: Device::Cpu })
}

palimpsest_conformance::conforms!(open, primitives: [F32, F64, Bf16, I64, Bool], fused: [F32, F64]);
