//! What a handle of this backend holds.

use burn_autodiff::Autodiff;
use burn_backend::tensor::FloatTensor;
use burn_backend::{DType as BurnType, TensorMetadata};
use burn_flex::{Flex, FlexTensor};
use palimpsest_core::backend::Handle;
use palimpsest_core::{DType, Error, Result};

/// Flex with recording of gradients.
pub(crate) type Recorded = Autodiff<Flex>;
/// A float tensor whose operations are recorded.
pub(crate) type RecordedTensor = FloatTensor<Recorded>;

/// A tensor, by what may be done with it.
#[derive(Clone)]
pub(crate) enum Value {
    /// Floats without history.
    Plain(FlexTensor),
    /// Floats that descend from a tracked leaf, or such a leaf.
    Tracked(RecordedTensor),
    /// 64-bit integers.
    Int(FlexTensor),
    /// Truth values.
    Bool(FlexTensor),
}

impl Value {
    /// A value without history, by the tensor's own type.
    pub(crate) fn plain(tensor: FlexTensor) -> Self {
        match tensor.dtype() {
            BurnType::Bool(_) => Self::Bool(tensor),
            dtype if dtype.is_float() => Self::Plain(tensor),
            _ => Self::Int(tensor),
        }
    }

    /// The elements without history.
    pub(crate) fn into_inner(self) -> FlexTensor {
        match self {
            Self::Plain(tensor) | Self::Int(tensor) | Self::Bool(tensor) => tensor,
            Self::Tracked(tensor) => tensor.into_primitive(),
        }
    }

    /// The elements, shared.
    pub(crate) fn inner(&self) -> &FlexTensor {
        match self {
            Self::Plain(tensor) | Self::Int(tensor) | Self::Bool(tensor) => tensor,
            Self::Tracked(tensor) => tensor.primitive(),
        }
    }

    /// The value behind a handle.
    pub(crate) fn of(handle: &Handle) -> Result<&Self> {
        handle.get::<Self>().ok_or_else(foreign)
    }

    /// The value behind a handle, by value where no other handle shares it.
    pub(crate) fn take(handle: Handle) -> Result<Self> {
        handle.take::<Self>().ok_or_else(foreign)
    }
}

fn foreign() -> Error {
    Error::failure("a tensor of another backend was given to burn")
}

/// burn's name for a type.
pub(crate) fn burn_type(dtype: DType) -> BurnType {
    match dtype {
        DType::F32 => BurnType::F32,
        DType::F64 => BurnType::F64,
        DType::Bf16 => BurnType::BF16,
        DType::I64 => BurnType::I64,
        DType::Bool => BurnType::Bool(burn_backend::BoolStore::Native),
    }
}

/// Core's name for a type.
pub(crate) fn core_type(dtype: BurnType) -> Result<DType> {
    match dtype {
        BurnType::F32 => Ok(DType::F32),
        BurnType::F64 => Ok(DType::F64),
        BurnType::BF16 => Ok(DType::Bf16),
        BurnType::I64 => Ok(DType::I64),
        BurnType::Bool(_) => Ok(DType::Bool),
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
