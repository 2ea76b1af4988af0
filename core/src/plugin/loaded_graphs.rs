//! The host's end of graphs.
#![allow(unsafe_code, reason = "calls C functions of a library")]

use std::sync::Arc;

use palimpsest_abi::Opaque;

use super::LoadedBackend;
use super::failure::Report;
use super::loaded_backend::Opened;
use super::wire;
use crate::backend::Handle;
use crate::graphs::Graphs;
use crate::tensor::HostTensor;
use crate::{Device, Error, Result};

/// A graph of the library; given back when it is dropped.
struct Graph {
    opened: Arc<Opened>,
    handle: Opaque,
}

// SAFETY: a handle is an address that only the library looks behind, and its functions may be called
// from any thread.
unsafe impl Send for Graph {}
// SAFETY: as above.
unsafe impl Sync for Graph {}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: it came from this library and is given back once.
        unsafe { (self.opened.table.release)(self.opened.instance, self.handle) };
    }
}

impl LoadedBackend {
    /// A function that a library of an older minor version lacks.
    fn there<F>(&self, function: Option<F>) -> Result<F> {
        function.ok_or_else(|| Error::failure(format!("the {} has no graphs", self.opened.who)))
    }
}

impl Graphs for LoadedBackend {
    fn begin(&self, device: Device, capture: bool) -> Result<()> {
        let begin = self.there(self.opened.table.graph_begin)?;
        let (device, mut error) = (wire::device_out(device), Report::new());
        // SAFETY: plain numbers and a writable error.
        let code = unsafe { begin(self.opened.instance, device, u32::from(capture), &raw mut *error) };
        self.opened.check(code, &error)
    }

    fn end(&self, device: Device) -> Result<Option<Handle>> {
        let end = self.there(self.opened.table.graph_end)?;
        let (device, mut error) = (wire::device_out(device), Report::new());
        let mut graph: Opaque = std::ptr::null_mut();
        // SAFETY: writable places.
        let code = unsafe { end(self.opened.instance, device, &raw mut graph, &raw mut *error) };
        self.opened.check(code, &error)?;
        let graph = (!graph.is_null()).then_some(graph);
        Ok(graph.map(|handle| Handle::new(Graph { opened: self.opened.clone(), handle })))
    }

    fn replay(&self, graph: &Handle) -> Result<()> {
        let replay = self.there(self.opened.table.graph_replay)?;
        let graph = graph.get::<Graph>().filter(|graph| Arc::ptr_eq(&graph.opened, &self.opened));
        let graph = graph.ok_or_else(|| Error::failure("a graph of another backend"))?;
        let mut error = Report::new();
        // SAFETY: a graph of this library, and a writable error.
        let code = unsafe { replay(self.opened.instance, graph.handle, &raw mut *error) };
        self.opened.check(code, &error)
    }

    fn write(&self, tensor: &Handle, data: HostTensor) -> Result<()> {
        let write = self.there(self.opened.table.write)?;
        let (view, mut error) = (wire::host_out(&data)?, Report::new());
        let tensor = self.foreign(tensor)?.handle();
        // SAFETY: `view` shows `data`, which lives until the call returns; a lent tensor of this library.
        let code = unsafe { write(self.opened.instance, tensor, &raw const view, &raw mut *error) };
        self.opened.check(code, &error)
    }
}
