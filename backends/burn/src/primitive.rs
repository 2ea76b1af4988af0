//! Primitives on floats, written once for recorded and for plain tensors.

use burn_backend::ops::{ConvOptions, InterpolateMode, InterpolateOptions};
use burn_backend::tensor::IndexingUpdateOp;
use burn_backend::{FloatDType, IntDType, Scalar, Slice, TensorMetadata};
use palimpsest_core::tensor::{Interpolation, Op};
use palimpsest_core::{Error, Result};

use crate::engine::Primitives;
use crate::value::{burn_shape, burn_type, extents};

/// The part of a tensor from `start` on along an axis.
pub(crate) fn slices(shape: &[usize], axis: usize, start: usize, len: usize) -> Vec<Slice> {
    let others = shape.iter().enumerate().filter(|(i, _)| *i != axis);
    // A view of nothing starts at the front: burn-flex reads from where a view starts, be it beyond the end.
    let start = if len == 0 || others.into_iter().any(|(_, &extent)| extent == 0) { 0 } else { start };
    shape
        .iter()
        .enumerate()
        .map(|(i, &extent)| {
            let (from, to) = if i == axis { (start, start + len) } else { (0, extent) };
            Slice::new(from as isize, Some(to as isize), 1)
        })
        .collect()
}

/// Runs a differentiable primitive. `floats` and `others` hold its inputs in their order; `ints` is the type of
/// indices.
pub(crate) fn run<B: Primitives>(
    op: &Op,
    floats: Vec<B::FloatTensorPrimitive>,
    others: Vec<B::IntTensorPrimitive>,
    ints: IntDType,
) -> Result<B::FloatTensorPrimitive> {
    let missing = || Error::failure(format!("{}: an input is missing", op.kind().name()));
    if let Op::Concat { axis } = op {
        return Ok(B::float_cat(floats, *axis));
    }
    let (mut floats, mut others) = (floats.into_iter(), others.into_iter());
    let x = floats.next().ok_or_else(missing)?;
    let mut float = || floats.next().ok_or_else(missing);
    let mut other = || others.next().ok_or_else(missing);
    Ok(match op {
        Op::Neg => B::float_neg(x),
        Op::Exp => B::float_exp(x),
        Op::Log => B::float_log(x),
        Op::Sqrt => B::float_sqrt(x),
        Op::Tanh => B::float_tanh(x),
        Op::Erf => B::float_erf(x),
        Op::Abs => B::float_abs(x),
        Op::Sin => B::float_sin(x),
        Op::Cos => B::float_cos(x),
        Op::AddScalar { value } => B::float_add_scalar(x, Scalar::Float(*value)),
        Op::MulScalar { value } => B::float_mul_scalar(x, Scalar::Float(*value)),
        Op::PowScalar { value } => B::float_powf_scalar(x, Scalar::Float(*value)),
        Op::Clamp { min, max } => B::float_clamp(x, Scalar::Float(*min), Scalar::Float(*max)),
        Op::Add => {
            let (a, b) = same_rank::<B>(x, float()?);
            B::float_add(a, b)
        }
        Op::Sub => {
            let (a, b) = same_rank::<B>(x, float()?);
            B::float_sub(a, b)
        }
        Op::Mul => {
            let (a, b) = same_rank::<B>(x, float()?);
            B::float_mul(a, b)
        }
        Op::Div => {
            let (a, b) = same_rank::<B>(x, float()?);
            B::float_div(a, b)
        }
        Op::Where => where_::<B>(other()?, x, float()?)?,
        Op::Cast { dtype } => B::float_cast(x, FloatDType::from(burn_type(*dtype))),
        Op::Sum { axes } => sum::<B>(x, axes),
        Op::Mean { axes } => {
            let shape = extents(&x);
            let count: usize = axes.iter().map(|&axis| shape[axis]).product();
            B::float_mul_scalar(sum::<B>(x, axes), Scalar::Float(1.0 / count as f64))
        }
        Op::Max { axis } => B::float_max_dim_with_indices(x, *axis, ints).0,
        Op::Reshape { shape } => B::float_reshape(x, burn_shape(shape)),
        Op::Permute { axes } => B::float_permute(x, axes),
        Op::Narrow { axis, start, len } => {
            let part = slices(&extents(&x), *axis, *start, *len);
            B::float_slice(x, &part)
        }
        Op::Pad { axis, before, after, value } => pad::<B>(x, *axis, *before, *after, *value),
        Op::Expand { shape } => B::float_expand(x, burn_shape(shape)),
        Op::Gather { axis } => B::float_gather(*axis, x, other()?),
        Op::IndexSelect { axis } => B::float_select(x, *axis, other()?),
        Op::ScatterAdd { axis } => B::float_scatter(*axis, x, other()?, float()?, IndexingUpdateOp::Add),
        Op::Matmul => matmul::<B>(x, float()?),
        Op::Conv2d { stride, padding } => {
            let options = ConvOptions::new([*stride; 2], [*padding; 2], [1; 2], 1);
            B::conv2d(x, float()?, None, options)
        }
        Op::Interpolate { height, width, mode } => {
            let mode = match mode {
                Interpolation::Nearest => InterpolateMode::Nearest,
                Interpolation::Bilinear => InterpolateMode::Bilinear,
            };
            let options = InterpolateOptions::new(mode).with_align_corners(false);
            B::interpolate(x, [*height, *width], options)
        }
        Op::Lerp { weight } => {
            let step = B::float_sub(float()?, x.clone());
            B::float_add(x, B::float_mul_scalar(step, Scalar::Float(*weight)))
        }
        _ => return Err(Error::failure(format!("{} is not known to burn", op.kind().name()))),
    })
}

/// Extents of 1 in front of the lower rank: burn broadcasts extents, not ranks.
fn same_rank<B: Primitives>(
    a: B::FloatTensorPrimitive,
    b: B::FloatTensorPrimitive,
) -> (B::FloatTensorPrimitive, B::FloatTensorPrimitive) {
    let rank = a.rank().max(b.rank());
    (with_rank::<B>(a, rank), with_rank::<B>(b, rank))
}

fn with_rank<B: Primitives>(x: B::FloatTensorPrimitive, rank: usize) -> B::FloatTensorPrimitive {
    if x.rank() >= rank {
        return x;
    }
    let mut shape = vec![1; rank - x.rank()];
    shape.extend(extents(&x));
    B::float_reshape(x, burn_shape(&shape))
}

/// A product. A matrix on the right meets all rows on the left at once: were it broadcast, burn would find
/// its gradient for each matrix on the left before it adds them up. Where there is nothing to add, CubeCL 0.11.3
/// leaves what was in memory: sums over the empty axes are zeros with the same gradients.
fn matmul<B: Primitives>(a: B::FloatTensorPrimitive, b: B::FloatTensorPrimitive) -> B::FloatTensorPrimitive {
    if extents(&a).last() == Some(&0) {
        let (a, b) = same_rank::<B>(a, b);
        let last = a.rank() - 1;
        return B::float_add(B::float_sum_dim(a, last), B::float_sum_dim(b, last - 1));
    }
    if b.rank() != 2 || a.rank() <= 2 {
        let (a, b) = same_rank::<B>(a, b);
        return B::float_matmul(a, b);
    }
    let mut shape = extents(&a);
    let width = shape.pop().unwrap_or(1);
    let rows = shape.iter().product();
    shape.push(extents(&b)[1]);
    let product = B::float_matmul(B::float_reshape(a, burn_shape(&[rows, width])), b);
    B::float_reshape(product, burn_shape(&shape))
}

fn where_<B: Primitives>(
    condition: B::BoolTensorPrimitive,
    a: B::FloatTensorPrimitive,
    b: B::FloatTensorPrimitive,
) -> Result<B::FloatTensorPrimitive> {
    let shapes = [extents(&condition), extents(&a), extents(&b)];
    let mut shape = palimpsest_core::Shape::default();
    for other in shapes {
        shape = shape.broadcast(&other.into()).ok_or_else(|| Error::failure("where: shapes don't fit"))?;
    }
    let expand = |x: B::FloatTensorPrimitive| {
        if extents(&x) == shape.dims() { x } else { B::float_expand(x, burn_shape(&shape)) }
    };
    let condition = if extents(&condition) == shape.dims() {
        condition
    } else {
        B::bool_expand(condition, burn_shape(&shape))
    };
    Ok(B::float_mask_where(expand(b), condition, expand(a)))
}

fn sum<B: Primitives>(x: B::FloatTensorPrimitive, axes: &[usize]) -> B::FloatTensorPrimitive {
    if axes.len() == x.rank() && !axes.is_empty() {
        return B::total(x);
    }
    axes.iter().fold(x, |x, &axis| B::float_sum_dim(x, axis))
}

fn pad<B: Primitives>(
    x: B::FloatTensorPrimitive,
    axis: usize,
    before: usize,
    after: usize,
    value: f64,
) -> B::FloatTensorPrimitive {
    let inner = extents(&x);
    let mut outer = inner.clone();
    outer[axis] += before + after;
    let dtype = FloatDType::from(x.dtype());
    let border = B::float_full(burn_shape(&outer), Scalar::Float(value), &x.device(), dtype);
    if inner.contains(&0) {
        return border;
    }
    B::float_slice_assign(border, &slices(&outer, axis, before, inner[axis]), x)
}
