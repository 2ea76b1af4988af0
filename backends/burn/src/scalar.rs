//! Tensors without axes on engines that have none: CubeCL looks for the last of their axes and panics. Such an
//! engine holds them with one axis of one entry, behind handles that tell them from others.

use std::borrow::Cow;

use palimpsest_core::Shape;
use palimpsest_core::backend::Handle;
use palimpsest_core::tensor::Op;

use crate::engine::Engine;
use crate::value::Value;

/// What a handle holds in place of a [`Value`] where the tensor has no axes.
pub(crate) struct Scalar<E: Engine>(pub(crate) Value<E>);

impl<E: Engine> Clone for Scalar<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A handle for a value.
pub(crate) fn handle<E: Engine>(value: Value<E>, scalar: bool) -> Handle {
    if scalar { Handle::new(Scalar(value)) } else { Handle::new(value) }
}

/// Whether a handle's tensor has no axes though its engine's has one.
pub(crate) fn is_scalar<E: Engine>(handle: &Handle) -> bool {
    !E::HAS_SCALARS && handle.get::<Scalar<E>>().is_some()
}

/// The operation on tensors as they are held, and whether its results are scalars. `scalars` tells whether all
/// its inputs are.
pub(crate) fn held(op: &Op, scalars: bool) -> (Cow<'_, Op>, bool) {
    let one = || Shape::from([1]);
    let other = match *op {
        Op::Full { ref shape, value, dtype } if shape.is_empty() => Op::Full { shape: one(), value, dtype },
        Op::RandomNormal { ref shape, dtype } if shape.is_empty() => Op::RandomNormal { shape: one(), dtype },
        Op::RandomUniform { ref shape, dtype } if shape.is_empty() => {
            Op::RandomUniform { shape: one(), dtype }
        }
        Op::Reshape { ref shape } if shape.is_empty() => Op::Reshape { shape: one() },
        Op::Expand { ref shape } if shape.is_empty() => Op::Expand { shape: one() },
        Op::Permute { ref axes } if axes.is_empty() => Op::Permute { axes: vec![0] },
        Op::Reshape { .. } | Op::Expand { .. } => return (Cow::Borrowed(op), false),
        _ => return (Cow::Borrowed(op), scalars),
    };
    (Cow::Owned(other), true)
}

#[cfg(test)]
mod tests {
    use palimpsest_core::DType;

    use super::*;

    #[test]
    fn results_without_axes_are_known() {
        let full = |shape: Shape| Op::Full { shape, value: 2.0, dtype: DType::F32 };
        let scalar = Shape::default;
        for (op, scalars, want) in [
            (full(scalar()), false, (full([1].into()), true)),
            (full([1].into()), false, (full([1].into()), false)),
            (Op::Reshape { shape: scalar() }, false, (Op::Reshape { shape: [1].into() }, true)),
            (Op::Reshape { shape: [1, 1].into() }, true, (Op::Reshape { shape: [1, 1].into() }, false)),
            (Op::Expand { shape: [2].into() }, true, (Op::Expand { shape: [2].into() }, false)),
            (Op::Permute { axes: vec![] }, true, (Op::Permute { axes: vec![0] }, true)),
            (Op::Add, true, (Op::Add, true)),
            (Op::Add, false, (Op::Add, false)),
        ] {
            let (held, is_scalar) = held(&op, scalars);
            assert_eq!((held.into_owned(), is_scalar), want, "{op:?}");
        }
    }
}
