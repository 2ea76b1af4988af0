//! Every operation, its gradients and automatic differentiation, as `cargo xtask backend validate` tries them, and what
//! is refused, here in process. `suite` has what is this backend's own.

use std::sync::Arc;

use palimpsest_conformance::again;
use palimpsest_core::{Device, DeviceHandle, Result};
use palimpsest_dfdx::Dfdx;
use palimpsest_kernels::{Level, level};

fn open() -> Result<DeviceHandle> {
    Ok(DeviceHandle { backend: Arc::new(Dfdx::new()), id: Device::Cpu })
}

palimpsest_conformance::conforms!(open, primitives: [F32, F64, I64, Bool], fused: [F32, F64]);

/// All of the above at each level of instructions that this process isn't at: a process takes one.
#[test]
fn other_levels() {
    for other in Level::ALL.into_iter().filter(|&l| l <= Level::highest() && l != Level::current()) {
        again::with(level::VARIABLE, other.name(), "other_levels");
    }
}

#[test]
fn the_level_is_told() {
    let info = open().expect("the backend opens").backend.info();
    let told = info.instructions_for(palimpsest_core::DType::F32).expect("told");
    assert_eq!(told, Level::current().name());
    if let Some(asked) = std::env::var_os(level::VARIABLE).filter(|asked| !asked.is_empty()) {
        assert_eq!(asked, told);
    }
}
