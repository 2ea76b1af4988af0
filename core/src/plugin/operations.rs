//! The host's operations for one call of a plug-in, on handles that mean nothing outside it.
#![allow(unsafe_code, reason = "C functions over pointers of a plug-in")]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use palimpsest_abi::backend::{HostTensor, Op as COp, Tensor as CTensor};
use palimpsest_abi::corruption::Ops;
use palimpsest_abi::{Code, Error as CError, Head, Opaque};

use super::call::InCall;
use super::{failure, wire};
use crate::corruption::PlanRequest;
use crate::random::{Philox, Stream};
use crate::tensor::{DType, DeviceHandle, Op, OpKind, Shape, Tensor};
use crate::{Error, HostTensor as Elements, Result};

/// Handles of one call; a plug-in that makes more is out of hand.
const MOST: usize = 1 << 16;

/// Tells the calls apart, so that a handle of an earlier one is refused.
static CALLS: AtomicU32 = AtomicU32::new(1);

/// The host's operations for one call of a plug-in, and its tensors, which are dropped with it.
pub struct Operations {
    device: DeviceHandle,
    call: u32,
    seed: u64,
    step: u64,
    first_sample: u64,
    batch: usize,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    tensors: Vec<Tensor>,
    draws: u64,
}

impl Operations {
    /// For a call about a request: random values go by its seed, step and images.
    pub fn new(device: DeviceHandle, request: &PlanRequest<'_>) -> Self {
        Self {
            device,
            call: CALLS.fetch_add(1, Ordering::Relaxed) & 0x7fff_ffff,
            seed: request.seed,
            step: request.step,
            first_sample: request.first_sample,
            batch: request.batch,
            state: RefCell::default(),
        }
    }

    /// The functions; they borrow this value, which must neither move nor end before the call does.
    pub fn table(&self) -> Ops {
        Ops {
            head: Head::of::<Ops>(),
            context: (&raw const *self).cast_mut().cast(),
            execute,
            upload,
            download,
            detach,
        }
    }

    /// Gives a tensor a handle.
    ///
    /// # Errors
    /// Too many of them, or a tensor of too many dimensions.
    pub fn enter(&self, tensor: Tensor) -> Result<CTensor> {
        let mut state = self.state.borrow_mut();
        if state.tensors.len() == MOST {
            return Err(Error::failure(format!("made more than {MOST} tensors in one call")));
        }
        let (extents, rank) = wire::extents_out(tensor.shape())?;
        let dtype = tensor.dtype() as u32;
        state.tensors.push(tensor);
        let number = u64::from(self.call) << 32 | state.tensors.len() as u64;
        Ok(CTensor { handle: std::ptr::without_provenance_mut(number as usize), dtype, rank, extents })
    }

    /// The tensor of a handle.
    ///
    /// # Errors
    /// No handle of this call.
    pub fn leave(&self, handle: Opaque) -> Result<Tensor> {
        let number = handle.addr() as u64;
        let (call, index) = (number >> 32, number & 0xffff_ffff);
        if number == 0 {
            return Err(Error::failure("gave no tensor"));
        }
        if call != u64::from(self.call) {
            return Err(Error::failure("used a tensor of an earlier call"));
        }
        let state = self.state.borrow();
        let found = usize::try_from(index).ok().and_then(|index| state.tensors.get(index.wrapping_sub(1)));
        found.cloned().ok_or_else(|| Error::failure("used a handle that is no tensor"))
    }

    fn run(&self, op: &Op, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        match op {
            Op::Full { shape, value, dtype } => Ok(vec![self.device.full(shape.clone(), *value, *dtype)?]),
            Op::RandomNormal { shape, dtype } => {
                Ok(vec![self.draw(shape, *dtype, |random, out| random.fill_normal(out))?])
            }
            Op::RandomUniform { shape, dtype } => Ok(vec![
                self.draw(shape, *dtype, |random, out| out.iter_mut().for_each(|x| *x = random.uniform()))?,
            ]),
            Op::Adamw { .. } => Err(Error::failure("adamw is not for plug-ins")),
            _ => Tensor::apply_owned(op, inputs),
        }
    }

    /// Random values that are the same on every backend and for any split of the batch.
    fn draw(&self, shape: &Shape, dtype: DType, fill: impl Fn(&mut Philox, &mut [f32])) -> Result<Tensor> {
        let draw = {
            let mut state = self.state.borrow_mut();
            state.draws += 1;
            state.draws
        };
        // Several draws of a call go by distinct seeds.
        let seed = self.seed ^ draw.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let count = shape.count();
        let mut values = vec![0.0; count];
        if shape.dims().first() == Some(&self.batch) && count > 0 {
            for (image, out) in values.chunks_mut(count / self.batch).enumerate() {
                let sample = self.first_sample + image as u64;
                fill(&mut Philox::new(seed, Stream::Operation, self.step, sample), out);
            }
        } else {
            fill(&mut Philox::new(seed, Stream::Operation, self.step, u64::from(u32::MAX)), &mut values);
        }
        self.device.floats(shape.clone(), values, dtype)
    }
}

/// Runs `work` with the call's operations; nothing unwinds into the plug-in.
///
/// # Safety
/// `context` is that of [`Operations::table`], whose call is not over; `error` is null or writable.
unsafe fn guarded(context: Opaque, error: *mut CError, work: impl FnOnce(&Operations) -> Result<()>) -> u32 {
    if context.is_null() {
        return Code::Failure as u32;
    }
    // SAFETY: the caller's promise.
    let operations = unsafe { &*context.cast_const().cast::<Operations>() };
    let _host = InCall::host();
    match catch_unwind(AssertUnwindSafe(|| work(operations))) {
        Ok(Ok(())) => Code::Ok as u32,
        // SAFETY: the caller's promise.
        Ok(Err(e)) => unsafe { failure::write(&e, error, None) },
        Err(_) => {
            let e = Error::failure("the host panicked in an operation");
            // SAFETY: as above.
            unsafe { failure::write(&e, error, Some(Code::Failure)) }
        }
    }
}

/// # Safety
/// `ptr` points to `len` values, or `len` is 0.
unsafe fn slice<'a, T>(ptr: *const T, len: usize) -> Result<&'a [T]> {
    match len {
        0 => Ok(&[]),
        _ if ptr.is_null() || len > 1 << 16 => Err(Error::failure("an operation came with a broken list")),
        // SAFETY: the caller's promise.
        _ => Ok(unsafe { std::slice::from_raw_parts(ptr, len) }),
    }
}

unsafe extern "C" fn execute(
    context: Opaque,
    op: *const COp,
    inputs: *const Opaque,
    input_count: usize,
    results: *mut CTensor,
    count: *mut usize,
    error: *mut CError,
) -> u32 {
    let work = |operations: &Operations| {
        if op.is_null() || results.is_null() || count.is_null() {
            return Err(Error::failure("an operation came without an operation or a place for results"));
        }
        // SAFETY: the plug-in lends it for the call.
        let op = unsafe { &*op };
        let kind = OpKind::from_code(op.kind)
            .ok_or_else(|| Error::failure(format!("the operation {} is not known here", op.kind)))?;
        // SAFETY: as above, with the lengths that it gives.
        let (integers, reals, inputs) = unsafe {
            (
                slice(op.integers, op.integer_count)?,
                slice(op.reals, op.real_count)?,
                slice(inputs, input_count)?,
            )
        };
        let run = Op::from_attributes(kind, integers, reals)?;
        let inputs = inputs.iter().map(|&handle| operations.leave(handle)).collect::<Result<Vec<_>>>()?;
        let made = operations.run(&run, inputs)?;
        if made.len() > op.results as usize {
            return Err(Error::failure(format!("{} has {} results", kind.name(), made.len())));
        }
        // SAFETY: places for `op.results` results and their count.
        unsafe { *count = made.len() };
        for (i, tensor) in made.into_iter().enumerate() {
            let entered = operations.enter(tensor)?;
            // SAFETY: as above.
            unsafe { results.add(i).write(entered) };
        }
        Ok(())
    };
    // SAFETY: the plug-in passes what it was given.
    unsafe { guarded(context, error, work) }
}

unsafe extern "C" fn upload(
    context: Opaque,
    data: *const HostTensor,
    tensor: *mut CTensor,
    error: *mut CError,
) -> u32 {
    let work = |operations: &Operations| {
        if data.is_null() || tensor.is_null() {
            return Err(Error::failure("an upload came without data or a place for the tensor"));
        }
        // SAFETY: the plug-in's struct and its elements live until the call returns.
        let elements: Elements = unsafe { wire::host_in(&*data) }?;
        let entered = operations.enter(operations.device.upload(elements)?)?;
        // SAFETY: a place for the tensor.
        unsafe { tensor.write(entered) };
        Ok(())
    };
    // SAFETY: the plug-in passes what it was given.
    unsafe { guarded(context, error, work) }
}

unsafe extern "C" fn download(
    context: Opaque,
    tensor: Opaque,
    data: *mut u8,
    bytes: usize,
    error: *mut CError,
) -> u32 {
    let work = |operations: &Operations| {
        let elements = operations.leave(tensor)?.download()?;
        if bytes == 0 || data.is_null() {
            return wire::host_to_bytes(&elements, &mut []);
        }
        // SAFETY: the plug-in gave room for `bytes`.
        wire::host_to_bytes(&elements, unsafe { std::slice::from_raw_parts_mut(data, bytes) })
    };
    // SAFETY: the plug-in passes what it was given.
    unsafe { guarded(context, error, work) }
}

unsafe extern "C" fn detach(context: Opaque, tensor: Opaque, plain: *mut CTensor, error: *mut CError) -> u32 {
    let work = |operations: &Operations| {
        if plain.is_null() {
            return Err(Error::failure("a detach came without a place for the tensor"));
        }
        let entered = operations.enter(operations.leave(tensor)?.detach()?)?;
        // SAFETY: a place for the tensor.
        unsafe { plain.write(entered) };
        Ok(())
    };
    // SAFETY: the plug-in passes what it was given.
    unsafe { guarded(context, error, work) }
}
