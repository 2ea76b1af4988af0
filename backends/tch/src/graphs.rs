//! Graphs as core sees them: captured on CUDA. The processor offers what a step needs to be one (in-place writes,
//! an optimiser that reads its rates from the device), so that all but the capture is tested there.

use palimpsest_core::backend::{Device, Handle};
use palimpsest_core::graphs::{AdamwConstants, Graphs, Parameter};
use palimpsest_core::{Error, HostTensor, Result};

use crate::backend::Libtorch;
use crate::convert;
use crate::failure::caught;
use crate::graph_library::{self, Graph};
use crate::shim::{self, Constants};
use crate::value::{Value, core_type, extents};

fn failed(why: String) -> Error {
    Error::failure(format!("graph: {}", why.lines().next().unwrap_or("no reason was given")))
}

impl Graphs for Libtorch {
    fn begin(&self, device: Device, capture: bool) -> Result<()> {
        match device {
            Device::Cuda(index) => graph_library::begin(index, capture).map_err(failed),
            _ if capture => Err(Error::failure(format!("libtorch captures no graphs on {device}"))),
            _ => Ok(()),
        }
    }

    fn end(&self, device: Device) -> Result<Option<Handle>> {
        match device {
            Device::Cuda(_) => Ok(graph_library::end().map_err(failed)?.map(Handle::new)),
            _ => Ok(None),
        }
    }

    fn replay(&self, graph: &Handle) -> Result<()> {
        let graph = graph.get::<Graph>().ok_or_else(|| Error::failure("graph: none of libtorch's"))?;
        graph_library::replay(graph).map_err(failed)
    }

    fn write(&self, tensor: &Handle, data: HostTensor) -> Result<()> {
        caught("write", || {
            let tensor = Value::of(tensor)?;
            if extents(tensor) != *data.shape() || core_type(tensor)? != data.dtype() {
                return Err(Error::failure("write: other elements don't fit").into());
            }
            let _off = tch::no_grad_guard();
            let host = convert::from_host(&data, tch::Device::Cpu)?;
            tensor.shallow_clone().f_copy_(&host)?;
            Ok(())
        })
    }

    fn update(
        &self,
        constants: &AdamwConstants,
        parameter: Parameter<&Handle>,
        rates: &Handle,
    ) -> Result<()> {
        caught("update", || {
            let AdamwConstants { beta1, beta2, eps, decay } = *constants;
            let parameter = Parameter {
                value: Value::of(parameter.value)?,
                gradient: Value::of(parameter.gradient)?,
                first: Value::of(parameter.first)?,
                second: Value::of(parameter.second)?,
                average: parameter.average.map(Value::of).transpose()?,
            };
            let constants = Constants { beta1, beta2, eps, decay };
            Ok(shim::update(&parameter, Value::of(rates)?, &constants)?)
        })
    }
}
