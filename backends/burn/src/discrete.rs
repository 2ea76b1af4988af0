//! Primitives on integers and truth values.

use burn_backend::tensor::IndexingUpdateOp;
use burn_backend::{FloatDType, Scalar};
use palimpsest_core::tensor::{DType, Op};
use palimpsest_core::{Error, Result, Shape};

use crate::engine::{DeviceTypes, Engine, Tensor};
use crate::primitive::slices;
use crate::value::{burn_shape, burn_type, extents};

/// What a tensor's elements are, for operations that burn has once for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Float,
    Int,
    Bool,
}

/// Expands tensors to the shape that all broadcast to; no elements are copied.
pub(crate) fn broadcast<E: Engine, const N: usize>(tensors: [Tensor<E>; N], kind: Kind) -> [Tensor<E>; N] {
    let shape = common_shape::<E>(&tensors);
    tensors.map(|tensor| expand_to::<E>(tensor, &shape, kind))
}

fn common_shape<E: Engine>(tensors: &[Tensor<E>]) -> Shape {
    let mut shape = Shape::default();
    for tensor in tensors {
        shape = shape.broadcast(&extents(tensor).into()).unwrap_or(shape);
    }
    shape
}

fn expand_to<E: Engine>(tensor: Tensor<E>, shape: &Shape, kind: Kind) -> Tensor<E> {
    if extents(&tensor) == shape.dims() { tensor } else { expand::<E>(tensor, shape, kind) }
}

fn expand<E: Engine>(tensor: Tensor<E>, shape: &[usize], kind: Kind) -> Tensor<E> {
    match kind {
        Kind::Float => E::float_expand(tensor, burn_shape(shape)),
        Kind::Int => E::expand_integers(tensor, shape),
        Kind::Bool => E::bool_expand(tensor, burn_shape(shape)),
    }
}

/// Runs a primitive whose first input holds integers (or truth values, then `bools`).
pub(crate) fn run<E: Engine>(
    op: &Op,
    mut inputs: Vec<Tensor<E>>,
    bools: bool,
    types: &DeviceTypes<E>,
) -> Result<Tensor<E>> {
    let kind = if bools { Kind::Bool } else { Kind::Int };
    let rest = inputs.split_off(1.min(inputs.len()));
    let Some(x) = inputs.pop() else {
        return Err(Error::failure(format!("{}: no input", op.kind().name())));
    };
    let mut rest = rest.into_iter();
    let mut next =
        || rest.next().ok_or_else(|| Error::failure(format!("{}: an input is missing", op.kind().name())));
    Ok(match op {
        Op::Equal | Op::Less => {
            let [a, b] = broadcast::<E, 2>([x, next()?], kind);
            match (op, bools) {
                (Op::Equal, true) => E::bool_equal(a, b),
                (Op::Equal, false) => E::int_equal(a, b, types.bools),
                (_, true) => E::bool_and(E::bool_not(a), b),
                (_, false) => E::int_lower(a, b, types.bools),
            }
        }
        Op::Cast { dtype } => cast(x, *dtype, bools, types),
        Op::Reshape { shape } if bools => E::bool_reshape(x, burn_shape(shape)),
        Op::Reshape { shape } => E::int_reshape(x, burn_shape(shape)),
        Op::Permute { axes } if bools => E::bool_permute(x, axes),
        Op::Permute { axes } => E::int_permute(x, axes),
        Op::Narrow { axis, start, len } => {
            let part = slices(&extents(&x), *axis, *start, *len);
            if bools { E::bool_slice(x, &part) } else { E::int_slice(x, &part) }
        }
        Op::Expand { shape } => expand::<E>(x, shape, kind),
        Op::Concat { .. } | Op::Pad { .. } if bools => {
            // Through integers: burn lacks the boolean form, and masks are small.
            let ints = std::iter::once(x).chain(rest).map(|t| cast(t, DType::I64, true, types)).collect();
            cast(run(op, ints, false, types)?, DType::Bool, false, types)
        }
        Op::Concat { axis } => {
            let all = std::iter::once(x).chain(rest).collect();
            E::int_cat(all, *axis)
        }
        Op::Pad { axis, before, after, value } => {
            let inner = extents(&x);
            let mut outer = inner.clone();
            outer[*axis] += before + after;
            let border =
                E::int_full(burn_shape(&outer), Scalar::Int(*value as i64), &types.device, types.ints);
            if inner.contains(&0) {
                border
            } else {
                E::int_slice_assign(border, &slices(&outer, *axis, *before, inner[*axis]), x)
            }
        }
        Op::Gather { axis } if bools => E::as_bools(E::bool_gather(*axis, x, next()?)),
        Op::Gather { axis } => E::int_gather(*axis, x, next()?),
        Op::IndexSelect { axis } if bools => E::as_bools(E::bool_select(x, *axis, next()?)),
        Op::IndexSelect { axis } => E::int_select(x, *axis, next()?),
        Op::ScatterAdd { axis } if !bools => {
            let (indices, source) = (next()?, next()?);
            E::int_scatter(*axis, x, indices, source, IndexingUpdateOp::Add)
        }
        _ => {
            let kind = if bools { "truth values" } else { "integers" };
            return Err(Error::failure(format!("{} is not defined on {kind}", op.kind().name())));
        }
    })
}

/// `a` where `condition` holds, else `b`; `kind` is theirs.
pub(crate) fn where_<E: Engine>(condition: Tensor<E>, a: Tensor<E>, b: Tensor<E>, kind: Kind) -> Tensor<E> {
    let all = [condition, a, b];
    let shape = common_shape::<E>(&all);
    let [condition, a, b] = all;
    let condition = expand_to::<E>(condition, &shape, Kind::Bool);
    let [a, b] = [a, b].map(|tensor| expand_to::<E>(tensor, &shape, kind));
    if kind == Kind::Bool { E::bool_mask_where(b, condition, a) } else { E::int_mask_where(b, condition, a) }
}

fn cast<E: Engine>(x: Tensor<E>, dtype: DType, bools: bool, types: &DeviceTypes<E>) -> Tensor<E> {
    match (dtype, bools) {
        (DType::Bool, true) | (DType::I64, false) => x,
        (DType::Bool, false) => E::int_not_equal_elem(x, Scalar::Int(0), types.bools),
        (DType::I64, true) => E::bool_into_int(x, types.ints),
        (_, true) => E::bool_into_float(x, FloatDType::from(burn_type(dtype))),
        (_, false) => E::int_into_float(x, FloatDType::from(burn_type(dtype))),
    }
}
