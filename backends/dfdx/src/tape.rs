//! The recorded history: for each tensor that descends from a tracked leaf, how to find its
//! parents' gradients.
//!
//! A node is owned by the tensor that it made and by its children, so a graph that nobody asks for
//! gradients goes with its tensors.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use palimpsest_core::{Error, Result};

use crate::dense::Dense;
use crate::engine::Hardware;
use crate::real::Real;

/// A gradient of either type.
#[derive(Clone)]
pub(crate) enum Floats<H: Hardware> {
    F32(Dense<f32, H>),
    F64(Dense<f64, H>),
}

impl<H: Hardware> Floats<H> {
    fn add(self, other: Self) -> Result<Self> {
        match (self, other) {
            (Self::F32(a), Self::F32(b)) => Ok(Self::F32(a.accumulated(b))),
            (Self::F64(a), Self::F64(b)) => Ok(Self::F64(a.accumulated(b))),
            _ => Err(Error::failure("backward: gradients of two types")),
        }
    }
}

/// From the gradient of a result to those of the inputs; the second argument says which are
/// wanted.
pub(crate) type Backward<H> = Box<dyn FnOnce(Floats<H>, &[bool]) -> Vec<Option<Floats<H>>> + Send>;

/// What made a tensor.
enum Origin<H: Hardware> {
    /// Nothing: a tracked leaf.
    Leaf,
    Operation {
        parents: Vec<Option<Arc<Node<H>>>>,
        backward: Backward<H>,
    },
    /// An operation whose backward pass has run.
    Spent,
}

/// A tensor's place in the history. Children have larger numbers than their parents.
pub(crate) struct Node<H: Hardware> {
    number: u64,
    origin: Mutex<Origin<H>>,
}

impl<H: Hardware> Node<H> {
    fn new(origin: Origin<H>) -> Arc<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self { number: COUNT.fetch_add(1, Ordering::Relaxed), origin: Mutex::new(origin) })
    }

    /// A leaf.
    pub(crate) fn leaf() -> Arc<Self> {
        Self::new(Origin::Leaf)
    }

    /// The result of an operation, unless no parent is tracked.
    pub(crate) fn child(parents: Vec<Option<Arc<Self>>>, backward: Backward<H>) -> Option<Arc<Self>> {
        let tracked = parents.iter().any(Option::is_some);
        tracked.then(|| Self::new(Origin::Operation { parents, backward }))
    }

    fn take(&self) -> Origin<H> {
        let mut origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner);
        match &*origin {
            Origin::Leaf => Origin::Leaf,
            _ => std::mem::replace(&mut *origin, Origin::Spent),
        }
    }
}

impl<H: Hardware> Drop for Node<H> {
    /// Takes long chains apart one by one: node by node, the calls would fill the stack.
    fn drop(&mut self) {
        let mut rest = orphans(&mut self.origin);
        while let Some(parent) = rest.pop() {
            if let Some(mut parent) = Arc::into_inner(parent) {
                rest.append(&mut orphans(&mut parent.origin));
            }
        }
    }
}

fn orphans<H: Hardware>(origin: &mut Mutex<Origin<H>>) -> Vec<Arc<Node<H>>> {
    let origin = origin.get_mut().unwrap_or_else(PoisonError::into_inner);
    match std::mem::replace(origin, Origin::Spent) {
        Origin::Operation { parents, .. } => parents.into_iter().flatten().collect(),
        Origin::Leaf | Origin::Spent => Vec::new(),
    }
}

/// Gradients of `root`, given its own, with respect to `wanted`. Frees the history.
///
/// # Errors
/// A part of the history was freed by an earlier pass.
pub(crate) fn backward<H: Hardware>(
    root: Arc<Node<H>>,
    gradient: Floats<H>,
    wanted: &[&Arc<Node<H>>],
) -> Result<Vec<Option<Floats<H>>>> {
    let mut found: BTreeMap<u64, Option<Floats<H>>> = wanted.iter().map(|node| (node.number, None)).collect();
    let mut pending = BTreeMap::from([(root.number, (root, gradient))]);
    // The largest number first: all of a tensor's uses come before what made it.
    while let Some((number, (node, gradient))) = pending.pop_last() {
        if let Some(slot) = found.get_mut(&number) {
            *slot = Some(gradient.clone());
        }
        let (parents, backward) = match node.take() {
            Origin::Leaf => continue,
            Origin::Operation { parents, backward } => (parents, backward),
            Origin::Spent => {
                return Err(Error::failure("backward: an earlier pass has freed this history"));
            }
        };
        let tracked: Vec<bool> = parents.iter().map(Option::is_some).collect();
        for (parent, gradient) in parents.into_iter().zip(backward(gradient, &tracked)) {
            let (Some(parent), Some(gradient)) = (parent, gradient) else { continue };
            let sum = match pending.remove(&parent.number) {
                Some((_, sum)) => sum.add(gradient)?,
                None => gradient,
            };
            pending.insert(parent.number, (parent, sum));
        }
    }
    Ok(wanted.iter().map(|node| found.get(&node.number).cloned().flatten()).collect())
}

/// A gradient of the type that an operation made.
pub(crate) fn typed<E: Real, H: crate::engine::Engine<E>>(gradient: Floats<H>) -> Dense<E, H> {
    E::of_gradient(gradient).unwrap_or_else(|| panic!("a gradient of another type than {}", E::DTYPE))
}
