//! Graphs as core sees them: captured on CUDA. The processor offers what a step needs to be one (writes in place,
//! whoever else holds the memory), so that all but the capture is tested there.

use std::cell::Cell;

use palimpsest_core::backend::{Device, Handle};
use palimpsest_core::graphs::Graphs;
use palimpsest_core::{Error, HostTensor, Result};

use crate::backend::Libtorch;
use crate::convert;
use crate::failure::caught;
use crate::graph_library::{self, Graph};
use crate::value::{Value, core_type, extents};

thread_local! {
    static BEGUN: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is between `begin` and `end`, where AdamW writes over memory that others hold too.
pub(crate) fn begun() -> bool {
    BEGUN.get()
}

fn failed(why: String) -> Error {
    Error::failure(format!("graph: {}", why.lines().next().unwrap_or("no reason was given")))
}

impl Graphs for Libtorch {
    fn begin(&self, device: Device, capture: bool) -> Result<()> {
        match device {
            Device::Cuda(index) => graph_library::begin(index, capture).map_err(failed)?,
            _ if capture => return Err(Error::failure(format!("libtorch captures no graphs on {device}"))),
            _ => {}
        }
        BEGUN.set(true);
        Ok(())
    }

    fn end(&self, device: Device) -> Result<Option<Handle>> {
        BEGUN.set(false);
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
}
