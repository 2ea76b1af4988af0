//! The backend under test, which may fail at any moment.

use std::panic::{AssertUnwindSafe, catch_unwind};

use palimpsest_core::tensor::{Op, OpKind};
use palimpsest_core::{DType, DeviceHandle, Error, HostTensor, Result, Tensor};

/// Opens the backend under test.
pub type Open<'a> = &'a dyn Fn() -> Result<DeviceHandle>;

/// How a backend runs an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// By itself.
    Native,
    /// As primitives, into which core takes it apart.
    TakenApart,
    /// Not at all.
    Missing,
}

impl Support {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::TakenApart => "taken apart",
            Self::Missing => "missing",
        }
    }
}

/// The backend under test.
pub struct Subject<'a> {
    open: Open<'a>,
    device: DeviceHandle,
}

impl<'a> Subject<'a> {
    /// Opens it.
    ///
    /// # Errors
    /// As `open`.
    pub fn new(open: Open<'a>) -> Result<Self> {
        Ok(Self { device: open()?, open })
    }

    /// Where its tensors live.
    pub fn device(&self) -> &DeviceHandle {
        &self.device
    }

    /// How it says to run an operation on a type.
    pub fn support(&self, kind: OpKind, dtype: DType) -> Support {
        let native = |kind: OpKind| self.device.backend.supports(kind, dtype, self.device.id);
        // No lowering draws random numbers.
        let needed =
            |kind: &OpKind| !kind.is_fused() && !matches!(kind, OpKind::RandomNormal | OpKind::RandomUniform);
        if native(kind) {
            Support::Native
        } else if kind.is_fused() && OpKind::ALL.iter().copied().filter(needed).all(native) {
            Support::TakenApart
        } else {
            Support::Missing
        }
    }

    /// Runs a piece of work; a panic becomes an error. A library that takes no more calls afterwards is opened
    /// anew, so that one failure stays one.
    ///
    /// # Errors
    /// As `work`, or it panicked.
    pub fn guard<T>(&mut self, work: impl FnOnce(&DeviceHandle) -> Result<T>) -> Result<T> {
        let result = catch_unwind(AssertUnwindSafe(|| work(&self.device))).unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text =
                text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a message");
            Err(Error::failure(format!("panicked: {text}")))
        });
        if result.is_err()
            && self.device.floats([], vec![0.0], DType::F32).is_err()
            && let Ok(device) = (self.open)()
        {
            self.device = device;
        }
        result
    }
}

/// Runs an operation and copies its results to the host.
///
/// # Errors
/// As [`Tensor::apply_owned`].
pub(crate) fn call(device: &DeviceHandle, op: &Op, inputs: Vec<Tensor>) -> Result<Vec<HostTensor>> {
    if !inputs.is_empty() {
        return Tensor::apply_owned(op, inputs)?.iter().map(Tensor::download).collect();
    }
    let made = device.backend.execute(op, vec![], device.id)?;
    made.iter().map(|handle| device.backend.download(handle)).collect()
}
