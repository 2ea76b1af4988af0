//! Every operation, its gradients and automatic differentiation, as `cargo xtask backend validate` tries them, here in
//! process. `suite` has what is this backend's own.

use std::sync::Arc;

use palimpsest_burn::Burn;
use palimpsest_conformance::suite;
use palimpsest_core::{Device, Place, Result};

fn open() -> Result<Place> {
    Ok(Place { backend: Arc::new(Burn::new()), device: Device::Cpu })
}

#[test]
fn values() {
    let failures = suite::failures(&suite::values(&open).expect("the backend opens"));
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn gradients() {
    let failures = suite::failures(&suite::gradients(&open).expect("the backend opens"));
    assert!(failures.is_empty(), "\n{failures}");
}
