//! The variant for CUDA on machines without one.

use palimpsest_burn::Burn;
use palimpsest_core::{Backend, Device};

#[test]
fn what_is_not_there_is_told() {
    let backend = Burn::new();
    let devices = backend.devices();
    assert_eq!(devices[0], Device::Cpu);
    let count = devices.iter().filter(|device| matches!(device, Device::Cuda(_))).count();
    let error = backend.synchronize(Device::Cuda(count)).unwrap_err();
    let whole = error.to_string();
    assert!(whole.contains(&format!("cuda:{count}")), "{whole}");
    assert!(error.help_text().is_some(), "{whole}");
    // It still computes on the processor.
    assert!(backend.synchronize(Device::Cpu).is_ok());
}
