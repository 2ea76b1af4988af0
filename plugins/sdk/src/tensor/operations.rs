//! Operations on tensors. Gradients are recorded.

use palimpsest_abi::op;

use super::{Attributes, DType, Interpolation, Tensor};
use crate::{Error, Result};

/// An operation that says no more of its errors fails with what the host answers.
#[allow(clippy::should_implement_trait, reason = "the operators have no room for an error")]
impl<'call> Tensor<'call> {
    /// -x
    pub fn neg(self) -> Result<Self> {
        self.ops.run(op::NEG, &[self], &Attributes::new())
    }

    /// e^x
    pub fn exp(self) -> Result<Self> {
        self.ops.run(op::EXP, &[self], &Attributes::new())
    }

    /// ln x
    pub fn log(self) -> Result<Self> {
        self.ops.run(op::LOG, &[self], &Attributes::new())
    }

    /// The square root.
    pub fn sqrt(self) -> Result<Self> {
        self.ops.run(op::SQRT, &[self], &Attributes::new())
    }

    /// The hyperbolic tangent.
    pub fn tanh(self) -> Result<Self> {
        self.ops.run(op::TANH, &[self], &Attributes::new())
    }

    /// The error function.
    pub fn erf(self) -> Result<Self> {
        self.ops.run(op::ERF, &[self], &Attributes::new())
    }

    /// |x|, derivative 0 at 0.
    pub fn abs(self) -> Result<Self> {
        self.ops.run(op::ABS, &[self], &Attributes::new())
    }

    /// The sine.
    pub fn sin(self) -> Result<Self> {
        self.ops.run(op::SIN, &[self], &Attributes::new())
    }

    /// The cosine.
    pub fn cos(self) -> Result<Self> {
        self.ops.run(op::COS, &[self], &Attributes::new())
    }

    /// x + value
    pub fn add_scalar(self, value: f64) -> Result<Self> {
        self.ops.run(op::ADD_SCALAR, &[self], &Attributes::new().real(value))
    }

    /// x * value
    pub fn mul_scalar(self, value: f64) -> Result<Self> {
        self.ops.run(op::MUL_SCALAR, &[self], &Attributes::new().real(value))
    }

    /// x ^ value
    pub fn pow_scalar(self, value: f64) -> Result<Self> {
        self.ops.run(op::POW_SCALAR, &[self], &Attributes::new().real(value))
    }

    /// x limited to [min, max]; the derivative is 0 outside.
    pub fn clamp(self, min: f64, max: f64) -> Result<Self> {
        self.ops.run(op::CLAMP, &[self], &Attributes::new().real(min).real(max))
    }

    /// a + b, broadcast.
    ///
    /// # Errors
    /// Shapes that don't broadcast, or different types.
    pub fn add(self, other: Self) -> Result<Self> {
        self.ops.run(op::ADD, &[self, other], &Attributes::new())
    }

    /// a - b, broadcast.
    ///
    /// # Errors
    /// Shapes that don't broadcast, or different types.
    pub fn sub(self, other: Self) -> Result<Self> {
        self.ops.run(op::SUB, &[self, other], &Attributes::new())
    }

    /// a * b, broadcast.
    ///
    /// # Errors
    /// Shapes that don't broadcast, or different types.
    pub fn mul(self, other: Self) -> Result<Self> {
        self.ops.run(op::MUL, &[self, other], &Attributes::new())
    }

    /// a / b, broadcast.
    ///
    /// # Errors
    /// Shapes that don't broadcast, or different types.
    pub fn div(self, other: Self) -> Result<Self> {
        self.ops.run(op::DIV, &[self, other], &Attributes::new())
    }

    /// Whether a = b, broadcast, as truth values.
    ///
    /// # Errors
    /// Shapes that don't broadcast, or different types.
    pub fn equal(self, other: Self) -> Result<Self> {
        self.ops.run(op::EQUAL, &[self, other], &Attributes::new())
    }

    /// Whether a < b, broadcast, as truth values.
    ///
    /// # Errors
    /// Shapes that don't broadcast, or different types.
    pub fn less(self, other: Self) -> Result<Self> {
        self.ops.run(op::LESS, &[self, other], &Attributes::new())
    }

    /// `yes` where this, a tensor of truth values, holds, else `no`; broadcast.
    ///
    /// # Errors
    /// Shapes that don't broadcast, or different types.
    pub fn where_(self, yes: Self, no: Self) -> Result<Self> {
        self.ops.run(op::WHERE, &[self, yes, no], &Attributes::new())
    }

    /// The same values in another type.
    pub fn cast(self, dtype: DType) -> Result<Self> {
        self.ops.run(op::CAST, &[self], &Attributes::new().dtype(dtype))
    }

    /// The sum over axes, which stay with extent 1. Axes ascend.
    ///
    /// # Errors
    /// An axis that isn't there.
    pub fn sum(self, axes: &[usize]) -> Result<Self> {
        self.ops.run(op::SUM, &[self], &Attributes::new().list(axes))
    }

    /// The mean over axes, which stay with extent 1. Axes ascend.
    ///
    /// # Errors
    /// An axis that isn't there.
    pub fn mean(self, axes: &[usize]) -> Result<Self> {
        self.ops.run(op::MEAN, &[self], &Attributes::new().list(axes))
    }

    /// Where the largest value along an axis is (the first of equals), as i64; the axis stays with extent 1.
    ///
    /// # Errors
    /// An axis that isn't there or is empty.
    pub fn argmax(self, axis: usize) -> Result<Self> {
        self.ops.run(op::ARGMAX, &[self], &Attributes::new().count(axis))
    }

    /// The indices that sort an axis, stable, as i64.
    ///
    /// # Errors
    /// An axis that isn't there.
    pub fn argsort(self, axis: usize, descending: bool) -> Result<Self> {
        self.ops.run(op::ARGSORT, &[self], &Attributes::new().count(axis).flag(descending))
    }

    /// The softmax over the last axis.
    ///
    /// # Errors
    /// A tensor without axes.
    pub fn softmax(self) -> Result<Self> {
        self.ops.run(op::SOFTMAX, &[self], &Attributes::new())
    }

    /// -sum p ln p over the last axis, which stays with extent 1; 0 ln 0 = 0.
    ///
    /// # Errors
    /// A tensor without axes.
    pub fn row_entropy(self) -> Result<Self> {
        self.ops.run(op::ROW_ENTROPY, &[self], &Attributes::new())
    }

    /// The same elements in another shape.
    ///
    /// # Errors
    /// A shape with another number of elements.
    pub fn reshape(self, shape: &[usize]) -> Result<Self> {
        self.ops.run(op::RESHAPE, &[self], &Attributes::new().list(shape))
    }

    /// Axes in another order: axis i of the result is axis `axes[i]`.
    ///
    /// # Errors
    /// Axes that are no order.
    pub fn permute(self, axes: &[usize]) -> Result<Self> {
        self.ops.run(op::PERMUTE, &[self], &Attributes::new().list(axes))
    }

    /// `len` entries of an axis from `start` on.
    ///
    /// # Errors
    /// Entries outside the axis.
    pub fn narrow(self, axis: usize, start: usize, len: usize) -> Result<Self> {
        self.ops.run(op::NARROW, &[self], &Attributes::new().count(axis).count(start).count(len))
    }

    /// A border of `value` along an axis.
    ///
    /// # Errors
    /// An axis that isn't there.
    pub fn pad(self, axis: usize, before: usize, after: usize, value: f64) -> Result<Self> {
        self.ops.run(op::PAD, &[self], &Attributes::new().count(axis).count(before).count(after).real(value))
    }

    /// Repeats extents of 1 to fill the shape.
    ///
    /// # Errors
    /// A shape that it doesn't broadcast to.
    pub fn expand(self, shape: &[usize]) -> Result<Self> {
        self.ops.run(op::EXPAND, &[self], &Attributes::new().list(shape))
    }

    /// The entries at `indices` along an axis. `indices` is i64 and has this shape but for the axis.
    ///
    /// # Errors
    /// Shapes that differ off the axis.
    pub fn gather(self, indices: Self, axis: usize) -> Result<Self> {
        self.ops.run(op::GATHER, &[self, indices], &Attributes::new().count(axis))
    }

    /// The slices at `indices`, i64 \[k\], along an axis.
    ///
    /// # Errors
    /// Indices that are not i64 \[k\].
    pub fn index_select(self, indices: Self, axis: usize) -> Result<Self> {
        self.ops.run(op::INDEX_SELECT, &[self, indices], &Attributes::new().count(axis))
    }

    /// With `source` added at `indices`, i64 of `source`'s shape, along an axis.
    ///
    /// # Errors
    /// Shapes that differ off the axis.
    pub fn scatter_add(self, indices: Self, source: Self, axis: usize) -> Result<Self> {
        self.ops.run(op::SCATTER_ADD, &[self, indices, source], &Attributes::new().count(axis))
    }

    /// [.., m, k] x [.., k, n], batch extents broadcast.
    ///
    /// # Errors
    /// Shapes that don't fit.
    pub fn matmul(self, other: Self) -> Result<Self> {
        self.ops.run(op::MATMUL, &[self, other], &Attributes::new())
    }

    /// a + weight (b - a), both of one shape.
    ///
    /// # Errors
    /// Different shapes.
    pub fn lerp(self, other: Self, weight: f64) -> Result<Self> {
        self.ops.run(op::LERP, &[self, other], &Attributes::new().real(weight))
    }

    /// [b, c, h, w] with `weight` [o, c, kh, kw] -> [b, o, h', w'].
    ///
    /// # Errors
    /// A kernel that doesn't fit.
    pub fn conv2d(self, weight: Self, stride: usize, padding: usize) -> Result<Self> {
        self.ops.run(op::CONV2D, &[self, weight], &Attributes::new().count(stride).count(padding))
    }

    /// The largest value over axes, which stay with extent 1. The gradient goes to the first of
    /// equals along each.
    ///
    /// # Errors
    /// An axis that isn't there or is empty.
    pub fn max(self, axes: &[usize]) -> Result<Self> {
        axes.iter().try_fold(self, |x, &axis| x.ops.run(op::MAX, &[x], &Attributes::new().count(axis)))
    }

    /// The smallest value over axes, which stay with extent 1.
    ///
    /// # Errors
    /// An axis that isn't there or is empty.
    pub fn min(self, axes: &[usize]) -> Result<Self> {
        self.neg()?.max(axes)?.neg()
    }

    /// The variance over axes with divisor n, which stay with extent 1. Axes ascend.
    ///
    /// # Errors
    /// An axis that isn't there.
    pub fn variance(self, axes: &[usize]) -> Result<Self> {
        let centred = self.sub(self.mean(axes)?)?;
        centred.mul(centred)?.mean(axes)
    }

    /// With two axes exchanged.
    ///
    /// # Errors
    /// An axis that isn't there.
    pub fn transpose(self, a: usize, b: usize) -> Result<Self> {
        if a >= self.rank() || b >= self.rank() {
            return Err(Error::failure(format!("{self:?} has no axes {a} and {b}")));
        }
        let mut axes: Vec<usize> = (0..self.rank()).collect();
        axes.swap(a, b);
        self.permute(&axes)
    }

    /// [b, c, h, w] -> [b, c, height, width].
    ///
    /// # Errors
    /// Another rank than 4.
    pub fn interpolate(self, height: usize, width: usize, mode: Interpolation) -> Result<Self> {
        let attributes = Attributes::new().count(height).count(width).count(mode as usize);
        self.ops.run(op::INTERPOLATE, &[self], &attributes)
    }
}
