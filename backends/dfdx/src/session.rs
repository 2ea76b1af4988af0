//! One device at work: values in, values out. Where its thread is, is for others to say.

use std::sync::Arc;

use palimpsest_core::tensor::{HostTensor, Op};
use palimpsest_core::{Error, Result};

use crate::dense::Dense;
use crate::fused::Fused;
use crate::panics::caught;
use crate::sampler::Sampler;
use crate::tape::{self, Floats};
use crate::value::{Value, Var};
use crate::{convert, execute};

/// A device and the generator of its random values.
#[derive(Debug)]
pub(crate) struct Session<H> {
    device: H,
    sampler: Sampler,
}

impl<H: Fused> Session<H> {
    /// Work on a device.
    pub(crate) fn new(device: H, sampler: Sampler) -> Self {
        Self { device, sampler }
    }

    /// A tensor of host data.
    pub(crate) fn upload(&self, data: HostTensor) -> Result<Value<H>> {
        caught("upload", || convert::from_host(&self.device, data))
    }

    /// A copy in host memory.
    pub(crate) fn download(value: &Value<H>) -> Result<HostTensor> {
        caught("download", || convert::to_host(value))
    }

    /// Runs an operation.
    pub(crate) fn execute(&self, op: &Op, inputs: Vec<Value<H>>) -> Result<Vec<Value<H>>> {
        caught(op.kind().name(), || execute::execute(&self.device, &self.sampler, op, inputs))
    }

    /// Gradients of a scalar with respect to tracked values.
    pub(crate) fn backward(&self, loss: Value<H>, leaves: &[Value<H>]) -> Result<Vec<Option<Value<H>>>> {
        caught("backward", || {
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
            let node = |leaf: &Value<H>| {
                let node = leaf.node().map(Arc::clone);
                node.ok_or_else(|| Error::failure("backward: a leaf is not tracked"))
            };
            let nodes = leaves.iter().map(node).collect::<Result<Vec<_>>>()?;
            let found = tape::backward(root, one, &nodes.iter().collect::<Vec<_>>())?;
            let value = |gradient: Floats<H>| match gradient {
                Floats::F32(x) => Value::F32(Var::plain(x)),
                Floats::F64(x) => Value::F64(Var::plain(x)),
            };
            Ok(found.into_iter().map(|gradient| gradient.map(value)).collect())
        })
    }

    /// Waits until all is done that was asked.
    pub(crate) fn synchronize(&self) -> Result<()> {
        caught("synchronize", || {
            self.device.try_synchronize().map_err(|error| Error::failure(format!("dfdx: {error:?}")))
        })
    }
}
