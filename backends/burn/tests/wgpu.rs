//! Every operation and its gradients on the first wgpu adapter; passed over where there is none. Mesa's lavapipe
//! is one: `apt-get install mesa-vulkan-drivers libvulkan1`.

use std::sync::Arc;

use burn_autodiff::Autodiff;
use burn_backend::ops::{ActivationOps, FloatTensorOps};
use burn_backend::{AutodiffBackend, TensorData, read_sync};
use burn_cubecl::Cube;
use palimpsest_burn::Burn;
use palimpsest_conformance::suite;
use palimpsest_core::tensor::OpKind;
use palimpsest_core::{Backend, DType, Device, DeviceHandle, Result};

const DEVICE: Device = Device::Wgpu(0);

fn open() -> Result<DeviceHandle> {
    Ok(DeviceHandle { backend: Arc::new(Burn::new()), id: DEVICE })
}

#[allow(clippy::print_stderr, reason = "tells what is passed over")]
fn here() -> bool {
    let here = Burn::new().devices().contains(&DEVICE);
    if !here {
        eprintln!("no wgpu adapter on this machine: passed over");
    }
    here
}

#[test]
#[ignore = "autotune tries its kernels on every shape, which takes lavapipe longer than a test may"]
fn values() {
    if here() {
        OpKind::ALL.iter().for_each(|&kind| suite::values(&open, kind));
    }
}

#[test]
#[ignore = "autotune tries its kernels on every shape, which takes lavapipe longer than a test may"]
fn gradients() {
    if here() {
        OpKind::ALL.iter().for_each(|&kind| suite::gradients(&open, kind));
        suite::automatic_differentiation(&open);
    }
}

#[test]
fn what_is_not_there_is_told() {
    let backend = Burn::new();
    let count = backend.devices().iter().filter(|device| matches!(device, Device::Wgpu(_))).count();
    let error = backend.synchronize(Device::Wgpu(count)).unwrap_err();
    let whole = error.to_string();
    assert!(whole.contains(&format!("has no device wgpu:{count}")), "{whole}");
    assert!(error.help_text().is_some(), "{whole}");
}

#[test]
fn tensors_of_two_engines_do_not_mix() {
    if !here() {
        return;
    }
    let device = open().unwrap();
    let host = DeviceHandle { backend: Arc::clone(&device.backend), id: Device::Cpu };
    let (a, b) = (device.full([2], 1.0, DType::F32).unwrap(), host.full([2], 1.0, DType::F32).unwrap());
    assert!(a.add(&b).is_err());
    assert_eq!(a.add(&a).unwrap().download().unwrap().into_f64(), [2.0, 2.0]);
    assert_eq!(b.add(&b).unwrap().download().unwrap().into_f64(), [2.0, 2.0]);
}

#[test]
fn a_type_that_the_device_lacks_is_refused() {
    if !here() {
        return;
    }
    let device = open().unwrap();
    for dtype in [DType::F64, DType::Bf16] {
        let made = device.floats([2], vec![1.0, 2.0], dtype);
        if device.backend.supports(OpKind::Add, dtype, DEVICE) {
            assert!(made.is_ok());
        } else {
            let error = made.unwrap_err().to_string();
            assert!(error.contains("wgpu:0") && error.contains(dtype.name()), "{error}");
        }
    }
}

/// Why GELU has a backward pass of this crate's own.
#[test]
fn burns_own_gelu_has_the_gradient_of_its_approximation() {
    type Recorded = Autodiff<Cube>;
    let Ok(device) = cubecl::Device::wgpu(cubecl::device::WgpuDeviceKind::default()) else { return };
    let x = Recorded::float_from_data(TensorData::new(vec![2.0_f32], [1]), &device);
    let x = Recorded::float_set_require_grad(x, true);
    let gradients = Recorded::backward(Recorded::gelu(x.clone()));
    let slope = Recorded::grad(&x, &gradients).expect("a leaf that was used");
    let slope = read_sync(Cube::float_into_data(slope)).unwrap().try_to_vec::<f32>().unwrap()[0];
    // P(X <= 2) + 2 p(2) of the normal distribution.
    let exact = 1.085_232;
    assert!((slope - exact).abs() > 5e-4, "{slope}: burn's gelu may be used now");
    // By this crate it is right.
    let Ok(handle) = open() else { return };
    let x = handle.floats([1], vec![2.0], DType::F32).unwrap().track().unwrap();
    let found = x.gelu().unwrap().sum_all().unwrap().backward(&[&x]).unwrap();
    let slope = found[0].as_ref().unwrap().download().unwrap().into_f64()[0];
    assert!((slope - f64::from(exact)).abs() < 1e-5, "{slope}");
}
