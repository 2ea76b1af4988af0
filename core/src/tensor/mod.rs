//! Tensors as model code sees them: a handle with a shape, a type and a device.
//!
//! Rank is dynamic. Every method returns a `Result`; a shape error names the operation and the
//! shapes. Encoders, objectives and heads are written once against this type.

mod attributes;
mod dtype;
mod host;
mod infer;
mod lower;
mod op;
mod shape;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

pub use attributes::Attributes;
pub use dtype::DType;
pub use host::{HostData, HostTensor};
pub use op::{Interpolation, Op, OpKind};
pub use shape::Shape;
use smallvec::SmallVec;

use crate::backend::{Backend, Device, Handle};
use crate::{Error, Result};

impl Op {
    /// Shapes and types of the results on inputs of these.
    ///
    /// # Errors
    /// Inputs that don't fit the operation.
    pub fn infer(&self, inputs: &[(&Shape, DType)]) -> Result<Vec<(Shape, DType)>> {
        infer::infer(self, inputs).map(SmallVec::into_vec)
    }
}

/// The only one of an operation's results.
fn only<T>(op: &Op, results: impl IntoIterator<Item = T>) -> Result<T> {
    let mut results = results.into_iter();
    match (results.next(), results.next()) {
        (Some(result), None) => Ok(result),
        _ => Err(Error::failure(format!("{}: has not one result", op.kind().name()))),
    }
}

/// A shared handle to a tensor of some backend. Cloning is cheap.
#[derive(Clone)]
pub struct Tensor {
    backend: Arc<dyn Backend>,
    handle: Handle,
    shape: Shape,
    dtype: DType,
    device: Device,
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}{} on {})", self.dtype, self.shape, self.device)
    }
}

/// A backend and one of its devices: where new tensors are made.
#[derive(Clone)]
pub struct Place {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// The device.
    pub device: Device,
}

impl Place {
    /// Copies host data there.
    ///
    /// # Errors
    /// No memory, or a type that the backend lacks.
    pub fn upload(&self, data: HostTensor) -> Result<Tensor> {
        let (shape, dtype) = (data.shape().clone(), data.dtype());
        let handle = self.backend.upload(data, self.device)?;
        Ok(Tensor { backend: self.backend.clone(), handle, shape, dtype, device: self.device })
    }

    /// Copies floats there, in the given float type.
    ///
    /// # Errors
    /// As [`Place::upload`], or the shape doesn't fit.
    pub fn floats(&self, shape: impl Into<Shape>, data: Vec<f32>, dtype: DType) -> Result<Tensor> {
        self.upload(HostTensor::f32(shape, data)?.to_float(dtype)?)
    }

    /// Copies doubles there, in the given float type: for values that are computed on the host and
    /// must not lose digits where a model runs in f64.
    ///
    /// # Errors
    /// As [`Place::upload`], or the shape doesn't fit.
    pub fn doubles(&self, shape: impl Into<Shape>, data: Vec<f64>, dtype: DType) -> Result<Tensor> {
        self.upload(HostTensor::new(shape, HostData::F64(data))?.to_float(dtype)?)
    }

    /// Copies indices there.
    ///
    /// # Errors
    /// As [`Place::upload`], or the shape doesn't fit.
    pub fn indices(&self, shape: impl Into<Shape>, data: Vec<i64>) -> Result<Tensor> {
        self.upload(HostTensor::i64(shape, data)?)
    }

    /// Copies truth values there.
    ///
    /// # Errors
    /// As [`Place::upload`], or the shape doesn't fit.
    pub fn truths(&self, shape: impl Into<Shape>, data: Vec<bool>) -> Result<Tensor> {
        self.upload(HostTensor::new(shape, HostData::Bool(data))?)
    }

    /// A tensor of one value.
    ///
    /// # Errors
    /// No memory.
    pub fn full(&self, shape: impl Into<Shape>, value: f64, dtype: DType) -> Result<Tensor> {
        Tensor::create(self, &Op::Full { shape: shape.into(), value, dtype })
    }

    /// Standard normal values from the backend's own generator.
    ///
    /// # Errors
    /// No memory.
    pub fn random_normal(&self, shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        Tensor::create(self, &Op::RandomNormal { shape: shape.into(), dtype })
    }
}

impl Tensor {
    fn create(place: &Place, op: &Op) -> Result<Self> {
        let due = infer::infer(op, &[])?;
        let handles = place.backend.execute(op, vec![], place.device)?;
        only(op, Self::wrap((op, &place.backend, place.device), handles, due)?)
    }

    /// Tensors of an operation's results, if they are what was inferred.
    fn wrap(
        (op, backend, device): (&Op, &Arc<dyn Backend>, Device),
        handles: Vec<Handle>,
        due: infer::Signatures,
    ) -> Result<SmallVec<[Self; 1]>> {
        if handles.len() != due.len() {
            return Err(Error::failure(format!(
                "{}: the backend {} returned {} tensors where {} were due",
                op.kind().name(),
                backend.info().name,
                handles.len(),
                due.len()
            )));
        }
        let tensor = |(handle, due): (Handle, (Shape, DType))| {
            let found = backend.signature(&handle)?;
            if found != due {
                return Err(Error::failure(format!(
                    "{}: the backend {} returned {}{} where {}{} was due",
                    op.kind().name(),
                    backend.info().name,
                    found.1,
                    found.0,
                    due.1,
                    due.0
                )));
            }
            let (shape, dtype) = due;
            Ok(Self { backend: backend.clone(), handle, shape, dtype, device })
        };
        handles.into_iter().zip(due).map(tensor).collect()
    }

    /// Runs an operation; a fused one that the backend lacks is taken apart.
    ///
    /// # Errors
    /// Shapes or types that don't fit, tensors of two devices, or the backend's failure.
    pub fn apply(op: &Op, inputs: &[Self]) -> Result<Vec<Self>> {
        Self::apply_owned(op, inputs.to_vec())
    }

    /// As [`Tensor::apply`], giving the inputs away: the backend may write over one of which no
    /// other handle exists.
    ///
    /// # Errors
    /// As [`Tensor::apply`].
    pub fn apply_owned(op: &Op, inputs: Vec<Self>) -> Result<Vec<Self>> {
        let (due, whole) = Self::check(op, &inputs)?;
        if !whole {
            return lower::lower(op, &inputs);
        }
        let (backend, device) = (inputs[0].backend.clone(), inputs[0].device);
        let handles = inputs.into_iter().map(|t| t.handle).collect();
        let handles = backend.execute(op, handles, device)?;
        Ok(Self::wrap((op, &backend, device), handles, due)?.into_vec())
    }

    /// The result of an operation that has one.
    fn one(op: &Op, inputs: &[&Self]) -> Result<Self> {
        let (due, whole) = Self::check(op, inputs)?;
        if !whole {
            let inputs: Vec<Self> = inputs.iter().map(|&t| t.clone()).collect();
            return only(op, lower::lower(op, &inputs)?);
        }
        let (backend, device) = (&inputs[0].backend, inputs[0].device);
        let handles = inputs.iter().map(|t| t.handle.clone()).collect();
        let handles = backend.execute(op, handles, device)?;
        only(op, Self::wrap((op, backend, device), handles, due)?)
    }

    /// The signatures of the results, and whether the backend takes the operation whole.
    fn check<T: Borrow<Self>>(op: &Op, inputs: &[T]) -> Result<(infer::Signatures, bool)> {
        let first = inputs
            .first()
            .ok_or_else(|| Error::failure(format!("{}: needs an input tensor", op.kind().name())))?
            .borrow();
        let mut signatures = SmallVec::<[_; 4]>::new();
        for input in inputs {
            let input = input.borrow();
            if input.device != first.device || !Arc::ptr_eq(&input.backend, &first.backend) {
                return Err(Error::failure(format!(
                    "{}: tensors on {} and {}",
                    op.kind().name(),
                    first.device,
                    input.device
                )));
            }
            signatures.push((&input.shape, input.dtype));
        }
        let due = infer::infer(op, &signatures)?;
        let whole = !op.kind().is_fused() || first.backend.supports(op.kind(), first.dtype, first.device);
        Ok((due, whole))
    }

    /// The extents.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.rank()
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where new tensors for use with this one are made.
    pub fn place(&self) -> Place {
        Place { backend: self.backend.clone(), device: self.device }
    }

    /// The backend's tensor.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The same tensor, with another backend to call, which must know what to do with it.
    pub(crate) fn with_backend(&self, backend: &Arc<dyn Backend>) -> Self {
        Self { backend: backend.clone(), ..self.clone() }
    }

    /// Copies it to the host.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn download(&self) -> Result<HostTensor> {
        let host = self.backend.download(&self.handle)?;
        if host.shape() != &self.shape || host.dtype() != self.dtype {
            return Err(Error::failure(format!(
                "the backend {} returned {}{} where {}{} was due",
                self.backend.info().name,
                host.dtype(),
                host.shape(),
                self.dtype,
                self.shape
            )));
        }
        Ok(host)
    }

    /// The value of a tensor with one element.
    ///
    /// # Errors
    /// More or fewer elements, or the backend's failure.
    pub fn item(&self) -> Result<f64> {
        let values = self.download()?.into_f64();
        match values.as_slice() {
            [value] => Ok(*value),
            _ => Err(Error::failure(format!("item() of a tensor of shape {}", self.shape))),
        }
    }

    /// A leaf that gradients are recorded for, with this value.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn track(&self) -> Result<Self> {
        Ok(Self { handle: self.backend.track(&self.handle)?, ..self.clone() })
    }

    /// The same value without its history.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn detach(&self) -> Result<Self> {
        Ok(Self { handle: self.backend.detach(&self.handle)?, ..self.clone() })
    }

    /// Gradients of this scalar with respect to `leaves`, without history; `None` where it does
    /// not depend on one. The scalar's own history is freed.
    ///
    /// # Errors
    /// No scalar, or the backend's failure.
    pub fn backward(self, leaves: &[&Self]) -> Result<Vec<Option<Self>>> {
        if self.shape.count() != 1 {
            return Err(Error::failure(format!("backward() of a tensor of shape {}", self.shape)));
        }
        let handles: Vec<&Handle> = leaves.iter().map(|t| &t.handle).collect();
        let gradients = self.backend.backward(self.handle, &handles)?;
        if gradients.len() != leaves.len() {
            return Err(Error::failure("backward() returned another number of gradients"));
        }
        Ok(gradients
            .into_iter()
            .zip(leaves)
            .map(|(handle, leaf)| handle.map(|handle| Self { handle, ..(*leaf).clone() }))
            .collect())
    }

    // Elementwise operations.

    /// -x
    ///
    /// # Errors
    /// As [`Tensor::apply`]; so for every operation below.
    pub fn neg(&self) -> Result<Self> {
        Self::one(&Op::Neg, &[self])
    }
    /// e^x
    pub fn exp(&self) -> Result<Self> {
        Self::one(&Op::Exp, &[self])
    }
    /// ln x
    pub fn log(&self) -> Result<Self> {
        Self::one(&Op::Log, &[self])
    }
    /// Square root.
    pub fn sqrt(&self) -> Result<Self> {
        Self::one(&Op::Sqrt, &[self])
    }
    /// Hyperbolic tangent.
    pub fn tanh(&self) -> Result<Self> {
        Self::one(&Op::Tanh, &[self])
    }
    /// Error function.
    pub fn erf(&self) -> Result<Self> {
        Self::one(&Op::Erf, &[self])
    }
    /// |x|
    pub fn abs(&self) -> Result<Self> {
        Self::one(&Op::Abs, &[self])
    }
    /// Sine.
    pub fn sin(&self) -> Result<Self> {
        Self::one(&Op::Sin, &[self])
    }
    /// Cosine.
    pub fn cos(&self) -> Result<Self> {
        Self::one(&Op::Cos, &[self])
    }
    /// x + value
    pub fn add_scalar(&self, value: f64) -> Result<Self> {
        Self::one(&Op::AddScalar { value }, &[self])
    }
    /// x * value
    pub fn mul_scalar(&self, value: f64) -> Result<Self> {
        Self::one(&Op::MulScalar { value }, &[self])
    }
    /// x ^ value
    pub fn pow_scalar(&self, value: f64) -> Result<Self> {
        Self::one(&Op::PowScalar { value }, &[self])
    }
    /// x limited to [min, max].
    pub fn clamp(&self, min: f64, max: f64) -> Result<Self> {
        Self::one(&Op::Clamp { min, max }, &[self])
    }
    /// a + b, broadcast.
    pub fn add(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Add, &[self, other])
    }
    /// a - b, broadcast.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Sub, &[self, other])
    }
    /// a * b, broadcast.
    pub fn mul(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Mul, &[self, other])
    }
    /// a / b, broadcast.
    pub fn div(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Div, &[self, other])
    }
    /// a == b, broadcast.
    pub fn equal(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Equal, &[self, other])
    }
    /// a < b, broadcast.
    pub fn less(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Less, &[self, other])
    }
    /// `a` where this truth value holds, else `b`; broadcast.
    pub fn choose(&self, a: &Self, b: &Self) -> Result<Self> {
        Self::one(&Op::Where, &[self, a, b])
    }
    /// The same values in another type.
    pub fn cast(&self, dtype: DType) -> Result<Self> {
        if dtype == self.dtype {
            return Ok(self.clone());
        }
        Self::one(&Op::Cast { dtype }, &[self])
    }

    // Reductions: reduced axes are kept with extent 1, but for the `_all` forms.

    /// Sum over axes (ascending).
    pub fn sum(&self, axes: &[usize]) -> Result<Self> {
        Self::one(&Op::Sum { axes: axes.to_vec() }, &[self])
    }
    /// Mean over axes (ascending).
    pub fn mean(&self, axes: &[usize]) -> Result<Self> {
        Self::one(&Op::Mean { axes: axes.to_vec() }, &[self])
    }
    /// Sum of everything, a scalar.
    pub fn sum_all(&self) -> Result<Self> {
        let axes: Vec<usize> = (0..self.rank()).collect();
        self.sum(&axes)?.reshape([])
    }
    /// Mean of everything, a scalar.
    pub fn mean_all(&self) -> Result<Self> {
        let axes: Vec<usize> = (0..self.rank()).collect();
        self.mean(&axes)?.reshape([])
    }
    /// Largest value along an axis.
    pub fn max(&self, axis: usize) -> Result<Self> {
        Self::one(&Op::Max { axis }, &[self])
    }
    /// Index of the largest value along an axis.
    pub fn argmax(&self, axis: usize) -> Result<Self> {
        Self::one(&Op::Argmax { axis }, &[self])
    }
    /// Indices that sort an axis.
    pub fn argsort(&self, axis: usize, descending: bool) -> Result<Self> {
        Self::one(&Op::Argsort { axis, descending }, &[self])
    }

    // Layout.

    /// The same elements in another shape.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if shape == self.shape {
            return Ok(self.clone());
        }
        Self::one(&Op::Reshape { shape }, &[self])
    }
    /// Axes in another order: output axis i is input axis `axes[i]`.
    pub fn permute(&self, axes: &[usize]) -> Result<Self> {
        Self::one(&Op::Permute { axes: axes.to_vec() }, &[self])
    }
    /// `len` entries of an axis from `start` on.
    pub fn narrow(&self, axis: usize, start: usize, len: usize) -> Result<Self> {
        Self::one(&Op::Narrow { axis, start, len }, &[self])
    }
    /// Tensors one after another along an axis.
    pub fn concat(tensors: &[&Self], axis: usize) -> Result<Self> {
        Self::one(&Op::Concat { axis }, tensors)
    }
    /// A constant border along an axis.
    pub fn pad(&self, axis: usize, before: usize, after: usize, value: f64) -> Result<Self> {
        Self::one(&Op::Pad { axis, before, after, value }, &[self])
    }
    /// Repeats extents of 1 to fill the shape.
    pub fn expand(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if shape == self.shape {
            return Ok(self.clone());
        }
        Self::one(&Op::Expand { shape }, &[self])
    }
    /// Entries at `indices` along an axis; `indices` has this shape but for the axis.
    pub fn gather(&self, axis: usize, indices: &Self) -> Result<Self> {
        Self::one(&Op::Gather { axis }, &[self, indices])
    }
    /// Slices at `indices` [k] along an axis.
    pub fn index_select(&self, axis: usize, indices: &Self) -> Result<Self> {
        Self::one(&Op::IndexSelect { axis }, &[self, indices])
    }
    /// This tensor with `source` added at `indices` along an axis.
    pub fn scatter_add(&self, axis: usize, indices: &Self, source: &Self) -> Result<Self> {
        Self::one(&Op::ScatterAdd { axis }, &[self, indices, source])
    }

    // Products and fused operations.

    /// [.., m, k] x [.., k, n]
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Matmul, &[self, other])
    }
    /// Convolution with weight [o, c, kh, kw].
    pub fn conv2d(&self, weight: &Self, stride: usize, padding: usize) -> Result<Self> {
        Self::one(&Op::Conv2d { stride, padding }, &[self, weight])
    }
    /// [b, c, h, w] resampled.
    pub fn interpolate(&self, height: usize, width: usize, mode: Interpolation) -> Result<Self> {
        Self::one(&Op::Interpolate { height, width, mode }, &[self])
    }
    /// x weight^T + bias, with weight [out, in].
    pub fn linear(&self, weight: &Self, bias: Option<&Self>) -> Result<Self> {
        match bias {
            Some(bias) => Self::one(&Op::Linear, &[self, weight, bias]),
            None => Self::one(&Op::Linear, &[self, weight]),
        }
    }
    /// Softmax over the last axis.
    pub fn softmax(&self) -> Result<Self> {
        Self::one(&Op::Softmax, &[self])
    }
    /// Normalised over the last axis, times gain, plus bias.
    pub fn layer_norm(&self, gain: &Self, bias: &Self, eps: f64) -> Result<Self> {
        Self::one(&Op::LayerNorm { eps }, &[self, gain, bias])
    }
    /// x Phi(x)
    pub fn gelu(&self) -> Result<Self> {
        Self::one(&Op::Gelu, &[self])
    }
    /// x sigmoid(x)
    pub fn silu(&self) -> Result<Self> {
        Self::one(&Op::Silu, &[self])
    }
    /// Attention of these queries [b, n, d] to k, v [b, m, d].
    pub fn attention(&self, k: &Self, v: &Self, bias: Option<&Self>, heads: usize) -> Result<Self> {
        let op = Op::Attention { heads };
        match bias {
            Some(bias) => Self::one(&op, &[self, k, v, bias]),
            None => Self::one(&op, &[self, k, v]),
        }
    }
    /// Self-attention of packed q, k, v [b, n, 3 d].
    pub fn self_attention(&self, bias: Option<&Self>, heads: usize) -> Result<Self> {
        let op = Op::SelfAttention { heads };
        match bias {
            Some(bias) => Self::one(&op, &[self, bias]),
            None => Self::one(&op, &[self]),
        }
    }
    /// Attention probabilities [b, heads, n, n] of packed q, k, v [b, n, 3 d].
    pub fn attention_probs(&self, bias: Option<&Self>, heads: usize) -> Result<Self> {
        let op = Op::AttentionProbs { heads };
        match bias {
            Some(bias) => Self::one(&op, &[self, bias]),
            None => Self::one(&op, &[self]),
        }
    }
    /// These probabilities [b, heads, n, n] applied to the values in packed q, k, v [b, n, 3 d].
    pub fn attention_apply(&self, qkv: &Self, heads: usize) -> Result<Self> {
        Self::one(&Op::AttentionApply { heads }, &[self, qkv])
    }
    /// This tensor [b, n, d] plus a branch, scaled by a gain [d] and kept by [b, 1, 1].
    pub fn residual(&self, branch: &Self, gain: Option<&Self>, keep: Option<&Self>) -> Result<Self> {
        let op = Op::Residual { gain: gain.is_some(), keep: keep.is_some() };
        let mut inputs = vec![self, branch];
        inputs.extend(gain);
        inputs.extend(keep);
        Self::one(&op, &inputs)
    }
    /// -sum p ln p over the last axis, kept.
    pub fn row_entropy(&self) -> Result<Self> {
        Self::one(&Op::RowEntropy, &[self])
    }
    /// Mean cross-entropy of logits [b, c] against labels [b].
    pub fn cross_entropy(&self, labels: &Self, smoothing: f64) -> Result<Self> {
        Self::one(&Op::CrossEntropy { smoothing }, &[self, labels])
    }
    /// Sum of squares, a scalar.
    pub fn sum_squares(&self) -> Result<Self> {
        Self::one(&Op::SumSquares, &[self])
    }
}
