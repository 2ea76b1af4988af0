//! What a backend has to refuse, and that nothing else suffers from it. A failed assertion is a panic: these are
//! bodies of tests, which [`conforms`](crate::conforms) names.

use palimpsest_core::backend::Handle;
use palimpsest_core::tensor::{Op, OpKind};
use palimpsest_core::{DType, Device, DeviceHandle, Error, HostTensor};

use crate::cases::is_defined;

/// An error is one sentence that names the operation, without a library's backtrace.
#[track_caller]
fn one_sentence(error: &Error, operation: &str) {
    let text = error.to_string();
    assert!(text.starts_with(operation), "{text}");
    assert!(text.lines().count() == 1 && text.len() < 200, "{text}");
}

/// The same backend on the processor: a GPU doesn't report an index out of range with the operation, and may be lost
/// for the process.
fn on_the_processor(device: &DeviceHandle) -> DeviceHandle {
    DeviceHandle { id: Device::Cpu, ..device.clone() }
}

/// An index out of range, a device that is not there, inputs that an operation doesn't take.
pub fn failures_are_errors(device: &DeviceHandle) {
    let device = on_the_processor(device);
    let x = device.full([3, 2], 1.5, DType::F32).unwrap();
    for far in [7, -1] {
        let far = device.indices([1], vec![far]).unwrap();
        one_sentence(&x.index_select(0, &far).unwrap_err(), "index-select");
    }
    let far = device.indices([3, 1], vec![0, 1, 2]).unwrap();
    one_sentence(&x.gather(1, &far).unwrap_err(), "gather");
    one_sentence(&x.scatter_add(1, &far, &x.narrow(1, 0, 1).unwrap()).unwrap_err(), "scatter-add");
    let full = Op::Full { shape: [2].into(), value: 0.0, dtype: DType::F32 };
    assert!(device.backend.execute(&full, vec![], Device::Cuda(99)).is_err());
    for op in [Op::Exp, Op::Add, Op::Concat { axis: 0 }, Op::Linear, Op::SumSquares] {
        one_sentence(&device.backend.execute(&op, vec![], Device::Cpu).unwrap_err(), op.kind().name());
    }
    assert!(device.bools([1], vec![true]).unwrap().exp().is_err());
    assert!(device.indices([1], vec![1]).unwrap().track().is_err());
}

/// What fails while it is recorded.
pub fn failures_leave_later_passes_intact(device: &DeviceHandle) {
    let device = on_the_processor(device);
    let leaf = device.full([3, 2], 1.5, DType::F32).unwrap().track().unwrap();
    let far = device.indices([1], vec![7]).unwrap();
    assert!(leaf.index_select(0, &far).is_err());
    let gradient = leaf.sum_all().unwrap().backward(&[&leaf]).unwrap().remove(0);
    assert_eq!(gradient.expect("a leaf that was used").download().unwrap().into_f64(), [1.0; 6]);
}

/// Labels below and above the classes; -100 is the one that PyTorch's own loss passes over by default.
pub fn a_label_outside_the_classes_is_an_error(device: &DeviceHandle) {
    let device = on_the_processor(device);
    let logits = device.full([2, 3], 0.0, DType::F32).unwrap();
    for label in [3, -1, -100] {
        let labels = device.indices([2], vec![0, label]).unwrap();
        for smoothing in [0.0, 0.1] {
            let error = logits.cross_entropy(&labels, smoothing).unwrap_err();
            one_sentence(&error, "cross-entropy");
            assert!(error.to_string().contains(&label.to_string()), "{error}");
        }
    }
}

/// Handles that another backend made.
pub fn tensors_of_another_backend_are_refused(device: &DeviceHandle) {
    let device = on_the_processor(device);
    let backend = &device.backend;
    let own = backend.upload(HostTensor::f32([1], vec![1.0]).unwrap(), Device::Cpu).unwrap();
    let leaf = backend.track(&own).unwrap();
    let other = Handle::new(7u8);
    let foreign = |error: Error| assert!(error.to_string().contains("another backend"), "{error}");
    foreign(backend.signature(&other).unwrap_err());
    foreign(backend.download(&other).unwrap_err());
    foreign(backend.execute(&Op::Add, vec![own, other.clone()], Device::Cpu).unwrap_err());
    foreign(backend.track(&other).unwrap_err());
    foreign(backend.detach(&other).unwrap_err());
    foreign(backend.backward(leaf.clone(), &[&other]).unwrap_err());
    foreign(backend.backward(other, &[&leaf]).unwrap_err());
}

/// What is not claimed, the other tests would pass over: all primitives on the types of `primitives` and all fused
/// operations on those of `fused`, as far as they are defined.
pub fn what_is_defined_is_claimed(device: &DeviceHandle, primitives: &[DType], fused: &[DType]) {
    for &kind in OpKind::ALL {
        let dtypes = if kind.is_fused() { fused } else { primitives };
        for &dtype in dtypes.iter().filter(|&&dtype| is_defined(kind, dtype)) {
            assert!(device.backend.supports(kind, dtype, device.id), "{} {dtype}", kind.name());
        }
    }
}
