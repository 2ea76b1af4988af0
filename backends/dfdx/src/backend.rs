//! The backend as core sees it.

use std::sync::{Arc, Mutex, PoisonError};

use dfdx::tensor::Cpu;
use palimpsest_core::backend::{BackendInfo, Device, Handle, MemoryStats};
use palimpsest_core::tensor::{DType, HostTensor, Op, OpKind, Shape};
use palimpsest_core::{Backend, Error, Result};

use crate::dense::Dense;
use crate::engine::Hardware;
use crate::panics::caught;
use crate::tape::{self, Floats, Node};
use crate::value::{Value, Var};
use crate::{convert, execute, memory, recording};

/// dfdx on a device of type `H`.
#[derive(Debug)]
pub struct Dfdx<H> {
    device: H,
    /// The generator of random values, apart: seeding makes a new device.
    sampler: Mutex<H>,
}

/// dfdx on the host's processor.
pub type DfdxCpu = Dfdx<Cpu>;

impl DfdxCpu {
    /// The backend.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Cpu::seed_from_u64(0))
    }
}

impl Default for DfdxCpu {
    fn default() -> Self {
        Self::new()
    }
}

#[allow(private_bounds, reason = "methods of this module only")]
impl<H: Hardware> Dfdx<H> {
    fn on(device: H) -> Self {
        let sampler = Mutex::new(device.seeded(0));
        Self { device, sampler }
    }

    fn check(&self, device: Device) -> Result<()> {
        if device == self.device.place() {
            return Ok(());
        }
        let own = self.device.place();
        Err(Error::user(format!("the dfdx backend has no device `{device}`")).mend(format!("use {own}")))
    }
}

impl<H: Hardware> Backend for Dfdx<H> {
    fn info(&self) -> BackendInfo {
        BackendInfo {
            name: "dfdx".to_owned(),
            version: "0.13.0".to_owned(),
            description: format!("dfdx on {} below a tape and fused operations", self.device.place()),
        }
    }

    fn devices(&self) -> Vec<Device> {
        vec![self.device.place()]
    }

    /// Fused operations work on slices of host memory; elsewhere core takes them apart.
    fn supports(&self, op: OpKind, dtype: DType, _device: Device) -> bool {
        match dtype {
            DType::Bf16 => false,
            _ => !op.is_fused() || (H::HOST && dtype.is_float()),
        }
    }

    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle> {
        self.check(device)?;
        caught("upload", || Ok(Handle::new(convert::from_host(&self.device, data)?)))
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        let (shape, dtype) = Value::<H>::of(tensor)?.signature();
        Ok((shape.clone(), dtype))
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        caught("download", || convert::to_host(Value::<H>::of(tensor)?))
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        self.check(device)?;
        caught(op.kind().name(), || {
            let inputs = inputs.into_iter().map(Value::take).collect::<Result<Vec<_>>>()?;
            let outputs = execute::execute(&self.device, &self.sampler, op, inputs)?;
            Ok(outputs.into_iter().map(Handle::new).collect())
        })
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
        caught("backward", || {
            let loss = Value::<H>::take(loss)?;
            let Some(root) = loss.node().map(Arc::clone) else {
                return Err(Error::failure("backward: the loss descends from no tracked tensor"));
            };
            let shape = loss.signature().0.clone();
            let one = match &loss {
                Value::F64(_) => Floats::F64(Dense::full(&self.device, shape, 1.0)),
                _ => Floats::F32(Dense::full(&self.device, shape, 1.0)),
            };
            // Nothing but the tape holds on to the history.
            drop(loss);
            let node = |leaf: &&Handle| {
                let node = Value::<H>::of(leaf)?.node();
                node.map(Arc::clone).ok_or_else(|| Error::failure("backward: a leaf is not tracked"))
            };
            let nodes = leaves.iter().map(node).collect::<Result<Vec<_>>>()?;
            let found = tape::backward(root, one, &nodes.iter().collect::<Vec<_>>())?;
            let handle = |gradient: Floats<H>| {
                Handle::new(match gradient {
                    Floats::F32(x) => Value::F32(Var::plain(x)),
                    Floats::F64(x) => Value::F64(Var::plain(x)),
                })
            };
            Ok(found.into_iter().map(|gradient| gradient.map(handle)).collect())
        })
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        recording::set(enabled)
    }

    fn seed(&self, seed: u64) {
        *self.sampler.lock().unwrap_or_else(PoisonError::into_inner) = self.device.seeded(seed);
    }

    fn synchronize(&self, device: Device) -> Result<()> {
        self.check(device)?;
        self.device.try_synchronize().map_err(|error| Error::failure(format!("dfdx: {error:?}")))
    }

    fn memory(&self, _device: Device) -> MemoryStats {
        memory::stats()
    }
}
