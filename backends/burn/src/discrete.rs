//! Primitives on integers and truth values.

use burn_backend::ops::{BoolTensorOps, IntTensorOps};
use burn_backend::tensor::IndexingUpdateOp;
use burn_backend::{BoolDType, FloatDType, IntDType, Scalar};
use burn_flex::{Flex, FlexDevice, FlexTensor};
use palimpsest_core::tensor::{DType, Op};
use palimpsest_core::{Error, Result, Shape};

use crate::primitive::slices;
use crate::value::{burn_shape, burn_type, extents};

/// Expands tensors to the shape that all broadcast to; no elements are copied.
pub(crate) fn broadcast<const N: usize>(tensors: [FlexTensor; N]) -> [FlexTensor; N] {
    let mut shape = Shape::default();
    for tensor in &tensors {
        shape = shape.broadcast(&extents(tensor).into()).unwrap_or(shape);
    }
    tensors.map(|tensor| if extents(&tensor) == shape.dims() { tensor } else { expand(tensor, &shape) })
}

// A view of any element type: burn's expansion of integers only looks at the layout.
fn expand(tensor: FlexTensor, shape: &[usize]) -> FlexTensor {
    Flex::int_expand(tensor, burn_shape(shape))
}

/// Runs a primitive whose first input holds integers (or truth values, then `truths`).
pub(crate) fn run(op: &Op, mut inputs: Vec<FlexTensor>, truths: bool) -> Result<FlexTensor> {
    let rest = inputs.split_off(1.min(inputs.len()));
    let Some(x) = inputs.pop() else {
        return Err(Error::failure(format!("{}: no input", op.kind().name())));
    };
    let mut rest = rest.into_iter();
    let mut next =
        || rest.next().ok_or_else(|| Error::failure(format!("{}: an input is missing", op.kind().name())));
    Ok(match op {
        Op::Equal | Op::Less => {
            let [a, b] = broadcast([x, next()?]);
            match (op, truths) {
                (Op::Equal, true) => Flex::bool_equal(a, b),
                (Op::Equal, false) => Flex::int_equal(a, b, BoolDType::Native),
                (_, true) => Flex::bool_and(Flex::bool_not(a), b),
                (_, false) => Flex::int_lower(a, b, BoolDType::Native),
            }
        }
        Op::Cast { dtype } => cast(x, *dtype, truths),
        Op::Reshape { shape } => Flex::int_reshape(x, burn_shape(shape)),
        Op::Permute { axes } => Flex::int_permute(x, axes),
        Op::Narrow { axis, start, len } => {
            Flex::int_slice(x.clone(), &slices(&extents(&x), *axis, *start, *len))
        }
        Op::Expand { shape } => expand(x, shape),
        Op::Concat { .. } | Op::Pad { .. } if truths => {
            // Through integers: burn lacks the boolean form, and masks are small.
            let ints: Vec<FlexTensor> =
                std::iter::once(x).chain(rest).map(|t| cast(t, DType::I64, true)).collect();
            cast(run(op, ints, false)?, DType::Bool, false)
        }
        Op::Concat { axis } => {
            let all = std::iter::once(x).chain(rest).collect();
            Flex::int_cat(all, *axis)
        }
        Op::Pad { axis, before, after, value } => {
            let inner = extents(&x);
            let mut outer = inner.clone();
            outer[*axis] += before + after;
            let border =
                Flex::int_full(burn_shape(&outer), Scalar::Int(*value as i64), &FlexDevice, IntDType::I64);
            if inner.contains(&0) {
                border
            } else {
                Flex::int_slice_assign(border, &slices(&outer, *axis, *before, inner[*axis]), x)
            }
        }
        Op::Gather { axis } if truths => as_truths(Flex::bool_gather(*axis, x, next()?)),
        Op::Gather { axis } => Flex::int_gather(*axis, x, next()?),
        Op::IndexSelect { axis } if truths => as_truths(Flex::bool_select(x, *axis, next()?)),
        Op::IndexSelect { axis } => Flex::int_select(x, *axis, next()?),
        Op::ScatterAdd { axis } if !truths => {
            let (indices, source) = (next()?, next()?);
            Flex::int_scatter(*axis, x, indices, source, IndexingUpdateOp::Add)
        }
        _ => {
            let kind = if truths { "truth values" } else { "integers" };
            return Err(Error::failure(format!("{} is not defined on {kind}", op.kind().name())));
        }
    })
}

// burn's selections of truth values come back typed as bytes.
fn as_truths(tensor: FlexTensor) -> FlexTensor {
    let layout = tensor.layout().clone();
    FlexTensor::from_arc(tensor.data_arc(), layout, burn_type(DType::Bool))
}

/// `a` where `condition` holds, else `b`.
pub(crate) fn choose(condition: FlexTensor, a: FlexTensor, b: FlexTensor, truths: bool) -> FlexTensor {
    let [condition, a, b] = broadcast([condition, a, b]);
    if truths { Flex::bool_mask_where(b, condition, a) } else { Flex::int_mask_where(b, condition, a) }
}

fn cast(x: FlexTensor, dtype: DType, truths: bool) -> FlexTensor {
    match (dtype, truths) {
        (DType::Bool, true) | (DType::I64, false) => x,
        (DType::Bool, false) => Flex::int_not_equal_elem(x, Scalar::Int(0), BoolDType::Native),
        (DType::I64, true) => Flex::bool_into_int(x, IntDType::I64),
        (_, true) => Flex::bool_into_float(x, FloatDType::from(burn_type(dtype))),
        (_, false) => Flex::int_into_float(x, FloatDType::from(burn_type(dtype))),
    }
}
