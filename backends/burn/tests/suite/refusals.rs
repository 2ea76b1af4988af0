//! What this backend alone refuses.

use palimpsest_core::DType;
use palimpsest_core::backend::Device;
use palimpsest_core::tensor::OpKind;

use crate::device::device;

#[test]
fn a_gpu_is_refused_with_the_reason() {
    let backend = device().backend;
    assert_eq!(backend.devices(), [Device::Cpu]);
    for (device, what) in [(Device::Cuda(0), "built without CUDA"), (Device::Wgpu(1), "built without wgpu")] {
        let error = backend.synchronize(device).unwrap_err().to_string();
        assert!(error.contains(&format!("no device {device}")) && error.contains(what), "{error}");
        assert!(!backend.supports(OpKind::Add, DType::F32, device));
    }
}
