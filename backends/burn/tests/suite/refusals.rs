//! What the backend refuses, and that nothing else suffers from it.

use palimpsest_core::DType;
use palimpsest_core::backend::Device;
use palimpsest_core::tensor::{Op, OpKind};

use crate::place::{place, values};

#[test]
fn failures_are_errors() {
    let place = place();
    let x = place.full([3, 2], 1.5, DType::F32).unwrap();
    let far = place.indices([1], vec![7]).unwrap();
    let error = x.index_select(0, &far).unwrap_err();
    assert!(error.to_string().contains("index-select"), "{error}");
    let full = Op::Full { shape: [2].into(), value: 0.0, dtype: DType::F32 };
    assert!(place.backend.execute(&full, vec![], Device::Cuda(0)).is_err());
    assert!(place.backend.execute(&Op::Exp, vec![], Device::Cpu).is_err());
    assert!(place.truths([1], vec![true]).unwrap().exp().is_err());
    // A failure while recording leaves later passes intact.
    let leaf = x.track().unwrap();
    assert!(leaf.index_select(0, &far).is_err());
    let gradient = leaf.sum_all().unwrap().backward(&[&leaf]).unwrap();
    assert_eq!(values(gradient[0].as_ref().unwrap()), [1.0; 6]);
    assert!(place.indices([1], vec![1]).unwrap().track().is_err());
}

#[test]
fn a_label_outside_the_classes_is_an_error() {
    let place = place();
    let logits = place.full([2, 3], 0.0, DType::F32).unwrap();
    for label in [3, -1] {
        let labels = place.indices([2], vec![0, label]).unwrap();
        let error = logits.cross_entropy(&labels, 0.0).unwrap_err().to_string();
        assert!(error.contains("cross-entropy") && error.contains(&label.to_string()), "{error}");
    }
}

#[test]
fn primitives_are_there_for_every_type() {
    // What is not claimed, `conformance` would pass over.
    let backend = place().backend;
    for &kind in OpKind::ALL.iter().filter(|kind| !kind.is_fused()) {
        for dtype in [DType::F32, DType::F64, DType::Bf16, DType::I64, DType::Bool] {
            assert!(backend.supports(kind, dtype, Device::Cpu), "{} {dtype}", kind.name());
        }
    }
    for &kind in OpKind::ALL.iter().filter(|kind| kind.is_fused()) {
        for dtype in [DType::F32, DType::F64] {
            assert!(backend.supports(kind, dtype, Device::Cpu), "{} {dtype}", kind.name());
        }
    }
}

#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
#[test]
fn a_gpu_is_refused_with_the_reason() {
    let backend = place().backend;
    assert_eq!(backend.devices(), [Device::Cpu]);
    for (device, what) in [(Device::Cuda(0), "built without CUDA"), (Device::Wgpu(1), "built without wgpu")] {
        let error = backend.synchronize(device).unwrap_err().to_string();
        assert!(error.contains(&format!("no device {device}")) && error.contains(what), "{error}");
        assert!(!backend.supports(OpKind::Add, DType::F32, device));
    }
}
