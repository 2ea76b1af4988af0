//! On the driver of `driver.c`, in a process of its own: libraries are looked for when one starts.

use std::path::Path;
use std::process::Command;

use palimpsest_core::backend::{Device, NoGrad};
use palimpsest_core::tensor::HostData;
use palimpsest_core::{DType, DeviceHandle, HostTensor, Tensor};

use crate::gpu;
use crate::real::block;

fn library(folder: &Path, name: &str, file: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda").join(name);
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-w", "-O1", "-o"])
        .arg(folder.join(file))
        .arg(source)
        .arg(format!("-Wl,-soname,{file}"))
        .status()
        .expect("a C compiler, which Rust needs too");
    assert!(status.success(), "{name}");
}

/// Runs the tests below, which are passed over elsewhere.
#[test]
fn on_a_mock_driver() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    library(folder.path(), "driver.c", "libcuda.so.1");
    library(folder.path(), "blas.c", "libcublas.so.13");
    library(folder.path(), "compiler.c", "libnvrtc.so.13");
    for name in ["tensors", "launches", "threads", "no_memory", "failure"] {
        let name = format!("mock::mocked::{name}");
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", &name, "--ignored", "--nocapture"])
            .env("LD_LIBRARY_PATH", folder.path())
            .output()
            .expect("it starts");
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success() && text[0].contains("1 passed"), "{name}: {}\n{}", text[0], text[1]);
        assert!(!text[1].contains("mock "), "{name}: {}", text[1]);
    }
}

mod mocked {
    use super::*;

    fn values(tensor: &Tensor) -> Vec<f64> {
        tensor.download().unwrap().into_f64()
    }

    fn in_use(device: &DeviceHandle) -> u64 {
        device.backend.synchronize(device.id).unwrap();
        device.backend.memory(device.id).in_use.unwrap()
    }

    #[test]
    #[ignore = "run by on_a_mock_driver"]
    fn tensors() {
        let device = gpu().expect("the mock driver");
        assert_eq!(device.backend.devices(), [Device::Cpu, Device::Cuda(0)]);
        let before = in_use(&device);
        let data: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let x = device.floats([2, 3, 4], data.clone(), DType::F32).unwrap();
        assert_eq!(values(&x), data.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        assert_eq!(in_use(&device) - before, 96);
        // What the host does with copies is done in full.
        let columns = x.index_select(2, &device.indices([2], vec![1, 2]).unwrap()).unwrap();
        let corner = columns.index_select(1, &device.indices([1], vec![2]).unwrap()).unwrap();
        assert_eq!(values(&corner), [9.0, 10.0, 21.0, 22.0]);
        let picked = x.index_select(0, &device.indices([1], vec![1]).unwrap()).unwrap();
        assert_eq!(values(&picked.reshape([12]).unwrap())[..2], [12.0, 13.0]);
        assert_eq!(values(&x.cast(DType::F64).unwrap())[23], 23.0);
        assert_eq!(device.full([3, 0], 1.0, DType::F32).unwrap().shape()[1], 0);
        assert!(device.full([2], 1.0, DType::Bf16).unwrap_err().to_string().contains("bf16"));
        // A seed gives what it gives on the processor.
        let host = DeviceHandle { backend: device.backend.clone(), id: Device::Cpu };
        let drawn = [&device, &host].map(|device| {
            device.backend.seed(7);
            values(&device.random_normal([5], DType::F32).unwrap())
        });
        assert_eq!(drawn[0], drawn[1]);
        // A tensor of one device is refused on the other.
        let there = host.floats([2], vec![1.0, 2.0], DType::F32).unwrap();
        assert!(device.backend.execute(&palimpsest_core::tensor::Op::Exp, vec![], device.id).is_err());
        assert_eq!(values(&there), [1.0, 2.0]);
        drop((x, columns, corner, picked));
        assert_eq!(in_use(&device), before, "tensors that nobody holds");
        let weak = std::sync::Arc::downgrade(&device.backend);
        drop((device, host, there));
        assert!(weak.upgrade().is_none());
    }

    #[test]
    #[ignore = "run by on_a_mock_driver"]
    fn launches() {
        let device = gpu().expect("the mock driver");
        let before = in_use(&device);
        let gone = block(&device).unwrap();
        // A step that is never run backward, and one that is not recorded.
        let leaf = device.full([4, 4], 1.0, DType::F64).unwrap().track().unwrap();
        let unused = leaf.softmax().unwrap().matmul(&leaf).unwrap().permute(&[1, 0]).unwrap();
        let unrecorded = {
            let _off = NoGrad::new(&*device.backend);
            leaf.exp().unwrap().sum_all().unwrap()
        };
        assert!(unrecorded.clone().backward(&[&leaf]).is_err());
        assert!(in_use(&device) > before);
        drop((gone, leaf, unused, unrecorded));
        assert_eq!(in_use(&device), before, "a step's tensors and history");
    }

    #[test]
    #[ignore = "run by on_a_mock_driver"]
    fn threads() {
        let device = gpu().expect("the mock driver");
        let before = in_use(&device);
        let shared = device.floats([3], vec![1.0, 2.0, 3.0], DType::F32).unwrap();
        std::thread::scope(|scope| {
            for i in 0..8 {
                let (device, shared) = (device.clone(), shared.clone());
                scope.spawn(move || {
                    for j in 0..200 {
                        let number = (i * 1000 + j) as f32;
                        let mine = device.floats([16], vec![number; 16], DType::F32).unwrap();
                        assert_eq!(values(&mine), [f64::from(number); 16]);
                        let leaf = shared.track().unwrap();
                        let loss = leaf.mul(&leaf).unwrap().sum_all().unwrap();
                        assert!(loss.backward(&[&leaf]).unwrap()[0].is_some());
                        assert_eq!(values(&shared), [1.0, 2.0, 3.0]);
                    }
                });
            }
        });
        drop(shared);
        assert_eq!(in_use(&device), before);
        // A handle may outlive the backend and its thread.
        let data = HostTensor::new([2], HostData::F32(vec![1.0, 2.0])).unwrap();
        let kept = device.backend.upload(data, device.id).unwrap();
        drop(device);
        drop(kept);
    }

    #[test]
    #[ignore = "run by on_a_mock_driver"]
    fn no_memory() {
        let device = gpu().expect("the mock driver");
        let before = in_use(&device);
        let x = device.floats([1 << 22], vec![1.0; 1 << 22], DType::F32).unwrap();
        let error = x.reshape([1 << 22, 1]).unwrap().expand([1 << 22, 8]).unwrap_err();
        assert!(error.to_string().contains("no memory left"), "{error}");
        assert!(error.help_text().is_some());
        // It goes on.
        assert_eq!(values(&x)[..2], [1.0, 1.0]);
        drop(x);
        assert_eq!(in_use(&device), before);
    }

    #[test]
    #[ignore = "run by on_a_mock_driver"]
    fn failure() {
        let device = gpu().expect("the mock driver");
        let leaf = device.full([3], 1.0, DType::F32).unwrap().track().unwrap();
        let y = leaf.exp().unwrap();
        #[allow(unsafe_code, reason = "speaks to the mock driver")]
        // SAFETY: the function takes nothing and gives nothing.
        unsafe {
            let driver = libloading::Library::new("libcuda.so.1").unwrap();
            driver.get::<unsafe extern "C" fn()>(b"mock_fail").unwrap()();
        }
        for _ in 0..3 {
            let error = y.mul(&y).unwrap_err().to_string();
            assert!(error.contains("mul"), "{error}");
            assert!(device.backend.synchronize(device.id).is_err());
        }
        // Neither dropping nor ending hangs or aborts, though every call fails.
        drop((leaf, y));
        drop(device);
    }
}
