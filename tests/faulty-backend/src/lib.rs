//! A backend that fails on purpose. It keeps tensors on the host, and does every operation wrongly, in the way
//! that the variable `PALIMPSEST_FAULT` names:
//!
//! - `panic`: panics;
//! - `shape`: returns a tensor of another shape;
//! - `count`: returns no tensor where one is due;
//! - `memory`: asks for more memory than there is;
//! - `open`: can't be opened.

use palimpsest_core::backend::{BackendInfo, Handle, MemoryStats};
use palimpsest_core::plugin::ServedBackend;
use palimpsest_core::tensor::{DType, HostTensor, Op, OpKind, Shape};
use palimpsest_core::{Backend, Device, Error, Result};

struct Faulty {
    fault: String,
}

impl ServedBackend for Faulty {
    fn open() -> Result<Box<dyn Backend>> {
        let fault = std::env::var("PALIMPSEST_FAULT").unwrap_or_default();
        if fault == "open" {
            return Err(Error::user("needs a device that is not there").help("plug it in"));
        }
        Ok(Box::new(Self { fault }))
    }
}

palimpsest_core::export_backend!(Faulty);

fn host(tensor: &Handle) -> Result<&HostTensor> {
    tensor.get().ok_or_else(|| Error::failure("a tensor of another backend"))
}

impl Backend for Faulty {
    fn info(&self) -> BackendInfo {
        let text = "faulty".to_owned();
        BackendInfo { name: text.clone(), version: "0".to_owned(), description: text, instructions: None }
    }
    fn devices(&self) -> Vec<Device> {
        vec![Device::Cpu]
    }
    fn supports(&self, op: OpKind, _: DType, _: Device) -> bool {
        !op.is_fused()
    }
    fn upload(&self, data: HostTensor, _: Device) -> Result<Handle> {
        Ok(Handle::new(data))
    }
    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        host(tensor).map(|tensor| (tensor.shape().clone(), tensor.dtype()))
    }
    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        host(tensor).cloned()
    }
    fn execute(&self, op: &Op, _: Vec<Handle>, _: Device) -> Result<Vec<Handle>> {
        match self.fault.as_str() {
            "panic" => panic!("out of cheese in {}", op.kind().name()),
            "shape" => Ok(vec![Handle::new(HostTensor::f32([7, 7], vec![0.0; 49])?)]),
            "count" => Ok(vec![]),
            "memory" => {
                let bytes = std::hint::black_box(1_usize << 60);
                Ok(vec![Handle::new(vec![1_u8; bytes])])
            }
            other => Err(Error::failure(format!("no such fault: `{other}`"))),
        }
    }
    fn track(&self, tensor: &Handle) -> Result<Handle> {
        Ok(tensor.clone())
    }
    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        Ok(tensor.clone())
    }
    fn backward(&self, _: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        Ok(vec![None; leaves.len()])
    }
    fn set_grad_enabled(&self, _: bool) -> bool {
        true
    }
    fn seed(&self, _: u64) {}
    fn synchronize(&self, _: Device) -> Result<()> {
        Ok(())
    }
    fn memory(&self, _: Device) -> MemoryStats {
        MemoryStats::default()
    }
}
