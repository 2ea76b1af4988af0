//! What a handle of this backend holds.

use std::sync::Arc;

use palimpsest_core::backend::Handle;
use palimpsest_core::{DType, Error, Result, Shape};

use crate::dense::Dense;
use crate::engine::{Engine, Hardware};
use crate::real::Real;
use crate::tape::{Node, typed};

/// A float tensor, and its place in the history if it descends from a tracked leaf.
#[derive(Clone)]
pub(crate) struct Var<E: Real, H: Engine<E>> {
    pub(crate) dense: Dense<E, H>,
    pub(crate) node: Option<Arc<Node<H>>>,
}

impl<E: Real, H: Engine<E>> Var<E, H> {
    /// A tensor without history.
    pub(crate) fn plain(dense: Dense<E, H>) -> Self {
        Self { dense, node: None }
    }

    /// The result of an operation on `N` tensors of its type. `backward` goes from its gradient to
    /// theirs; it is told which are wanted.
    pub(crate) fn recorded<const N: usize>(
        parents: [Option<Arc<Node<H>>>; N],
        dense: Dense<E, H>,
        backward: impl FnOnce(Dense<E, H>, [bool; N]) -> [Option<Dense<E, H>>; N] + Send + 'static,
    ) -> Self {
        Self::recorded_many(parents.into(), dense, move |dy, wanted| {
            backward(dy, std::array::from_fn(|i| wanted[i])).into()
        })
    }

    /// As [`Var::recorded`], on any number of tensors.
    pub(crate) fn recorded_many(
        parents: Vec<Option<Arc<Node<H>>>>,
        dense: Dense<E, H>,
        backward: impl FnOnce(Dense<E, H>, &[bool]) -> Vec<Option<Dense<E, H>>> + Send + 'static,
    ) -> Self {
        let backward = move |gradient, wanted: &[bool]| {
            backward(typed(gradient), wanted).into_iter().map(|g| g.map(E::gradient)).collect()
        };
        Self { dense, node: Node::child(parents, Box::new(backward)) }
    }
}

/// Integers or truth values, in host memory. A clone shares them.
#[derive(Clone)]
pub(crate) struct Discrete<T> {
    pub(crate) data: Arc<Vec<T>>,
    pub(crate) shape: Shape,
}

impl<T> Discrete<T> {
    pub(crate) fn new(data: Vec<T>, shape: impl Into<Shape>) -> Self {
        Self { data: Arc::new(data), shape: shape.into() }
    }
}

/// A tensor.
#[derive(Clone)]
pub(crate) enum Value<H: Hardware> {
    F32(Var<f32, H>),
    F64(Var<f64, H>),
    /// 64-bit integers. dfdx has no operations on them.
    Int(Discrete<i64>),
    Bool(Discrete<bool>),
}

impl<H: Hardware> Value<H> {
    /// The extents and the type.
    pub(crate) fn signature(&self) -> (&Shape, DType) {
        match self {
            Self::F32(x) => (x.dense.shape(), DType::F32),
            Self::F64(x) => (x.dense.shape(), DType::F64),
            Self::Int(x) => (&x.shape, DType::I64),
            Self::Bool(x) => (&x.shape, DType::Bool),
        }
    }

    /// The place in the history.
    pub(crate) fn node(&self) -> Option<&Arc<Node<H>>> {
        match self {
            Self::F32(x) => x.node.as_ref(),
            Self::F64(x) => x.node.as_ref(),
            Self::Int(_) | Self::Bool(_) => None,
        }
    }

    /// The value with another place in the history.
    pub(crate) fn with_node(mut self, node: Option<Arc<Node<H>>>) -> Self {
        match &mut self {
            Self::F32(x) => x.node = node,
            Self::F64(x) => x.node = node,
            Self::Int(_) | Self::Bool(_) => {}
        }
        self
    }

    /// The value behind a handle.
    pub(crate) fn of(handle: &Handle) -> Result<&Self> {
        handle.get::<Self>().ok_or_else(foreign)
    }

    /// The value behind a handle, by value.
    pub(crate) fn take(handle: Handle) -> Result<Self> {
        handle.take::<Self>().ok_or_else(foreign)
    }
}

fn foreign() -> Error {
    Error::failure("a tensor of another backend was given to dfdx")
}
