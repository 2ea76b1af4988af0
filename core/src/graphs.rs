//! Device graphs: work that is recorded once and launched as a whole.
//!
//! A small model's step is bound by its launches: a GPU does each of a thousand kernels faster than the
//! host can ask for it. A graph asks once. It repeats the same work on the same memory, so what
//! changes from step to step (images, masks, the learning rate) must lie in tensors that are written in
//! place, and nothing may be read back in its middle.

use crate::Result;
use crate::backend::{Device, Handle};
use crate::tensor::HostTensor;

/// Graphs of a device, offered by a backend that has them.
pub trait Graphs: Send + Sync {
    /// From here to [`Graphs::end`], this thread's work on the device goes to the queue that graphs are
    /// captured on. With `capture` nothing is done, and the work becomes a graph; without it is
    /// done, which warms up what a capture must not meet for the first time. In between a step of AdamW writes
    /// over the memory of what it changes, whoever else holds it: a graph does its work on the same memory.
    ///
    /// # Errors
    /// The device can't capture.
    fn begin(&self, device: Device, capture: bool) -> Result<()>;

    /// Ends what [`Graphs::begin`] began, also after a failure in between; gives the graph if one was
    /// captured. Tensors that were made meanwhile stay where they are as long as the graph lives.
    ///
    /// # Errors
    /// The work can't be captured.
    fn end(&self, device: Device) -> Result<Option<Handle>>;

    /// Does the work of a graph.
    ///
    /// # Errors
    /// The library's own failure.
    fn replay(&self, graph: &Handle) -> Result<()>;

    /// Writes other elements into a tensor, in place: whoever holds it sees them.
    ///
    /// # Errors
    /// Data of another shape or type, or the library's own failure.
    fn write(&self, tensor: &Handle, data: HostTensor) -> Result<()>;
}
