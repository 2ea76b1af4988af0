//! The backend as core sees it: the host's processor and, with the feature `cuda`, a GPU.

use std::fmt;

use dfdx::tensor::Cpu;
use palimpsest_core::backend::{BackendInfo, Device, Handle, MemoryStats};
use palimpsest_core::tensor::{DType, HostTensor, Op, OpKind, Shape};
use palimpsest_core::{Backend, Error, Result};

use crate::front::{DeviceFront, Front};
use crate::recording;
use crate::sampler::Sampler;
use crate::session::Session;

/// dfdx on all devices that it has here.
pub struct Dfdx {
    /// The processor is the first.
    fronts: Vec<Box<dyn Front>>,
    sampler: Sampler,
    /// Why there is no GPU among them.
    no_cuda: Option<Error>,
}

impl fmt::Debug for Dfdx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dfdx").field("devices", &self.devices()).finish_non_exhaustive()
    }
}

impl Dfdx {
    /// The backend. A GPU is only looked for; it is set up when it is first used.
    #[must_use]
    pub fn new() -> Self {
        let sampler = Sampler::new();
        let cpu = Session::new(Cpu::seed_from_u64(0), sampler.clone());
        let mut fronts: Vec<Box<dyn Front>> =
            vec![Box::new(DeviceFront::new(Device::Cpu, cpu, sampler.clone()))];
        let no_cuda = match gpu(&sampler) {
            Ok(front) => {
                fronts.push(front);
                None
            }
            Err(reason) => Some(reason),
        };
        Self { fronts, sampler, no_cuda }
    }

    fn on(&self, device: Device) -> Result<&dyn Front> {
        if let Some(front) = self.fronts.iter().find(|front| front.device() == device) {
            return Ok(&**front);
        }
        match (&self.no_cuda, device) {
            (Some(reason), Device::Cuda(_)) => Err(reason.clone()),
            _ => {
                let own: Vec<String> = self.devices().iter().map(ToString::to_string).collect();
                Err(Error::user(format!("the dfdx backend has no device `{device}`"))
                    .help(format!("use {}", own.join(" or "))))
            }
        }
    }

    /// Where a tensor is. One of another backend is refused there.
    fn of(&self, tensor: &Handle) -> &dyn Front {
        &**self.fronts.iter().find(|front| front.owns(tensor)).unwrap_or(&self.fronts[0])
    }
}

#[cfg(feature = "cuda")]
fn gpu(sampler: &Sampler) -> Result<Box<dyn Front>> {
    crate::cuda::front(sampler)
}

#[cfg(not(feature = "cuda"))]
fn gpu(_sampler: &Sampler) -> Result<Box<dyn Front>> {
    // The help depends on who built it.
    Err(Error::user("this library of the dfdx backend was built without CUDA"))
}

impl Default for Dfdx {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for Dfdx {
    fn info(&self) -> BackendInfo {
        let description = match self.fronts.len() {
            1 => "dfdx on the processor below a tape and fused operations",
            _ => "dfdx on the processor and CUDA below a tape; fused operations on the processor",
        };
        BackendInfo { description: description.to_owned(), ..self.fronts[0].info() }
    }

    fn devices(&self) -> Vec<Device> {
        self.fronts.iter().map(|front| front.device()).collect()
    }

    fn supports(&self, op: OpKind, dtype: DType, device: Device) -> bool {
        self.on(device).is_ok_and(|front| front.supports(op, dtype, device))
    }

    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle> {
        self.on(device)?.upload(data, device)
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        self.of(tensor).signature(tensor)
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        self.of(tensor).download(tensor)
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        self.on(device)?.execute(op, inputs, device)
    }

    fn track(&self, tensor: &Handle) -> Result<Handle> {
        self.of(tensor).track(tensor)
    }

    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        self.of(tensor).detach(tensor)
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        self.of(&loss).backward(loss, leaves)
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        recording::set(enabled)
    }

    fn seed(&self, seed: u64) {
        self.sampler.seed(seed);
    }

    fn synchronize(&self, device: Device) -> Result<()> {
        self.on(device)?.synchronize(device)
    }

    fn memory(&self, device: Device) -> MemoryStats {
        self.on(device).map_or_else(|_| MemoryStats::default(), |front| front.memory(device))
    }
}
