//! The operands of an operation with a backward pass of its own, parted from burn's graph and put back.

use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::ops::{Backward, NodeGuard, OpsKind};
use palimpsest_core::{Error, Result};

use crate::engine::{Engine, Recorded, Tensor};
use crate::recording;
use crate::value::Value;

/// An operation's inputs, taken one after another.
pub(crate) struct Inputs<E: Engine> {
    name: &'static str,
    values: std::vec::IntoIter<Value<E>>,
}

impl<E: Engine> Inputs<E> {
    /// The inputs of the operation `name`.
    pub(crate) fn new(name: &'static str, values: Vec<Value<E>>) -> Self {
        Self { name, values: values.into_iter() }
    }

    /// The next, which must be there.
    pub(crate) fn float(&mut self) -> Result<Float<E>> {
        self.optional().ok_or_else(|| Error::failure(format!("{}: a float input is missing", self.name)))
    }

    /// The next.
    pub(crate) fn optional(&mut self) -> Option<Float<E>> {
        self.values.next().map(Float::of)
    }

    /// The next, which must hold integers.
    pub(crate) fn integers(&mut self) -> Result<Tensor<E>> {
        match self.values.next() {
            Some(Value::Int(tensor)) => Ok(tensor),
            _ => Err(Error::failure(format!("{}: needs integers", self.name))),
        }
    }
}

/// A float input or output, with history where gradients are recorded.
pub(crate) enum Float<E: Engine> {
    Plain(Tensor<E>),
    Tracked(Recorded<E>),
}

impl<E: Engine> Float<E> {
    /// A value as an input: tracked where gradients are recorded.
    pub(crate) fn of(value: Value<E>) -> Self {
        match value {
            Value::Tracked(tensor) if recording::enabled() => Self::Tracked(tensor),
            value => Self::Plain(value.into_inner()),
        }
    }

    /// The elements without history.
    pub(crate) fn into_inner(self) -> Tensor<E> {
        match self {
            Self::Plain(tensor) => tensor,
            Self::Tracked(tensor) => tensor.into_primitive(),
        }
    }
}

impl<E: Engine> From<Float<E>> for Value<E> {
    fn from(float: Float<E>) -> Self {
        match float {
            Float::Plain(tensor) => Self::Plain(tensor),
            Float::Tracked(tensor) => Self::Tracked(tensor),
        }
    }
}

/// The operands of an operation with up to `N` differentiable inputs, parted from their nodes.
pub(crate) struct Operands<E: Engine, const N: usize> {
    pub(crate) tensors: [Option<Tensor<E>>; N],
    /// Given where any input is tracked; an untracked or absent input has a node without
    /// gradient.
    pub(crate) nodes: Option<[NodeGuard; N]>,
}

impl<E: Engine, const N: usize> Operands<E, N> {
    /// Parts them.
    pub(crate) fn new(inputs: [Option<Float<E>>; N]) -> Self {
        if !inputs.iter().any(|input| matches!(input, Some(Float::Tracked(_)))) {
            return Self { tensors: inputs.map(|input| input.map(Float::into_inner)), nodes: None };
        }
        // What is absent needs a node too, and a node some tensor.
        let absent = inputs.iter().any(Option::is_none);
        let template = inputs.iter().flatten().find_map(|input| match input {
            Float::Tracked(tensor) if absent => Some(tensor.primitive().clone()),
            _ => None,
        });
        let mut tensors = [const { None }; N];
        let mut at = 0;
        let nodes = inputs.map(|input| {
            let (tensor, node) = match input {
                Some(Float::Tracked(tensor)) => {
                    let (tensor, node) = tensor.into_parts();
                    (Some(tensor), node)
                }
                other => {
                    let tensor = other.map(Float::into_inner);
                    let holder = tensor.clone().or_else(|| template.clone());
                    let holder = holder.expect("where an input is absent, another is tracked");
                    (tensor, Recorded::<E>::new(holder).into_parts().1)
                }
            };
            tensors[at] = tensor;
            at += 1;
            node
        });
        Self { tensors, nodes: Some(nodes) }
    }
}

/// The result of an operation, recorded if it has nodes. `saved` is what its backward pass needs.
pub(crate) fn finish<E: Engine, const N: usize, S, O>(
    nodes: Option<[NodeGuard; N]>,
    operation: O,
    output: Tensor<E>,
    saved: impl FnOnce(&Tensor<E>) -> S,
) -> Float<E>
where
    S: Clone + Send + std::fmt::Debug + 'static,
    O: Backward<E, N, State = S>,
{
    let Some(nodes) = nodes else { return Float::Plain(output) };
    Float::Tracked(match operation.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let saved = saved(&output);
            prep.finish(saved, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    })
}
