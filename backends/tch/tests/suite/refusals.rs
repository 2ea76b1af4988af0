//! What the backend refuses, and how it says so.

use palimpsest_conformance::cases::is_defined;
use palimpsest_core::backend::{Device, Handle};
use palimpsest_core::tensor::{HostData, Op, OpKind};
use palimpsest_core::{DType, Error, HostTensor, Place};

use crate::place::{place, values};

/// An error is one sentence that names the operation, without libtorch's C++ backtrace.
#[track_caller]
fn one_sentence(error: &Error, operation: &str) {
    let text = error.to_string();
    assert!(text.starts_with(&format!("{operation}: ")), "{text}");
    assert!(text.lines().count() == 1 && text.len() < 200 && !text.contains("frame #"), "{text}");
}

/// A place on the processor: on CUDA an index out of range is not reported by the operation, and
/// CUDA is lost for the process.
fn on_the_processor() -> Place {
    Place { device: Device::Cpu, ..place() }
}

#[test]
fn failures_are_errors() {
    let place = on_the_processor();
    let x = place.full([3, 2], 1.5, DType::F32).unwrap();
    for far in [7, -1] {
        let far = place.indices([1], vec![far]).unwrap();
        one_sentence(&x.index_select(0, &far).unwrap_err(), "index-select");
    }
    let far = place.indices([3, 1], vec![0, 1, 2]).unwrap();
    one_sentence(&x.gather(1, &far).unwrap_err(), "gather");
    one_sentence(&x.scatter_add(1, &far, &x.narrow(1, 0, 1).unwrap()).unwrap_err(), "scatter-add");
    // More memory than there is.
    one_sentence(&place.full([1 << 50], 0.0, DType::F32).unwrap_err(), "full");
    // A failure while recording leaves later passes intact.
    let leaf = x.track().unwrap();
    assert!(leaf.gather(1, &far).is_err());
    let gradient = leaf.sum_all().unwrap().backward(&[&leaf]).unwrap();
    assert_eq!(values(gradient[0].as_ref().unwrap()), [1.0; 6]);
}

#[test]
fn a_graph_serves_one_pass() {
    let place = place();
    let leaf = place.full([2], 3.0, DType::F32).unwrap().track().unwrap();
    let square = leaf.mul(&leaf).unwrap();
    assert!(square.sum_all().unwrap().backward(&[&leaf]).is_ok());
    one_sentence(&square.sum_all().unwrap().backward(&[&leaf]).unwrap_err(), "backward");
}

#[test]
fn wrong_inputs_are_refused() {
    let place = place();
    let (backend, cpu) = (&place.backend, Device::Cpu);
    let truths =
        backend.upload(HostTensor::new([2], HostData::Bool(vec![true, false])).unwrap(), cpu).unwrap();
    for op in [Op::Exp, Op::Add, Op::Concat { axis: 0 }, Op::Linear, Op::SumSquares] {
        let error = backend.execute(&op, vec![], cpu).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: wrong number of inputs", op.kind().name()));
    }
    let error = backend.execute(&Op::Exp, vec![truths.clone()], cpu).unwrap_err();
    assert_eq!(error.to_string(), "exp is not defined on bool");
    assert!(place.truths([1], vec![true]).unwrap().exp().is_err());
    let random = Op::RandomNormal { shape: [2].into(), dtype: DType::I64 };
    assert!(backend.execute(&random, vec![], cpu).is_err());
    one_sentence(&backend.track(&truths).unwrap_err(), "track");
}

#[test]
fn tensors_of_another_backend_are_refused() {
    let place = place();
    let backend = &place.backend;
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

#[test]
fn devices_that_are_not_there_are_refused() {
    let place = place();
    assert_eq!(place.backend.devices()[0], Device::Cpu);
    for device in [Device::Cuda(99), Device::Wgpu(0)] {
        let full = Op::Full { shape: [2].into(), value: 0.0, dtype: DType::F32 };
        let error = place.backend.execute(&full, vec![], device).unwrap_err();
        assert!(error.to_string().contains(&format!("no device `{device}`")), "{error}");
        assert_eq!(error.exit_status(), 2);
        assert!(place.backend.upload(HostTensor::f32([1], vec![0.0]).unwrap(), device).is_err());
        assert!(place.backend.synchronize(device).is_err());
        assert_eq!(place.backend.memory(device).in_use, None);
    }
    assert!(place.backend.synchronize(Device::Cpu).is_ok());
}

#[test]
fn everything_that_is_defined_is_supported() {
    let backend = place().backend;
    for &op in OpKind::ALL {
        for dtype in [DType::F32, DType::F64, DType::Bf16] {
            assert!(backend.supports(op, dtype, Device::Cpu), "{op:?} {dtype}");
        }
        for dtype in [DType::I64, DType::Bool] {
            // What is not claimed, `conformance` would pass over.
            assert_eq!(backend.supports(op, dtype, Device::Cpu), is_defined(op, dtype), "{op:?} {dtype}");
        }
    }
}

#[test]
fn a_label_outside_the_classes_is_an_error() {
    let place = on_the_processor();
    let logits = place.full([2, 3], 0.0, DType::F32).unwrap();
    // -100 is the label that PyTorch's own loss passes over by default.
    for label in [3, -1, -100] {
        let labels = place.indices([2], vec![0, label]).unwrap();
        for smoothing in [0.0, 0.1] {
            let error = logits.cross_entropy(&labels, smoothing).unwrap_err();
            one_sentence(&error, "cross-entropy");
            assert!(error.to_string().contains(&label.to_string()), "{error}");
        }
    }
}
