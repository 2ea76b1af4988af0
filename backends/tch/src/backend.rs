//! The backend as core sees it.

use palimpsest_core::backend::{BackendInfo, Device, Handle, MemoryStats};
use palimpsest_core::graphs::Graphs;
use palimpsest_core::tensor::{DType, HostTensor, Op, OpKind, Shape};
use palimpsest_core::{Backend, Error, Result};
use tch::Tensor;

use crate::failure::{Failure, caught};
use crate::library::{Library, library};
use crate::value::{Value, core_type, extents, torch_device};
use crate::{convert, execute, memory, shim};

/// libtorch on the host's processor and on CUDA devices.
#[derive(Debug)]
pub struct Libtorch {
    library: Library,
}

impl Libtorch {
    /// The backend. The first one in a process loads libtorch's CUDA part if there is a driver for it.
    ///
    /// 32-bit floats stay 32-bit floats on CUDA; [`Libtorch::allow_tf32`] lifts that.
    ///
    /// # Errors
    /// libtorch is not of version [`crate::LIBTORCH_VERSION`].
    pub fn new() -> Result<Self> {
        let backend = Self { library: library()? };
        backend.allow_tf32(false)?;
        Ok(backend)
    }

    /// Whether 32-bit products and convolutions on CUDA may round their operands to TF32 (10 bits of
    /// mantissa), for the whole process. libtorch's own default allows it in convolutions.
    ///
    /// # Errors
    /// libtorch refuses.
    pub fn allow_tf32(&self, allowed: bool) -> Result<()> {
        caught("allow-tf32", || Ok(shim::allow_tf32(allowed)?))
    }

    fn device(&self, device: Device) -> Result<tch::Device> {
        let why = match torch_device(device) {
            Some(tch::Device::Cuda(index)) if index >= self.library.cuda_devices => {
                self.library.no_cuda.as_deref().unwrap_or("this machine has fewer")
            }
            Some(device) => return Ok(device),
            None => "libtorch has none of that kind",
        };
        let names: Vec<String> = self.devices().iter().map(Device::to_string).collect();
        Err(Error::user(format!("the tch backend has no device `{device}`: {why}"))
            .help(format!("use {}", names.join(" or "))))
    }
}

impl Backend for Libtorch {
    fn info(&self) -> BackendInfo {
        BackendInfo {
            name: "tch".to_owned(),
            version: self.library.version.clone(),
            description: "libtorch's kernels and automatic differentiation, through tch 0.24".to_owned(),
            // libtorch chooses among its own, by `ATEN_CPU_CAPABILITY`.
            instructions: None,
        }
    }

    fn devices(&self) -> Vec<Device> {
        std::iter::once(Device::Cpu).chain((0..self.library.cuda_devices).map(Device::Cuda)).collect()
    }

    fn supports(&self, op: OpKind, dtype: DType, _device: Device) -> bool {
        execute::supports(op, dtype)
    }

    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle> {
        let device = self.device(device)?;
        caught("upload", || Ok(Value::handle(convert::from_host(&data, device)?)))
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        caught("signature", || {
            let tensor = Value::of(tensor)?;
            Ok((extents(tensor), core_type(tensor)?))
        })
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        caught("download", || convert::to_host(Value::of(tensor)?))
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        let device = self.device(device)?;
        caught(op.kind().name(), || {
            Ok(execute::execute(op, inputs, device)?.into_iter().map(Value::handle).collect())
        })
    }

    fn track(&self, tensor: &Handle) -> Result<Handle> {
        caught("track", || {
            let tensor = Value::of(tensor)?;
            if !core_type(tensor)?.is_float() {
                return Err(Error::failure("track: gradients need floats").into());
            }
            // A leaf of its own on the same memory: the mark belongs to the tensor, not to the memory.
            Ok(Value::handle(tensor.f_detach()?.f_set_requires_grad(true)?))
        })
    }

    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        caught("detach", || {
            let shared = Value::of(tensor)?;
            Ok(if shared.requires_grad() { Value::handle(shared.f_detach()?) } else { tensor.clone() })
        })
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        caught("backward", || {
            let loss = Value::take(loss)?;
            if !loss.requires_grad() {
                return Err(Error::failure("backward: the loss descends from no tracked tensor").into());
            }
            let leaves = leaves.iter().map(|leaf| Value::of(leaf)).collect::<Result<Vec<_>, Failure>>()?;
            if leaves.iter().any(|leaf| !leaf.requires_grad()) {
                return Err(Error::failure("backward: a leaf is not tracked").into());
            }
            // Without leaves libtorch would leave gradients behind in all that there are.
            if leaves.is_empty() {
                return Ok(Vec::new());
            }
            let gradients = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
            Ok(gradients.into_iter().map(|g| g.defined().then(|| Value::handle(g))).collect())
        })
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        shim::set_grad_enabled(enabled)
    }

    fn seed(&self, seed: u64) {
        // The same bits: libtorch's generators take all 64.
        tch::manual_seed(seed.cast_signed());
    }

    fn synchronize(&self, device: Device) -> Result<()> {
        match self.device(device)? {
            tch::Device::Cuda(index) => caught("synchronize", || {
                tch::Cuda::synchronize(index as i64);
                Ok(())
            }),
            _ => Ok(()),
        }
    }

    fn memory(&self, device: Device) -> MemoryStats {
        memory::stats(device)
    }

    fn graphs(&self, device: Device) -> Option<&dyn Graphs> {
        (!matches!(device, Device::Wgpu(_))).then_some(self)
    }
}
