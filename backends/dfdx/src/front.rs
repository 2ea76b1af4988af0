//! One device as core sees it, wherever its work is done.

use std::marker::PhantomData;

use dfdx::tensor::Cpu;
use palimpsest_core::backend::{BackendInfo, Device, Handle, MemoryStats};
use palimpsest_core::tensor::{DType, HostTensor, Op, OpKind, Shape};
use palimpsest_core::{Backend, Error, Result};
use palimpsest_kernels::Level;

use crate::fused::Fused;
use crate::recording;
use crate::sampler::Sampler;
use crate::session::Session;
use crate::tape::Node;
use crate::value::Value;

/// What does a device's work.
pub(crate) trait Executor<H>: Send + Sync {
    /// Does it, and waits for the result.
    ///
    /// # Errors
    /// The work's own, or the device can't be had.
    fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Session<H>) -> Result<R> + Send + 'static,
    ) -> Result<R>;

    /// The device's memory.
    fn memory(&self) -> MemoryStats;
}

/// The host's processor works on the thread that asks.
impl Executor<Cpu> for Session<Cpu> {
    fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Session<Cpu>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        work(self)
    }

    fn memory(&self) -> MemoryStats {
        MemoryStats::of_process()
    }
}

/// A backend of one device.
pub(crate) trait Front: Backend {
    /// The device.
    fn device(&self) -> Device;

    /// Whether a tensor is its own.
    fn owns(&self, tensor: &Handle) -> bool;
}

/// A device of type `H`, whose work is done at `executor`.
pub(crate) struct DeviceFront<H, W> {
    device: Device,
    executor: W,
    sampler: Sampler,
    hardware: PhantomData<fn() -> H>,
}

impl<H: Fused, W: Executor<H>> DeviceFront<H, W> {
    /// A device.
    pub(crate) fn new(device: Device, executor: W, sampler: Sampler) -> Self {
        Self { device, executor, sampler, hardware: PhantomData }
    }
}

impl<H: Fused, W: Executor<H>> Front for DeviceFront<H, W> {
    fn device(&self) -> Device {
        self.device
    }

    fn owns(&self, tensor: &Handle) -> bool {
        tensor.get::<Value<H>>().is_some()
    }
}

impl<H: Fused, W: Executor<H>> Backend for DeviceFront<H, W> {
    fn info(&self) -> BackendInfo {
        let description = format!("dfdx on {} below a tape and fused operations", self.device);
        BackendInfo {
            name: "dfdx".to_owned(),
            version: "0.13.0".to_owned(),
            description,
            // Of this crate's own kernels: dfdx's products choose for themselves.
            instructions: Some(Level::current().to_string()),
        }
    }

    fn devices(&self) -> Vec<Device> {
        vec![self.device]
    }

    /// Fused operations work on slices of host memory; elsewhere core takes them apart.
    fn supports(&self, op: OpKind, dtype: DType, _device: Device) -> bool {
        match dtype {
            DType::Bf16 | DType::U8 => false,
            _ => !op.is_fused() || (H::HOST && dtype.is_float()),
        }
    }

    fn upload(&self, data: HostTensor, _device: Device) -> Result<Handle> {
        self.executor.run(move |session| session.upload(data)).map(Handle::new)
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        let (shape, dtype) = Value::<H>::of(tensor)?.signature();
        Ok((shape.clone(), dtype))
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        let value = Value::<H>::of(tensor)?.clone();
        self.executor.run(move |_| Session::download(&value))
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, _device: Device) -> Result<Vec<Handle>> {
        let inputs = inputs.into_iter().map(Value::take).collect::<Result<Vec<_>>>()?;
        let op = op.clone();
        let outputs = self.executor.run(move |session| session.execute(&op, inputs))?;
        Ok(outputs.into_iter().map(Handle::new).collect())
    }

    fn track(&self, tensor: &Handle) -> Result<Handle> {
        let value = Value::<H>::of(tensor)?;
        if !value.signature().1.is_float() {
            return Err(Error::failure("track: gradients need floats"));
        }
        Ok(Handle::new(value.clone().with_node(Some(Node::leaf()))))
    }

    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        let value = Value::<H>::of(tensor)?;
        Ok(match value.node() {
            Some(_) => Handle::new(value.clone().with_node(None)),
            None => tensor.clone(),
        })
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        let loss = Value::<H>::take(loss)?;
        let leaves = leaves.iter().map(|leaf| Value::<H>::of(leaf).cloned()).collect::<Result<Vec<_>>>()?;
        let found = self.executor.run(move |session| session.backward(loss, &leaves))?;
        Ok(found.into_iter().map(|gradient| gradient.map(Handle::new)).collect())
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        recording::set(enabled)
    }

    fn seed(&self, seed: u64) {
        self.sampler.seed(seed);
    }

    fn synchronize(&self, _device: Device) -> Result<()> {
        self.executor.run(Session::synchronize)
    }

    fn memory(&self, _device: Device) -> MemoryStats {
        self.executor.memory()
    }
}
