//! Every operation, its gradients and automatic differentiation, as `cargo xtask backend validate` tries them, and what
//! is refused, here in process. `suite` has what is this backend's own.

use std::sync::Arc;

use palimpsest_core::{Device, Place, Result};
use palimpsest_dfdx::Dfdx;

fn open() -> Result<Place> {
    Ok(Place { backend: Arc::new(Dfdx::new()), device: Device::Cpu })
}

palimpsest_conformance::conforms!(open, primitives: [F32, F64, I64, Bool], fused: [F32, F64]);
