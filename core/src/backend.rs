//! The only door to a tensor library.

mod wrapper;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::graphs::Graphs;
use crate::tensor::{DType, HostSlice, HostSliceMut, HostTensor, Op, OpKind, Shape};
use crate::{Error, Result};

pub use wrapper::Wrapper;

/// A backend's tensor. Only the backend that made it looks inside; a clone shares it.
#[derive(Clone)]
pub struct Handle(Arc<dyn Any + Send + Sync>);

impl Handle {
    /// Wraps a backend's tensor.
    pub fn new<T: Any + Send + Sync>(tensor: T) -> Self {
        Self(Arc::new(tensor))
    }

    /// The backend's tensor, if it is a `T`.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }

    /// A number that differs between tensors that are alive.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Whether no other handle shares the tensor.
    pub fn is_sole(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// The backend's tensor by value, if it is a `T` and this is its only handle.
    ///
    /// # Errors
    /// Gives the handle back.
    pub fn into_sole<T: Any + Send + Sync>(self) -> Result<T, Self> {
        if !self.is_sole() || !self.0.is::<T>() {
            return Err(self);
        }
        let shared = self.0.downcast::<T>().map_err(Self)?;
        Arc::try_unwrap(shared).map_err(|shared| Self(shared))
    }

    /// The backend's tensor by value where this is its only handle (its memory may then be
    /// written in place), a clone otherwise; `None` if it is no `T`.
    pub fn take<T: Any + Send + Sync + Clone>(self) -> Option<T> {
        let shared = self.0.downcast::<T>().ok()?;
        Some(Arc::try_unwrap(shared).unwrap_or_else(|shared| (*shared).clone()))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

/// Where tensors live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Device {
    /// The host's processor.
    #[default]
    Cpu,
    /// A CUDA device by number.
    Cuda(usize),
    /// A wgpu adapter by number.
    Wgpu(usize),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(i) => write!(f, "cuda:{i}"),
            Self::Wgpu(i) => write!(f, "wgpu:{i}"),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

impl std::str::FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, index) = text.split_once(':').unwrap_or((text, "0"));
        let bad = || Error::user(format!("unknown device `{text}`")).help("write cpu, cuda:0 or wgpu:0");
        let index = index.parse().map_err(|_| bad())?;
        match kind {
            "cpu" if index == 0 => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(index)),
            "wgpu" => Ok(Self::Wgpu(index)),
            _ => Err(bad()),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// What a backend says of itself.
#[derive(Debug, Clone, Serialize)]
pub struct BackendInfo {
    /// `burn`, `tch`, …
    pub name: String,
    /// The version of the tensor library.
    pub version: String,
    /// One line for people: engine and features.
    pub description: String,
    /// The processor's instructions that its kernels use: a level's name, and words about it behind a space, as
    /// `avx512 (bf16: AVX512-BF16)`. `None` where the library can't tell.
    pub instructions: Option<String>,
}

impl BackendInfo {
    /// The part of [`instructions`](Self::instructions) that the last bits of numbers of a type hang on: the level's
    /// name, and for bfloat16, whose products have instructions of their own, all of it.
    pub fn instructions_for(&self, dtype: DType) -> Option<&str> {
        let whole = self.instructions.as_deref()?;
        match dtype {
            DType::Bf16 => Some(whole),
            _ => whole.split(' ').next(),
        }
    }
}

/// Memory as the backend sees it, in bytes; `None` where it can't tell.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct MemoryStats {
    /// In use now.
    pub in_use: Option<u64>,
    /// The most that was in use at once.
    pub peak: Option<u64>,
}

impl MemoryStats {
    /// Resident memory of the process, where the system tells: what tensors on the host are part of.
    pub fn of_process() -> Self {
        let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
            return Self::default();
        };
        let bytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            let kib: u64 = line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kib * 1024)
        };
        Self { in_use: bytes("VmRSS"), peak: bytes("VmHWM") }
    }
}

/// A tensor library behind one table of functions.
///
/// Core checks every operation's shapes and types before it calls `execute`, and takes a fused
/// operation apart where `supports` denies it; so a backend is complete with the primitives.
/// Tracking of gradients belongs to the library: a tensor descends from `track`ed leaves or it
/// doesn't, and operations on tensors that don't are not recorded.
pub trait Backend: Send + Sync {
    /// Name and version.
    fn info(&self) -> BackendInfo;

    /// The devices that this machine offers.
    fn devices(&self) -> Vec<Device>;

    /// Whether `execute` takes `op` on tensors of `dtype` on `device`: a library may have kernels of
    /// its own on one device only. Every primitive must be supported for f32; a fused operation that is denied is lowered by core.
    fn supports(&self, op: OpKind, dtype: DType, device: Device) -> bool;

    /// Copies a tensor to a device.
    ///
    /// # Errors
    /// No such device, no memory, or a type that the library lacks.
    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle>;

    /// Copies a tensor of this shape to a device from memory that stays the caller's, with as many elements. By default
    /// through a copy of it; gradients travel between processes this way.
    ///
    /// # Errors
    /// As [`Backend::upload`].
    fn upload_from(&self, shape: &Shape, from: HostSlice<'_>, device: Device) -> Result<Handle> {
        self.upload(HostTensor::new(shape.clone(), from.to_data())?, device)
    }

    /// The shape and type of a tensor, as the library holds it. Core compares them with what it
    /// inferred, so that a faulty library is caught at the operation.
    ///
    /// # Errors
    /// A tensor of another backend.
    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)>;

    /// Copies a tensor to the host.
    ///
    /// # Errors
    /// The library's own failure.
    fn download(&self, tensor: &Handle) -> Result<HostTensor>;

    /// Copies a tensor to a place on the host, which has its type and as many elements. By default through a copy of it;
    /// gradients travel between processes this way.
    ///
    /// # Errors
    /// The library's own failure, or a place that doesn't fit.
    fn download_into(&self, tensor: &Handle, mut to: HostSliceMut<'_>) -> Result<()> {
        to.copy_from(&self.download(tensor)?)
    }

    /// Runs an operation. An input whose last handle is passed may be overwritten.
    ///
    /// # Errors
    /// The library's own failure.
    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>>;

    /// A leaf that gradients are recorded for, with the value of `tensor`.
    ///
    /// # Errors
    /// The library's own failure.
    fn track(&self, tensor: &Handle) -> Result<Handle>;

    /// The same value without its history.
    ///
    /// # Errors
    /// The library's own failure.
    fn detach(&self, tensor: &Handle) -> Result<Handle>;

    /// Gradients of a scalar with respect to leaves; `None` for a leaf that the loss does not
    /// depend on. Frees the recorded history.
    ///
    /// # Errors
    /// `loss` descends from no leaf, or the library's own failure.
    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>>;

    /// Switches the recording of gradients on this thread; returns the state before. Use
    /// [`NoGrad`].
    fn set_grad_enabled(&self, enabled: bool) -> bool;

    /// Seeds the library's own generator (for noise drawn on the device).
    fn seed(&self, seed: u64);

    /// Waits until the device has done everything that was asked.
    ///
    /// # Errors
    /// A failure of work that was queued earlier.
    fn synchronize(&self, device: Device) -> Result<()>;

    /// Memory in use.
    fn memory(&self, device: Device) -> MemoryStats;

    /// Graphs of a device, where the library has them.
    fn graphs(&self, device: Device) -> Option<&dyn Graphs> {
        let _ = device;
        None
    }
}

/// While it lives, operations on this thread are not recorded.
pub struct NoGrad<'a> {
    backend: &'a dyn Backend,
    before: bool,
}

impl<'a> NoGrad<'a> {
    /// Stops recording until dropped.
    pub fn new(backend: &'a dyn Backend) -> Self {
        Self { backend, before: backend.set_grad_enabled(false) }
    }
}

impl Drop for NoGrad<'_> {
    fn drop(&mut self) {
        self.backend.set_grad_enabled(self.before);
    }
}
