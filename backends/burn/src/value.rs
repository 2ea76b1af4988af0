//! What a handle of this backend holds.

use burn_backend::{DType as BurnType, TensorMetadata};
use palimpsest_core::backend::Handle;
use palimpsest_core::{DType, Error, Result};

use crate::engine::{Engine, Recorded, Tensor};
use crate::scalar::{Scalar, is_scalar};

/// A tensor of an engine, by what may be done with it.
pub(crate) enum Value<E: Engine> {
    /// Floats without history.
    Plain(Tensor<E>),
    /// Floats that descend from a tracked leaf, or such a leaf.
    Tracked(Recorded<E>),
    /// Integers.
    Int(Tensor<E>),
    /// Truth values.
    Bool(Tensor<E>),
}

// Derived, it would ask that the engine itself can be cloned.
impl<E: Engine> Clone for Value<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Plain(tensor) => Self::Plain(tensor.clone()),
            Self::Tracked(tensor) => Self::Tracked(tensor.clone()),
            Self::Int(tensor) => Self::Int(tensor.clone()),
            Self::Bool(tensor) => Self::Bool(tensor.clone()),
        }
    }
}

impl<E: Engine> Value<E> {
    /// A value without history, by the tensor's own type.
    pub(crate) fn plain(tensor: Tensor<E>) -> Self {
        match tensor.dtype() {
            BurnType::Bool(_) => Self::Bool(tensor),
            dtype if dtype.is_float() => Self::Plain(tensor),
            _ => Self::Int(tensor),
        }
    }

    /// The elements without history.
    pub(crate) fn into_inner(self) -> Tensor<E> {
        match self {
            Self::Plain(tensor) | Self::Int(tensor) | Self::Bool(tensor) => tensor,
            Self::Tracked(tensor) => tensor.into_primitive(),
        }
    }

    /// The elements, shared.
    pub(crate) fn inner(&self) -> &Tensor<E> {
        match self {
            Self::Plain(tensor) | Self::Int(tensor) | Self::Bool(tensor) => tensor,
            Self::Tracked(tensor) => tensor.primitive(),
        }
    }

    /// The value behind a handle.
    pub(crate) fn of(handle: &Handle) -> Result<&Self> {
        match handle.get::<Self>() {
            None if !E::HAS_SCALARS => handle.get::<Scalar<E>>().map(|scalar| &scalar.0),
            value => value,
        }
        .ok_or_else(foreign)
    }

    /// The value behind a handle, by value where no other handle shares it.
    pub(crate) fn take(handle: Handle) -> Result<Self> {
        if is_scalar::<E>(&handle) {
            handle.take::<Scalar<E>>().map(|scalar| scalar.0)
        } else {
            handle.take::<Self>()
        }
        .ok_or_else(foreign)
    }

    /// Whether a handle's tensor is this engine's.
    #[cfg(feature = "cube")]
    pub(crate) fn is_behind(handle: &Handle) -> bool {
        Self::of(handle).is_ok()
    }
}

fn foreign() -> Error {
    Error::failure("a tensor of another backend or of another kind of device was given to burn")
}

/// burn's name for a type.
pub(crate) fn burn_type(dtype: DType) -> BurnType {
    match dtype {
        DType::F32 => BurnType::F32,
        DType::F64 => BurnType::F64,
        DType::Bf16 => BurnType::BF16,
        DType::I64 => BurnType::I64,
        DType::Bool => BurnType::Bool(burn_backend::BoolStore::Native),
        DType::U8 => BurnType::U8,
    }
}

/// Core's name for a type. A device without integers of 64 bits holds them in 32.
pub(crate) fn core_type(dtype: BurnType) -> Result<DType> {
    match dtype {
        BurnType::F32 => Ok(DType::F32),
        BurnType::F64 => Ok(DType::F64),
        BurnType::BF16 => Ok(DType::Bf16),
        BurnType::I64 | BurnType::I32 => Ok(DType::I64),
        BurnType::Bool(_) => Ok(DType::Bool),
        BurnType::U8 => Ok(DType::U8),
        other => Err(Error::failure(format!("burn made a tensor of type {other:?}"))),
    }
}

/// The extents as burn holds them.
pub(crate) fn burn_shape(extents: &[usize]) -> burn_backend::Shape {
    burn_backend::Shape::from(extents.to_vec())
}

/// The extents of a tensor.
pub(crate) fn extents<T: TensorMetadata>(tensor: &T) -> Vec<usize> {
    tensor.shape().iter().copied().collect()
}
