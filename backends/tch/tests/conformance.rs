//! Every operation, its gradients and automatic differentiation, as `cargo xtask backend validate` tries them, and what
//! is refused, here in process. `suite` has what is this backend's own. A process of its own, as libtorch has one
//! generator of random numbers for all threads: nothing else may draw from it between a seed and its values.

use std::sync::Arc;

use palimpsest_core::{Device, DeviceHandle, Result};
use palimpsest_tch::Libtorch;

/// On `PALIMPSEST_TEST_DEVICE`, or the processor.
fn open() -> Result<DeviceHandle> {
    let device = std::env::var("PALIMPSEST_TEST_DEVICE").map_or(Ok(Device::Cpu), |name| name.parse())?;
    Ok(DeviceHandle { backend: Arc::new(Libtorch::new()?), id: device })
}

palimpsest_conformance::conforms!(open, primitives: [F32, F64, Bf16, I64, Bool], fused: [F32, F64, Bf16]);
