//! Tensors and devices as C structs.
#![allow(unsafe_code, reason = "reads a C struct's buffer")]

use half::bf16;
use palimpsest_abi::backend::{self as abi, MAX_RANK};
use palimpsest_abi::{Head, Str};

use crate::tensor::{DType, HostData, HostSlice, HostTensor, Shape};
use crate::{Device, Error, Result};

/// Text of a library.
pub(super) fn text(text: Str) -> String {
    if text.ptr.is_null() || text.len == 0 {
        return String::new();
    }
    // SAFETY: the ABI's strings point to `len` bytes that are never freed.
    let bytes = unsafe { std::slice::from_raw_parts(text.ptr, text.len) };
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn device_out(device: Device) -> abi::Device {
    let (kind, index) = match device {
        Device::Cpu => (0, 0),
        Device::Cuda(i) => (1, i),
        Device::Wgpu(i) => (2, i),
    };
    abi::Device { kind, index: index as u32 }
}

pub(super) fn device_in(device: abi::Device) -> Result<Device> {
    let index = device.index as usize;
    match device.kind {
        0 => Ok(Device::Cpu),
        1 => Ok(Device::Cuda(index)),
        2 => Ok(Device::Wgpu(index)),
        other => Err(Error::failure(format!("unknown kind of device {other}"))),
    }
}

/// Extents as a fixed array and their number.
pub(super) fn extents_out(shape: &Shape) -> Result<([u64; MAX_RANK], u32)> {
    let dims = shape.dims();
    let mut out = [0; MAX_RANK];
    let room = out.get_mut(..dims.len()).ok_or_else(|| {
        Error::failure(format!("a tensor of shape {shape} has more than {MAX_RANK} dimensions"))
    })?;
    for (to, &from) in room.iter_mut().zip(dims) {
        *to = from as u64;
    }
    Ok((out, dims.len() as u32))
}

/// The shape and type that a struct tells.
pub(super) fn signature_in(extents: &[u64; MAX_RANK], rank: u32, dtype: u32) -> Result<(Shape, DType)> {
    let dims = extents
        .get(..rank as usize)
        .ok_or_else(|| Error::failure(format!("a tensor of rank {rank}; at most {MAX_RANK} cross")))?;
    let dtype = DType::from_code(dtype)
        .ok_or_else(|| Error::failure(format!("a tensor of the unknown type {dtype}")))?;
    Ok((dims.iter().map(|&d| d as usize).collect(), dtype))
}

/// A view of a host tensor; it lives as long as `tensor`.
pub(super) fn host_out(tensor: &HostTensor) -> Result<abi::HostTensor> {
    let data = match tensor.data() {
        HostData::F32(v) => v.as_ptr().cast(),
        HostData::F64(v) => v.as_ptr().cast(),
        HostData::Bf16(v) => v.as_ptr().cast(),
        HostData::I64(v) => v.as_ptr().cast(),
        HostData::Bool(v) => v.as_ptr().cast(),
        HostData::U8(v) => v.as_ptr(),
    };
    view(tensor.shape(), tensor.dtype(), data)
}

/// A view of elements of this shape; it lives as long as they do.
pub(super) fn slice_out(shape: &Shape, slice: HostSlice<'_>) -> Result<abi::HostTensor> {
    if slice.len() != shape.count() {
        return Err(Error::failure(format!("{} elements do not fill shape {shape}", slice.len())));
    }
    let data = match slice {
        HostSlice::F32(v) => v.as_ptr().cast(),
        HostSlice::F64(v) => v.as_ptr().cast(),
    };
    view(shape, slice.dtype(), data)
}

fn view(shape: &Shape, dtype: DType, data: *const u8) -> Result<abi::HostTensor> {
    let (extents, rank) = extents_out(shape)?;
    let bytes = shape.count() * dtype.size();
    Ok(abi::HostTensor {
        head: Head::of::<abi::HostTensor>(),
        dtype: dtype as u32,
        rank,
        extents,
        data,
        bytes,
    })
}

/// A copy of what a view shows.
///
/// # Safety
/// `view.data` points to `view.bytes` readable bytes.
pub(super) unsafe fn host_in(view: &abi::HostTensor) -> Result<HostTensor> {
    let (shape, dtype) = signature_in(&view.extents, view.rank, view.dtype)?;
    if view.bytes != shape.count() * dtype.size() {
        return Err(Error::failure(format!("{} bytes do not fill {dtype}{shape}", view.bytes)));
    }
    let bytes = if view.bytes == 0 {
        &[]
    } else {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(view.data, view.bytes) }
    };
    host_from_bytes(shape, dtype, bytes)
}

/// Elements that the other side writes, at a place of so many bytes.
pub(super) fn host_written(
    shape: Shape,
    dtype: DType,
    write: impl FnOnce(*mut u8, usize) -> Result<()>,
) -> Result<HostTensor> {
    let count = shape.count();
    let bytes = count * dtype.size();
    let data = match dtype {
        // Every pattern of bits is a number of these types.
        DType::F32 => {
            let mut values = vec![0.0_f32; count];
            write(values.as_mut_ptr().cast(), bytes)?;
            HostData::F32(values)
        }
        DType::F64 => {
            let mut values = vec![0.0_f64; count];
            write(values.as_mut_ptr().cast(), bytes)?;
            HostData::F64(values)
        }
        DType::I64 => {
            let mut values = vec![0_i64; count];
            write(values.as_mut_ptr().cast(), bytes)?;
            HostData::I64(values)
        }
        DType::Bf16 | DType::Bool | DType::U8 => {
            let mut plain = vec![0; bytes];
            write(plain.as_mut_ptr(), bytes)?;
            return host_from_bytes(shape, dtype, &plain);
        }
    };
    HostTensor::new(shape, data)
}

/// Elements from their bytes in the machine's order.
pub(super) fn host_from_bytes(shape: Shape, dtype: DType, bytes: &[u8]) -> Result<HostTensor> {
    fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect()
    }
    let data = match dtype {
        DType::F32 => HostData::F32(each(bytes, f32::from_ne_bytes)),
        DType::F64 => HostData::F64(each(bytes, f64::from_ne_bytes)),
        DType::Bf16 => HostData::Bf16(each(bytes, bf16::from_ne_bytes)),
        DType::I64 => HostData::I64(each(bytes, i64::from_ne_bytes)),
        DType::Bool => HostData::Bool(bytes.iter().map(|&b| b != 0).collect()),
        DType::U8 => HostData::U8(bytes.to_vec()),
    };
    HostTensor::new(shape, data)
}

/// Writes elements as bytes in the machine's order.
pub(super) fn host_to_bytes(tensor: &HostTensor, out: &mut [u8]) -> Result<()> {
    fn each<const N: usize, T: Copy>(values: &[T], out: &mut [u8], write: impl Fn(T) -> [u8; N]) {
        for (to, &value) in out.as_chunks_mut::<N>().0.iter_mut().zip(values) {
            *to = write(value);
        }
    }
    let due = tensor.shape().count() * tensor.dtype().size();
    if out.len() != due {
        return Err(Error::failure(format!("a buffer of {} bytes for {due} bytes", out.len())));
    }
    match tensor.data() {
        HostData::F32(v) => each(v, out, f32::to_ne_bytes),
        HostData::F64(v) => each(v, out, f64::to_ne_bytes),
        HostData::Bf16(v) => each(v, out, bf16::to_ne_bytes),
        HostData::I64(v) => each(v, out, i64::to_ne_bytes),
        HostData::Bool(v) => each(v, out, |b| [u8::from(b)]),
        HostData::U8(v) => out.copy_from_slice(v),
    }
    Ok(())
}
