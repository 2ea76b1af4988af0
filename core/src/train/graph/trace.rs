//! What a step asked of its backend, in order.

use crate::backend::Handle;
use crate::tensor::{DType, HostTensor, Op, Shape};

/// A tensor that a call reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A result of the step, by number.
    Made(usize),
    /// One that was there before, by its place in [`Trace::given`].
    Given(usize),
}

/// A call of the backend.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    Upload(Shape, DType),
    Execute(Op, Vec<Source>),
    Track(Source),
    Detach(Source),
    Backward(Source, Vec<Source>),
    Recording(bool),
}

impl Call {
    /// In a word, for messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Upload(..) => "an upload",
            Self::Execute(op, _) => op.kind().name(),
            Self::Track(_) | Self::Detach(_) | Self::Recording(_) => "a switch of recording",
            Self::Backward(..) => "the backward pass",
        }
    }
}

/// A call and the signatures of its results; `None` for a gradient that there isn't.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) call: Call,
    pub(super) made: Vec<Option<(Shape, DType)>>,
}

/// A tensor that each step writes anew.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) handle: Handle,
    /// What was written last, where it is small: what never changes is not written again.
    pub(super) last: Option<HostTensor>,
}

/// The calls of a step.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) entries: Vec<Entry>,
    pub(super) slots: Vec<Slot>,
    /// Tensors that the step found: weights, moments. Held, so that their addresses stay theirs.
    pub(super) given: Vec<Handle>,
    /// The result that is read back.
    pub(super) report: Option<usize>,
}
