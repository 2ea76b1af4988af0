//! Device graphs: work that is recorded once and launched as a whole.
//!
//! A small model's step is bound by its launches: a GPU does each of a thousand kernels faster than the
//! host can ask for it. A graph asks once. It repeats the same work on the same memory, so what
//! changes from step to step (pictures, masks, the learning rate) must lie in tensors that are written in
//! place, and nothing may be read back in its middle.

use crate::Result;
use crate::backend::{Device, Handle};
use crate::tensor::HostTensor;

/// The constants of a step of AdamW.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamwConstants {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Weight decay.
    pub decay: f64,
}

/// A parameter with its gradient and everything that a step of AdamW changes.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<T> {
    /// The parameter.
    pub value: T,
    /// Its gradient, of the same shape and type; so are the others.
    pub gradient: T,
    /// First moment.
    pub first: T,
    /// Second moment.
    pub second: T,
    /// The average of the parameter over the steps, if one is kept.
    pub average: Option<T>,
}

/// What a step of AdamW reads from the device, in the order of the tensor's elements, f32 `[5]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Rate {
    /// The learning rate.
    Learning = 0,
    /// The number of the step, from 1.
    Step = 1,
    /// Factor on the gradient (clipping).
    Scale = 2,
    /// 1 leaves everything as it is, 0 does the step.
    Skip = 3,
    /// The weight of the new parameter in the average; 0 where the step is left out.
    Average = 4,
}

impl Rate {
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// Graphs of a device, offered by a backend that has them.
pub trait Graphs: Send + Sync {
    /// From here to [`Graphs::end`], this thread's work on the device goes to the queue that graphs are
    /// captured on. With `capture` nothing is done, and the work becomes a graph; without it is
    /// done, which warms up what a capture must not meet for the first time.
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

    /// A step of AdamW with decoupled decay, as the operation adamw-step, whose changing
    /// numbers lie on the device: `rates`, see [`Rate`]. All but the gradient are written in place.
    ///
    /// # Errors
    /// The library's own failure.
    fn update(&self, constants: &AdamwConstants, parameter: Parameter<&Handle>, rates: &Handle)
    -> Result<()>;
}
