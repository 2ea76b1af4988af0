//! What this crate asks of an engine of burn's, beyond burn's own traits.

use burn_autodiff::Autodiff;
use burn_backend::{BackendTypes, BoolDType, IntDType};
use palimpsest_core::tensor::{DType, HostSliceMut, Op};
use palimpsest_core::{HostTensor, Result};

use crate::total::Total;
use crate::value::{Value, burn_shape};

/// An engine's tensor, of any type of element.
pub(crate) type Tensor<E> = <E as BackendTypes>::FloatTensorPrimitive;
/// An engine's float tensor whose operations are recorded.
pub(crate) type Recorded<E> = <Autodiff<E> as BackendTypes>::FloatTensorPrimitive;

/// An engine with or without recording: integers and truth values share a type of tensor.
pub(crate) trait Primitives:
    Total + BackendTypes<BoolTensorPrimitive = <Self as BackendTypes>::IntTensorPrimitive>
{
}

impl<B> Primitives for B where
    B: Total + BackendTypes<BoolTensorPrimitive = <B as BackendTypes>::IntTensorPrimitive>
{
}

/// An engine without recording: one type of tensor holds floats, integers and truth values.
pub(crate) trait Engine:
    Primitives + BackendTypes<FloatTensorPrimitive = <Self as BackendTypes>::IntTensorPrimitive>
{
    /// Whether it has tensors without axes.
    const HAS_SCALARS: bool;

    /// A tensor of host data.
    ///
    /// # Errors
    /// A type or a value that the device has no room for.
    fn upload(host: HostTensor, types: &DeviceTypes<Self>) -> Result<Tensor<Self>>;

    /// A copy in host memory. A tracked value is given without its history.
    ///
    /// # Errors
    /// The engine's own failure.
    fn download(value: &Value<Self>) -> Result<HostTensor>;

    /// Copies elements that lie there as they are wanted; `false` where they don't, and nothing was copied.
    fn is_downloaded_into(value: &Value<Self>, to: &mut HostSliceMut<'_>) -> bool {
        let _ = (value, to);
        false
    }

    /// Indices that sort an axis; equal elements keep their order, NaNs count as largest.
    ///
    /// # Errors
    /// The engine's own failure.
    fn argsort(
        x: Tensor<Self>,
        axis: usize,
        descending: bool,
        types: &DeviceTypes<Self>,
    ) -> Result<Tensor<Self>>;

    /// Integers repeated along axes of extent 1, which need not be copied.
    fn expand_integers(x: Tensor<Self>, shape: &[usize]) -> Tensor<Self> {
        Self::int_expand(x, burn_shape(shape))
    }

    /// Selected truth values as truth values.
    fn as_bools(selected: Tensor<Self>) -> Tensor<Self>;

    /// Casts floats by a kernel of this crate's own, where it has one.
    fn cast(x: &Value<Self>, dtype: DType) -> Option<Value<Self>> {
        let _ = (x, dtype);
        None
    }

    /// Runs a fused operation that the backend said it supports.
    ///
    /// # Errors
    /// It has no such kernel.
    fn fused(op: &Op, inputs: Vec<Value<Self>>) -> Result<Vec<Value<Self>>>;
}

/// A device, and how it holds core's types.
#[derive(Debug)]
pub(crate) struct DeviceTypes<E: BackendTypes> {
    pub(crate) device: E::Device,
    pub(crate) ints: IntDType,
    pub(crate) bools: BoolDType,
}
