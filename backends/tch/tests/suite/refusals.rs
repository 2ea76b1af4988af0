//! What the backend refuses, and how it says so.

use palimpsest_core::backend::Device;
use palimpsest_core::tensor::{HostData, Op};
use palimpsest_core::{DType, DeviceHandle, Error, HostTensor};

use crate::device::device;

/// An error is one sentence that names the operation, without libtorch's C++ backtrace.
#[track_caller]
fn one_sentence(error: &Error, operation: &str) {
    let text = error.to_string();
    assert!(text.starts_with(&format!("{operation}: ")), "{text}");
    assert!(text.lines().count() == 1 && text.len() < 200 && !text.contains("frame #"), "{text}");
}

/// A place on the processor: on CUDA an index out of range is not reported by the operation, and
/// CUDA is lost for the process.
fn on_the_processor() -> DeviceHandle {
    DeviceHandle { id: Device::Cpu, ..device() }
}

#[test]
fn failures_come_without_a_backtrace() {
    let device = on_the_processor();
    let x = device.full([3, 2], 1.5, DType::F32).unwrap();
    let far = device.indices([3, 1], vec![0, 1, 2]).unwrap();
    one_sentence(&x.gather(1, &far).unwrap_err(), "gather");
    one_sentence(&x.scatter_add(1, &far, &x.narrow(1, 0, 1).unwrap()).unwrap_err(), "scatter-add");
    // More memory than there is.
    one_sentence(&device.full([1 << 50], 0.0, DType::F32).unwrap_err(), "full");
}

#[test]
fn a_graph_serves_one_pass() {
    let device = device();
    let leaf = device.full([2], 3.0, DType::F32).unwrap().track().unwrap();
    let square = leaf.mul(&leaf).unwrap();
    assert!(square.sum_all().unwrap().backward(&[&leaf]).is_ok());
    one_sentence(&square.sum_all().unwrap().backward(&[&leaf]).unwrap_err(), "backward");
}

#[test]
fn wrong_inputs_are_refused() {
    let device = device();
    let (backend, cpu) = (&device.backend, Device::Cpu);
    let bools =
        backend.upload(HostTensor::new([2], HostData::Bool(vec![true, false])).unwrap(), cpu).unwrap();
    for op in [Op::Exp, Op::Add, Op::Concat { axis: 0 }, Op::Linear, Op::SumSquares] {
        let error = backend.execute(&op, vec![], cpu).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: wrong number of inputs", op.kind().name()));
    }
    let error = backend.execute(&Op::Exp, vec![bools.clone()], cpu).unwrap_err();
    assert_eq!(error.to_string(), "exp is not defined on bool");
    assert!(device.bools([1], vec![true]).unwrap().exp().is_err());
    let random = Op::RandomNormal { shape: [2].into(), dtype: DType::I64 };
    assert!(backend.execute(&random, vec![], cpu).is_err());
    one_sentence(&backend.track(&bools).unwrap_err(), "track");
}

#[test]
fn devices_that_are_not_there_are_refused() {
    let device = device();
    assert_eq!(device.backend.devices()[0], Device::Cpu);
    for absent in [Device::Cuda(99), Device::Wgpu(0)] {
        let full = Op::Full { shape: [2].into(), value: 0.0, dtype: DType::F32 };
        let error = device.backend.execute(&full, vec![], absent).unwrap_err();
        assert!(error.to_string().contains(&format!("no device `{absent}`")), "{error}");
        assert_eq!(error.exit_status(), 2);
        assert!(device.backend.upload(HostTensor::f32([1], vec![0.0]).unwrap(), absent).is_err());
        assert!(device.backend.synchronize(absent).is_err());
        assert_eq!(device.backend.memory(absent).in_use, None);
    }
    assert!(device.backend.synchronize(Device::Cpu).is_ok());
}
