//! The library's end: a Rust backend as a table of C functions.
#![allow(unsafe_code, reason = "C functions over pointers of the host")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use palimpsest_abi::backend::{Device as CDevice, HostTensor, Info, Input, Memory, Op as COp, Table, Tensor};
use palimpsest_abi::{self as abi, Code, Head, Opaque};
use smallvec::SmallVec;

use super::served_graphs::{graph_begin, graph_end, graph_replay, graphs, write};
use super::{failure, wire};
use crate::backend::{Backend, BackendInfo, Handle};
use crate::tensor::{DType, HostSliceMut, Op, OpKind};
use crate::{Error, Result};

/// A backend that a library exports with [`export_backend!`](crate::export_backend).
pub trait ServedBackend {
    /// Makes it.
    ///
    /// # Errors
    /// What it needs is missing on this machine.
    fn open() -> Result<Box<dyn Backend>>;
}

/// Exports a backend from a dynamic library.
///
/// ```text
/// struct Served;
/// impl palimpsest_core::plugin::ServedBackend for Served { … }
/// palimpsest_core::export_backend!(Served);
/// ```
#[macro_export]
macro_rules! export_backend {
    ($served:ty) => {
        const _: () = {
            use $crate::plugin::abi;

            static TABLE: abi::backend::Table = $crate::plugin::backend_table::<$served>();

            // The name is the contract's; it is exported once from a library.
            #[allow(unsafe_code, non_upper_case_globals)]
            #[unsafe(no_mangle)]
            static palimpsest_entry: abi::Entry = abi::Entry {
                head: abi::Head::of::<abi::Entry>(),
                major: abi::MAJOR,
                minor: abi::MINOR,
                kind: abi::Kind::Backend as u32,
                unwinds: cfg!(panic = "unwind") as u32,
                built_with: abi::Str::of(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"))),
                table: (&raw const TABLE).cast(),
            };
        };
    };
}

/// The functions of a backend.
pub const fn backend_table<S: ServedBackend>() -> Table {
    Table {
        head: Head::of::<Table>(),
        open: open::<S>,
        info,
        devices,
        supports,
        upload,
        download,
        execute,
        track,
        detach,
        backward,
        set_grad_enabled,
        seed,
        synchronize,
        memory,
        release,
        graphs: Some(graphs),
        graph_begin: Some(graph_begin),
        graph_end: Some(graph_end),
        graph_replay: Some(graph_replay),
        write: Some(write),
        update: None,
    }
}

/// What the host's `Opaque` instance points to. It lives for ever.
pub(super) struct Instance {
    pub(super) backend: Box<dyn Backend>,
    info: BackendInfo,
    poisoned: AtomicBool,
}

/// Runs `work`; a panic becomes an error and poisons the instance.
///
/// # Safety
/// `instance` came from `open`; `error` is null or a writable error.
pub(super) unsafe fn guard(
    instance: Opaque,
    error: *mut abi::Error,
    work: impl FnOnce(&'static Instance) -> Result<()>,
) -> u32 {
    // SAFETY: `open` leaked it.
    let instance: &'static Instance = unsafe { &*instance.cast::<Instance>() };
    if instance.poisoned.load(Ordering::Relaxed) {
        return Code::Poisoned as u32;
    }
    // SAFETY: the caller's promise.
    unsafe { guarded(error, || instance.poisoned.store(true, Ordering::Relaxed), || work(instance)) }
}

/// # Safety
/// `error` is null or a writable error.
unsafe fn guarded(error: *mut abi::Error, poison: impl FnOnce(), work: impl FnOnce() -> Result<()>) -> u32 {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => Code::Ok as u32,
        // SAFETY: the caller's promise.
        Ok(Err(e)) => unsafe { failure::write(&e, error, None) },
        Err(payload) => {
            poison();
            let text = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "without a message".to_owned());
            // SAFETY: as above.
            unsafe { failure::write(&Error::failure(text), error, Some(Code::Panic)) }
        }
    }
}

/// # Safety
/// `handle` came from this library and was not released.
pub(super) unsafe fn lent(handle: Opaque) -> &'static Handle {
    // SAFETY: the host keeps it until the call returns; the reference does not outlive the call.
    unsafe { &*handle.cast::<Handle>() }
}

/// # Safety
/// As for [`lent`]; the host uses it no more.
unsafe fn taken(handle: Opaque) -> Handle {
    // SAFETY: `out` boxed it.
    *unsafe { Box::from_raw(handle.cast::<Handle>()) }
}

/// # Safety
/// As for [`lent`], and as for [`taken`] where it is given.
unsafe fn input(input: Input) -> Handle {
    match input.given {
        // SAFETY: lent for the call; a clone shares the tensor.
        0 => unsafe { lent(input.handle) }.clone(),
        // SAFETY: the host gave it away.
        _ => unsafe { taken(input.handle) },
    }
}

fn out(backend: &dyn Backend, handle: Handle) -> Result<Tensor> {
    let (shape, dtype) = backend.signature(&handle)?;
    let (extents, rank) = wire::extents_out(&shape)?;
    Ok(Tensor { handle: Box::into_raw(Box::new(handle)).cast(), dtype: dtype as u32, rank, extents })
}

unsafe extern "C" fn open<S: ServedBackend>(instance: *mut Opaque, error: *mut abi::Error) -> u32 {
    let work = || {
        let backend = S::open()?;
        let info = backend.info();
        let made = Box::new(Instance { backend, info, poisoned: AtomicBool::new(false) });
        // SAFETY: the host gave a place for it.
        unsafe { *instance = Box::into_raw(made).cast() };
        Ok(())
    };
    // SAFETY: the host gave a writable error.
    unsafe { guarded(error, || (), work) }
}

unsafe extern "C" fn info(instance: Opaque, info: *mut Info, error: *mut abi::Error) -> u32 {
    let work = |instance: &'static Instance| {
        // SAFETY: the host gave a writable struct, of the size that it says.
        unsafe { super::info::write(&instance.info, info) };
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

unsafe extern "C" fn devices(
    instance: Opaque,
    devices: *mut CDevice,
    capacity: usize,
    count: *mut usize,
    error: *mut abi::Error,
) -> u32 {
    let work = |instance: &'static Instance| {
        let found = instance.backend.devices();
        for (i, device) in found.iter().take(capacity).enumerate() {
            // SAFETY: the host gave room for `capacity` devices.
            unsafe { devices.add(i).write(wire::device_out(*device)) };
        }
        // SAFETY: a place for the count.
        unsafe { *count = found.len() };
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

unsafe extern "C" fn supports(instance: Opaque, op: u32, dtype: u32, device: CDevice) -> u32 {
    let (Some(op), Some(dtype), Ok(device)) =
        (OpKind::from_code(op), DType::from_code(dtype), wire::device_in(device))
    else {
        return 0;
    };
    let mut answer = false;
    let work = |instance: &'static Instance| {
        answer = instance.backend.supports(op, dtype, device);
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, std::ptr::null_mut(), work) };
    u32::from(answer)
}

unsafe extern "C" fn upload(
    instance: Opaque,
    data: *const HostTensor,
    device: CDevice,
    tensor: *mut Tensor,
    error: *mut abi::Error,
) -> u32 {
    let work = |instance: &'static Instance| {
        // SAFETY: the host's struct and its elements live until the call returns.
        let data = unsafe { wire::host_in(&*data) }?;
        let handle = instance.backend.upload(data, wire::device_in(device)?)?;
        // SAFETY: a place for the result.
        unsafe { *tensor = out(&*instance.backend, handle)? };
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

unsafe extern "C" fn download(
    instance: Opaque,
    tensor: Opaque,
    data: *mut u8,
    bytes: usize,
    error: *mut abi::Error,
) -> u32 {
    let work = |instance: &'static Instance| {
        // SAFETY: a tensor of this library, lent.
        let tensor = unsafe { lent(tensor) };
        let (shape, dtype) = instance.backend.signature(tensor)?;
        let fits = bytes > 0 && bytes == shape.count() * dtype.size();
        match dtype {
            DType::F32 if fits && data.cast::<f32>().is_aligned() => {
                // SAFETY: the host gave room for `bytes`, of which every pattern of bits is a number.
                let to = unsafe { std::slice::from_raw_parts_mut(data.cast(), shape.count()) };
                return instance.backend.download_into(tensor, HostSliceMut::F32(to));
            }
            DType::F64 if fits && data.cast::<f64>().is_aligned() => {
                // SAFETY: as above.
                let to = unsafe { std::slice::from_raw_parts_mut(data.cast(), shape.count()) };
                return instance.backend.download_into(tensor, HostSliceMut::F64(to));
            }
            _ => {}
        }
        let host = instance.backend.download(tensor)?;
        if bytes == 0 {
            return wire::host_to_bytes(&host, &mut []);
        }
        // SAFETY: the host gave room for `bytes`.
        wire::host_to_bytes(&host, unsafe { std::slice::from_raw_parts_mut(data, bytes) })
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

/// # Safety
/// `ptr` points to `len` values, or `len` is 0.
unsafe fn slice<'a, T>(ptr: *const T, len: usize) -> &'a [T] {
    // SAFETY: the caller's promise.
    if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(ptr, len) } }
}

unsafe extern "C" fn execute(
    instance: Opaque,
    op: *const COp,
    inputs: *const Input,
    input_count: usize,
    device: CDevice,
    results: *mut Tensor,
    count: *mut usize,
    error: *mut abi::Error,
) -> u32 {
    // SAFETY: the host's arrays live until the call returns. Given inputs are taken before anything
    // can fail, so that each is released whatever happens.
    let handles: Vec<Handle> = unsafe { slice(inputs, input_count) }
        .iter()
        // SAFETY: tensors of this library.
        .map(|&given| unsafe { input(given) })
        .collect();
    let work = |instance: &'static Instance| {
        // SAFETY: the host's struct and its arrays live until the call returns.
        let (kind, room, integers, reals) = unsafe {
            let op = &*op;
            (op.kind, op.results, slice(op.integers, op.integer_count), slice(op.reals, op.real_count))
        };
        let kind = OpKind::from_code(kind)
            .ok_or_else(|| Error::failure(format!("unknown operation {kind}: a newer program's")))?;
        let op = Op::from_attributes(kind, integers, reals)?;
        let made = instance.backend.execute(&op, handles, wire::device_in(device)?)?;
        if made.len() > room as usize {
            return Err(Error::failure(format!("{} results where {room} have room", made.len())));
        }
        let made = made
            .into_iter()
            .map(|handle| out(&*instance.backend, handle))
            .collect::<Result<SmallVec<[_; 1]>>>()?;
        for (i, tensor) in made.iter().enumerate() {
            // SAFETY: the host gave room for `op.results`.
            unsafe { results.add(i).write(*tensor) };
        }
        // SAFETY: a place for the count.
        unsafe { *count = made.len() };
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

unsafe extern "C" fn track(
    instance: Opaque,
    tensor: Opaque,
    leaf: *mut Tensor,
    error: *mut abi::Error,
) -> u32 {
    let work = |instance: &'static Instance| {
        // SAFETY: a tensor of this library, lent.
        let handle = instance.backend.track(unsafe { lent(tensor) })?;
        // SAFETY: a place for the result.
        unsafe { *leaf = out(&*instance.backend, handle)? };
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

unsafe extern "C" fn detach(
    instance: Opaque,
    tensor: Opaque,
    plain: *mut Tensor,
    error: *mut abi::Error,
) -> u32 {
    let work = |instance: &'static Instance| {
        // SAFETY: a tensor of this library, lent.
        let handle = instance.backend.detach(unsafe { lent(tensor) })?;
        // SAFETY: a place for the result.
        unsafe { *plain = out(&*instance.backend, handle)? };
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

unsafe extern "C" fn backward(
    instance: Opaque,
    loss: Input,
    leaves: *const Opaque,
    leaf_count: usize,
    gradients: *mut Tensor,
    error: *mut abi::Error,
) -> u32 {
    // SAFETY: the host's tensor; taken before anything can fail if it was given.
    let loss = unsafe { input(loss) };
    let work = |instance: &'static Instance| {
        // SAFETY: tensors of this library, lent.
        let leaves: Vec<&Handle> =
            unsafe { slice(leaves, leaf_count) }.iter().map(|&leaf| unsafe { lent(leaf) }).collect();
        let found = instance.backend.backward(loss, &leaves)?;
        if found.len() != leaf_count {
            return Err(Error::failure(format!("{} gradients of {leaf_count} leaves", found.len())));
        }
        for (i, gradient) in found.into_iter().enumerate() {
            let tensor = match gradient {
                Some(handle) => out(&*instance.backend, handle)?,
                None => Tensor::none(),
            };
            // SAFETY: the host gave room for `leaf_count`.
            unsafe { gradients.add(i).write(tensor) };
        }
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

unsafe extern "C" fn set_grad_enabled(instance: Opaque, enabled: u32) -> u32 {
    let mut before = true;
    let work = |instance: &'static Instance| {
        before = instance.backend.set_grad_enabled(enabled != 0);
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, std::ptr::null_mut(), work) };
    u32::from(before)
}

unsafe extern "C" fn seed(instance: Opaque, seed: u64) {
    let work = |instance: &'static Instance| {
        instance.backend.seed(seed);
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, std::ptr::null_mut(), work) };
}

unsafe extern "C" fn synchronize(instance: Opaque, device: CDevice, error: *mut abi::Error) -> u32 {
    let work = |instance: &'static Instance| instance.backend.synchronize(wire::device_in(device)?);
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

unsafe extern "C" fn memory(instance: Opaque, device: CDevice, memory: *mut Memory) {
    let work = |instance: &'static Instance| {
        let stats = instance.backend.memory(wire::device_in(device)?);
        let bytes = |value: Option<u64>| value.map_or(-1, u64::cast_signed);
        // SAFETY: the host gave a writable struct of at least this version.
        let memory = unsafe { &mut *memory };
        memory.in_use = bytes(stats.in_use);
        memory.peak = bytes(stats.peak);
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, std::ptr::null_mut(), work) };
}

unsafe extern "C" fn release(_instance: Opaque, tensor: Opaque) {
    // Freed also where the instance is poisoned; a panic while dropping goes no further.
    // SAFETY: the host gives back what it was given, once.
    drop(catch_unwind(AssertUnwindSafe(|| drop(unsafe { taken(tensor) }))));
}
