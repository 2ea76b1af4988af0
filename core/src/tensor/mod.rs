//! Tensors as model code sees them: a handle with a shape, a type and a device.
//!
//! Rank is dynamic. Every method returns a `Result`; a shape error names the operation and the
//! shapes. Encoders, objectives and heads are written once against this type.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

mod adamw;
mod attributes;
mod device_handle;
mod host;
mod infer;
mod lower;
mod methods;
mod op;
mod shape;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

pub use adamw::AdamwRates;
pub use attributes::Attributes;
pub use device_handle::DeviceHandle;
pub use host::{HostData, HostSlice, HostSliceMut, HostTensor};
pub use op::{Op, OpKind};
pub use palimpsest_types::{DType, Interpolation};
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

impl Tensor {
    fn create(device: &DeviceHandle, op: &Op) -> Result<Self> {
        let due = infer::infer(op, &[])?;
        let handles = device.backend.execute(op, vec![], device.id)?;
        only(op, Self::wrap((op, &device.backend, device.id), handles, due)?)
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
    pub fn device(&self) -> DeviceHandle {
        DeviceHandle { backend: self.backend.clone(), id: self.device }
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

    /// Copies it to the host, to a place that is there already.
    ///
    /// # Errors
    /// Another type or number of elements, or the backend's failure.
    pub fn download_into(&self, to: HostSliceMut<'_>) -> Result<()> {
        if to.dtype() != self.dtype || to.len() != self.shape.count() {
            let (room, dtype) = (to.len(), to.dtype());
            let what = format!("{}{}", self.dtype, self.shape);
            return Err(Error::failure(format!("{what} does not fit room for {room} of {dtype}")));
        }
        self.backend.download_into(&self.handle, to)
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
    pub fn track(&self) -> Result<Self> {
        Ok(Self { handle: self.backend.track(&self.handle)?, ..self.clone() })
    }

    /// The same value without its history.
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
}
