//! The host's tensors, for the length of one call.

#![allow(unsafe_code, reason = "calls the host's functions and lends it buffers")]

mod element;
mod make;
mod operations;

use std::fmt;

use palimpsest_abi as abi;
use palimpsest_abi::backend::MAX_RANK;

pub use element::Element;
pub use make::Ops;
pub use palimpsest_types::{DType, Interpolation};

use crate::export::failure;
use crate::{Error, Result};

/// The host's table of operations during a call.
#[derive(Debug)]
pub(crate) struct Call {
    table: abi::corruption::Ops,
}

impl Call {
    /// # Safety
    /// The table's functions are the host's and may be called with its context, on this thread, for
    /// as long as this lives.
    pub(crate) unsafe fn new(table: abi::corruption::Ops) -> Self {
        Self { table }
    }
}

/// A tensor of the host, on the device of the run, with its history for gradients.
///
/// It is a handle that may be copied at will. It lives as long as the call that it came with and
/// can't be kept: neither in the strategy nor on another thread.
///
/// Axes are counted from 0. Where shapes "broadcast", they do as in NumPy. Elements of binary
/// operations must have one type; [`cast`](Self::cast) changes it.
#[derive(Clone, Copy)]
pub struct Tensor<'call> {
    ops: Ops<'call>,
    handle: abi::Opaque,
    dtype: DType,
    rank: usize,
    extents: [usize; MAX_RANK],
}

impl fmt::Debug for Tensor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape())
    }
}

impl<'call> Tensor<'call> {
    /// A tensor that the host gave.
    pub(crate) fn from_raw(ops: Ops<'call>, raw: &abi::backend::Tensor) -> Result<Self> {
        let broken = |what: String| Err(Error::failure(format!("the host gave a tensor {what}")));
        if raw.handle.is_null() {
            return broken("without a handle".to_owned());
        }
        let Some(dtype) = DType::from_code(raw.dtype) else {
            return broken(format!("of the unknown type {}", raw.dtype));
        };
        let rank = raw.rank as usize;
        if rank > MAX_RANK {
            return broken(format!("of rank {rank}; at most {MAX_RANK} cross"));
        }
        let extents = raw.extents.map(|extent| extent as usize);
        Ok(Self { ops, handle: raw.handle, dtype, rank, extents })
    }

    /// The struct that crosses.
    pub(crate) fn raw(&self) -> abi::backend::Tensor {
        let mut extents = [0; MAX_RANK];
        for (to, &from) in extents.iter_mut().zip(self.shape()) {
            *to = from as u64;
        }
        abi::backend::Tensor {
            handle: self.handle,
            dtype: self.dtype as u32,
            rank: self.rank as u32,
            extents,
        }
    }

    /// The extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.extents[..self.rank]
    }

    /// How many extents.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many elements.
    pub fn count(&self) -> usize {
        self.shape().iter().product()
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The operations that make new tensors.
    pub fn ops(&self) -> Ops<'call> {
        self.ops
    }

    /// The same values without their history: no gradient flows back.
    ///
    /// # Errors
    /// What the host answers.
    pub fn detach(self) -> Result<Self> {
        let table = &self.ops.call.table;
        let mut plain = abi::backend::Tensor::none();
        let mut error = abi::Error::new();
        // SAFETY: `Call`'s promise; the result and the error are ours.
        let code = unsafe { (table.detach)(table.context, self.handle, &raw mut plain, &raw mut error) };
        failure::read(code, &error)?;
        Self::from_raw(self.ops, &plain)
    }

    /// Its elements on the host, row by row. It waits for the device: keep it for small tensors.
    ///
    /// # Errors
    /// Another type than `E`, or what the host answers.
    pub fn to_vec<E: Element>(self) -> Result<Vec<E>> {
        if self.dtype != E::DTYPE {
            return Err(Error::failure(format!("elements of {self:?} read as {}", E::DTYPE))
                .help(format!("cast to {} first", E::DTYPE)));
        }
        E::read(self.count(), |data, bytes| {
            let table = &self.ops.call.table;
            let mut error = abi::Error::new();
            // SAFETY: `Call`'s promise; `data` has room for `bytes`.
            let code = unsafe { (table.download)(table.context, self.handle, data, bytes, &raw mut error) };
            failure::read(code, &error)
        })
    }
}

/// Attributes of an operation, in the order of the ABI's list.
#[derive(Debug, Default)]
struct Attributes {
    integers: Vec<i64>,
    reals: Vec<f64>,
}

impl Attributes {
    fn new() -> Self {
        Self::default()
    }

    fn count(mut self, value: usize) -> Self {
        self.integers.push(value as i64);
        self
    }

    fn flag(self, value: bool) -> Self {
        self.count(usize::from(value))
    }

    fn dtype(self, value: DType) -> Self {
        self.count(value as usize)
    }

    fn list(mut self, values: &[usize]) -> Self {
        self = self.count(values.len());
        self.integers.extend(values.iter().map(|&value| value as i64));
        self
    }

    fn real(mut self, value: f64) -> Self {
        self.reals.push(value);
        self
    }
}

impl<'call> Ops<'call> {
    /// Runs an operation with one result.
    fn run(self, kind: u32, inputs: &[Tensor<'_>], attributes: &Attributes) -> Result<Tensor<'call>> {
        let table = &self.call.table;
        let handles: Vec<abi::Opaque> = inputs.iter().map(|input| input.handle).collect();
        let op = abi::backend::Op {
            head: abi::Head::of::<abi::backend::Op>(),
            kind,
            results: 1,
            integers: attributes.integers.as_ptr(),
            integer_count: attributes.integers.len(),
            reals: attributes.reals.as_ptr(),
            real_count: attributes.reals.len(),
        };
        let (mut result, mut count) = (abi::backend::Tensor::none(), 0);
        let mut error = abi::Error::new();
        // SAFETY: `Call`'s promise; all that is lent lives until the call returns, and there is room
        // for the one result.
        let code = unsafe {
            (table.execute)(
                table.context,
                &raw const op,
                handles.as_ptr(),
                handles.len(),
                &raw mut result,
                &raw mut count,
                &raw mut error,
            )
        };
        failure::read(code, &error)?;
        if count != 1 {
            return Err(Error::failure(format!("the host gave {count} results for one")));
        }
        Tensor::from_raw(self, &result)
    }

    /// Copies elements to the device.
    fn upload(self, dtype: DType, shape: &[usize], data: *const u8, bytes: usize) -> Result<Tensor<'call>> {
        let mut extents = [0; MAX_RANK];
        if shape.len() > MAX_RANK {
            return Err(Error::failure(format!(
                "a tensor of rank {}; at most {MAX_RANK} cross",
                shape.len()
            )));
        }
        for (to, &from) in extents.iter_mut().zip(shape) {
            *to = from as u64;
        }
        let host = abi::backend::HostTensor {
            head: abi::Head::of::<abi::backend::HostTensor>(),
            dtype: dtype as u32,
            rank: shape.len() as u32,
            extents,
            data,
            bytes,
        };
        let table = &self.call.table;
        let mut result = abi::backend::Tensor::none();
        let mut error = abi::Error::new();
        // SAFETY: `Call`'s promise; the caller lends `bytes` at `data`.
        let code = unsafe { (table.upload)(table.context, &raw const host, &raw mut result, &raw mut error) };
        failure::read(code, &error)?;
        Tensor::from_raw(self, &result)
    }
}
