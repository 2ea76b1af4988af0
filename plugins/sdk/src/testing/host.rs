//! The test host's table of operations on arrays.
#![allow(unsafe_code, reason = "C functions over pointers of the strategy's")]

use std::cell::RefCell;

use palimpsest_abi::backend::{HostTensor, MAX_RANK, Op, Tensor};
use palimpsest_abi::corruption::Ops;
use palimpsest_abi::{self as abi, Code, Head, Opaque};

use super::array::Array;
use super::case::{Case, Planned};
use super::operations::{Random, evaluate};
use crate::random::{Philox, Stream};
use crate::tensor::DType;
use crate::{Error, Result};

/// The arrays of one call. Handle k is the k-th, counted from 1.
pub(super) struct Host {
    arrays: RefCell<Vec<Array>>,
    random: Random,
}

impl Host {
    pub(super) fn new(case: &Case) -> Self {
        let random =
            Random { seed: case.seed, step: case.step, first_sample: case.first_sample, batch: case.batch };
        Self { arrays: RefCell::default(), random }
    }

    pub(super) fn give(&self, array: Array) -> Tensor {
        let mut extents = [0; MAX_RANK];
        for (to, &from) in extents.iter_mut().zip(&array.shape) {
            *to = from as u64;
        }
        let (dtype, rank) = (array.dtype as u32, array.shape.len() as u32);
        let mut arrays = self.arrays.borrow_mut();
        arrays.push(array);
        Tensor { handle: std::ptr::without_provenance_mut(arrays.len()), dtype, rank, extents }
    }

    pub(super) fn take(&self, tensor: &Tensor) -> Result<Array> {
        self.at(tensor.handle)
    }

    fn at(&self, handle: Opaque) -> Result<Array> {
        let found = handle.addr().checked_sub(1).and_then(|i| self.arrays.borrow().get(i).cloned());
        found.ok_or_else(|| Error::failure(format!("the unknown handle {}", handle.addr())))
    }

    /// The plan's gain [B, N, 1] and noise [B, N, W] for tokens [B, N, W].
    pub(super) fn noise(&self, planned: &Planned, prefix: usize, tokens: &Array) -> (Array, Array) {
        let (batch, n, width) = (tokens.shape[0], tokens.shape[1], tokens.shape[2]);
        let (mut gain, mut noise) = (Vec::new(), Vec::new());
        for image in 0..batch {
            let mut random = self.random.of(image, Stream::Own(u16::MAX));
            for token in 0..n {
                let i = token.checked_sub(prefix).map(|patch| image * planned.tokens + patch);
                gain.push(i.map_or(1.0, |i| f64::from(planned.gain[i])));
                let std = i.map_or(0.0, |i| planned.noise[i]);
                noise.extend((0..width).map(|_| f64::from(std * random.normal())));
            }
        }
        let of = |shape: &[usize], data| Array::of(tokens.dtype, shape, data);
        (of(&[batch, n, 1], gain), of(&[batch, n, width], noise))
    }

    pub(super) fn table(&self) -> Ops {
        Ops {
            head: Head::of::<Ops>(),
            context: std::ptr::from_ref(self).cast_mut().cast(),
            execute,
            upload,
            download,
            detach,
        }
    }
}

impl Random {
    pub(super) fn of(&self, image: usize, stream: Stream) -> Philox {
        Philox::new(self.seed, stream, self.step, self.first_sample + image as u64)
    }
}

/// Runs `work` on the host behind `context`.
///
/// # Safety
/// `context` comes from [`Host::table`], whose host lives; `error` is writable.
unsafe fn on(context: Opaque, error: *mut abi::Error, work: impl FnOnce(&Host) -> Result<()>) -> u32 {
    // SAFETY: the caller's promise.
    let (host, error) = unsafe { (&*context.cast::<Host>(), &mut *error) };
    match work(host) {
        Ok(()) => Code::Ok as u32,
        Err(e) => {
            let text = e.to_string();
            let end = text.floor_char_boundary(error.message.len());
            error.message[..end].copy_from_slice(&text.as_bytes()[..end]);
            error.message_len = end as u32;
            Code::Failure as u32
        }
    }
}

/// # Safety
/// As for `slice::from_raw_parts`; null only for none.
unsafe fn list<'a, T>(data: *const T, count: usize) -> &'a [T] {
    // SAFETY: the caller's promise.
    if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, count) } }
}

unsafe extern "C" fn execute(
    context: Opaque,
    op: *const Op,
    inputs: *const Opaque,
    input_count: usize,
    results: *mut Tensor,
    count: *mut usize,
    error: *mut abi::Error,
) -> u32 {
    let work = |host: &Host| {
        // SAFETY: lent by this crate's `Tensor`.
        let (kind, integers, reals, inputs) = unsafe {
            let op = &*op;
            (
                op.kind,
                list(op.integers, op.integer_count),
                list(op.reals, op.real_count),
                list(inputs, input_count),
            )
        };
        let inputs = inputs.iter().map(|&handle| host.at(handle)).collect::<Result<Vec<_>>>()?;
        let result = evaluate(kind, &inputs, integers, reals, &host.random)?;
        // SAFETY: as above; there is room for one result.
        unsafe {
            results.write(host.give(result));
            count.write(1);
        }
        Ok(())
    };
    // SAFETY: called with the table's context.
    unsafe { on(context, error, work) }
}

unsafe extern "C" fn upload(
    context: Opaque,
    data: *const HostTensor,
    tensor: *mut Tensor,
    error: *mut abi::Error,
) -> u32 {
    let work = |host: &Host| {
        // SAFETY: lent by this crate's `Tensor`.
        let (data, bytes) = unsafe { (&*data, list((*data).data, (*data).bytes)) };
        let shape: Vec<usize> = data.extents[..data.rank as usize].iter().map(|&e| e as usize).collect();
        let dtype = DType::from_code(data.dtype).ok_or_else(|| Error::failure("an unknown type"))?;
        // SAFETY: a place for the result.
        unsafe { tensor.write(host.give(Array::of(dtype, &shape, from_bytes(dtype, bytes)))) };
        Ok(())
    };
    // SAFETY: called with the table's context.
    unsafe { on(context, error, work) }
}

unsafe extern "C" fn download(
    context: Opaque,
    tensor: Opaque,
    data: *mut u8,
    bytes: usize,
    error: *mut abi::Error,
) -> u32 {
    let work = |host: &Host| {
        let array = host.at(tensor)?;
        let out = to_bytes(&array);
        if out.len() != bytes {
            return Err(Error::failure(format!("a buffer of {bytes} bytes for {}", out.len())));
        }
        // SAFETY: `data` has room for `bytes`.
        unsafe { std::ptr::copy_nonoverlapping(out.as_ptr(), data, bytes) };
        Ok(())
    };
    // SAFETY: called with the table's context.
    unsafe { on(context, error, work) }
}

unsafe extern "C" fn detach(
    context: Opaque,
    tensor: Opaque,
    plain: *mut Tensor,
    error: *mut abi::Error,
) -> u32 {
    let work = |host: &Host| {
        let array = host.at(tensor)?;
        // SAFETY: a place for the result.
        unsafe { plain.write(host.give(array)) };
        Ok(())
    };
    // SAFETY: called with the table's context.
    unsafe { on(context, error, work) }
}

fn from_bytes(dtype: DType, bytes: &[u8]) -> Vec<f64> {
    let four = || bytes.as_chunks::<4>().0.iter();
    let eight = || bytes.as_chunks::<8>().0.iter();
    match dtype {
        DType::F32 => four().map(|&b| f64::from(f32::from_ne_bytes(b))).collect(),
        DType::F64 => eight().map(|&b| f64::from_ne_bytes(b)).collect(),
        DType::I64 => eight().map(|&b| i64::from_ne_bytes(b) as f64).collect(),
        DType::Bool | DType::U8 => bytes.iter().map(|&b| f64::from(b)).collect(),
        DType::Bf16 => {
            let two = bytes.as_chunks::<2>().0.iter();
            two.map(|&b| f64::from(f32::from_bits(u32::from(u16::from_ne_bytes(b)) << 16))).collect()
        }
    }
}

fn to_bytes(array: &Array) -> Vec<u8> {
    let data = array.data.iter();
    match array.dtype {
        DType::F32 => data.flat_map(|&v| (v as f32).to_ne_bytes()).collect(),
        DType::F64 => data.flat_map(|&v| v.to_ne_bytes()).collect(),
        DType::I64 => data.flat_map(|&v| (v as i64).to_ne_bytes()).collect(),
        DType::Bool => data.map(|&v| u8::from(v != 0.0)).collect(),
        DType::U8 => data.map(|&v| v as u8).collect(),
        DType::Bf16 => data.flat_map(|&v| (((v as f32).to_bits() >> 16) as u16).to_ne_bytes()).collect(),
    }
}
