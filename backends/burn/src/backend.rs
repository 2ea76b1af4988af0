//! The backend as core sees it.

use burn_backend::{Backend as _, TensorMetadata};
use burn_flex::{Flex, FlexDevice};
use palimpsest_core::backend::{BackendInfo, Device, Handle, MemoryStats};
use palimpsest_core::tensor::{DType, HostTensor, Op, OpKind, Shape};
use palimpsest_core::{Backend, Error, Result};

use crate::panics::caught;
use crate::value::{RecordedTensor, Value, core_type};
use crate::{convert, execute, fused, memory, recording};

/// burn's Flex engine on the host's processor.
#[derive(Debug)]
pub struct BurnFlex {
    // Not to be built by hand: `new` tunes the allocator.
    _private: (),
}

impl BurnFlex {
    /// The backend. The first one in a process also tunes the allocator.
    #[must_use]
    pub fn new() -> Self {
        memory::tune_allocator();
        Self { _private: () }
    }

    fn check(device: Device) -> Result<()> {
        if device == Device::Cpu {
            Ok(())
        } else {
            Err(Error::user(format!("the burn backend has no device `{device}`")).mend("use cpu"))
        }
    }
}

impl Default for BurnFlex {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for BurnFlex {
    fn info(&self) -> BackendInfo {
        BackendInfo {
            name: "burn".to_owned(),
            version: "0.22.1".to_owned(),
            description: "burn's Flex engine with automatic differentiation and fused operations".to_owned(),
        }
    }

    fn devices(&self) -> Vec<Device> {
        vec![Device::Cpu]
    }

    fn supports(&self, op: OpKind, dtype: DType, _device: Device) -> bool {
        !op.is_fused() || fused::supports(op, dtype)
    }

    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle> {
        Self::check(device)?;
        caught("upload", || Ok(Handle::new(Value::plain(convert::from_host(data)))))
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        let inner = Value::of(tensor)?.inner();
        Ok((inner.shape().iter().copied().collect(), core_type(inner.dtype())?))
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        caught("download", || convert::to_host(Value::of(tensor)?.inner()))
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        Self::check(device)?;
        caught(op.kind().name(), || {
            let inputs = inputs.into_iter().map(Value::take).collect::<Result<Vec<_>>>()?;
            Ok(execute::execute(op, inputs)?.into_iter().map(Handle::new).collect())
        })
    }

    fn track(&self, tensor: &Handle) -> Result<Handle> {
        caught("track", || match Value::of(tensor)?.clone() {
            value @ (Value::Plain(_) | Value::Tracked(_)) => {
                let leaf = RecordedTensor::new(value.into_inner()).require_grad();
                Ok(Handle::new(Value::Tracked(leaf)))
            }
            Value::Int(_) | Value::Bool(_) => Err(Error::failure("track: gradients need floats")),
        })
    }

    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        match Value::of(tensor)? {
            Value::Tracked(recorded) => Ok(Handle::new(Value::Plain(recorded.primitive().clone()))),
            _ => Ok(tensor.clone()),
        }
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        caught("backward", || {
            let Value::Tracked(loss) = Value::take(loss)? else {
                return Err(Error::failure("backward: the loss descends from no tracked tensor"));
            };
            let gradients = loss.backward();
            leaves
                .iter()
                .map(|leaf| match Value::of(leaf)? {
                    Value::Tracked(leaf) => {
                        Ok(leaf.grad(&gradients).map(|grad| Handle::new(Value::Plain(grad))))
                    }
                    _ => Err(Error::failure("backward: a leaf is not tracked")),
                })
                .collect()
        })
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        recording::set(enabled)
    }

    fn seed(&self, seed: u64) {
        Flex::seed(&FlexDevice, seed);
    }

    fn synchronize(&self, device: Device) -> Result<()> {
        Self::check(device)
    }

    fn memory(&self, _device: Device) -> MemoryStats {
        memory::stats()
    }
}
