//! Every operation, its gradients and automatic differentiation, as `cargo xtask backend validate` tries them, and what
//! is refused, here in process. `suite` has what is this backend's own.

use std::sync::Arc;

use palimpsest_burn::Burn;
use palimpsest_core::{Device, Place, Result};

fn open() -> Result<Place> {
    Ok(Place { backend: Arc::new(Burn::new()), device: Device::Cpu })
}

palimpsest_conformance::conforms!(open, primitives: [F32, F64, Bf16, I64, Bool], fused: [F32, F64]);
