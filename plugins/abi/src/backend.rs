//! A tensor library behind a table of functions.

use crate::{Error, Head, Opaque, Str};

/// The highest rank that crosses.
pub const MAX_RANK: usize = 8;

/// A device.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// 0 the host's processor, 1 CUDA, 2 wgpu.
    pub kind: u32,
    /// Its number.
    pub index: u32,
}

/// What a library says of itself.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// Size and extensions.
    pub head: Head,
    /// `burn`, `tch`, …
    pub name: Str,
    /// The version of the tensor library.
    pub version: Str,
    /// Engine and features, one line.
    pub description: Str,
    /// The processor's instructions that the library's kernels use: a name without spaces, and words about it behind a
    /// space. Hosts compare the name: under another one results may differ in their last bits. Empty where the library
    /// can't tell, and for an engine between processes. Since ABI 1.5.
    pub instructions: Str,
}

/// Elements in host memory, row-major, in the machine's byte order.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HostTensor {
    /// Size and extensions.
    pub head: Head,
    /// 0 f32, 1 f64, 2 bf16, 3 i64, 4 bool (a byte, 0 or 1), and since ABI 1.6 5 u8 (pixels:
    /// such a tensor is cast to a float type and nothing else; a backend without it says so of its `cast`).
    pub dtype: u32,
    /// How many extents.
    pub rank: u32,
    /// The extents, outermost first.
    pub extents: [u64; MAX_RANK],
    /// The elements; not null, aligned for the type.
    pub data: *const u8,
    /// Bytes at `data`.
    pub bytes: usize,
}

/// A tensor of the library.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Tensor {
    /// The library's object, given back with `release`; null for none.
    pub handle: Opaque,
    /// As in [`HostTensor`].
    pub dtype: u32,
    /// How many extents.
    pub rank: u32,
    /// The extents, outermost first.
    pub extents: [u64; MAX_RANK],
}

impl Tensor {
    /// A place for a result.
    pub const fn none() -> Self {
        Self { handle: core::ptr::null_mut(), dtype: 0, rank: 0, extents: [0; MAX_RANK] }
    }
}

/// An input of an operation.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// A tensor of the library.
    pub handle: Opaque,
    /// 1: the tensor goes over to the library, which releases it and may write over it, also where
    /// the call fails. 0: it is lent.
    pub given: u32,
}

/// An operation: its number and attributes, in the order that the list of operations gives them.
/// A shape or a list of axes is its length followed by its entries, among the integers.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Op {
    /// Size and extensions.
    pub head: Head,
    /// The operation's number.
    pub kind: u32,
    /// How many results the caller has room for.
    pub results: u32,
    /// Integer attributes.
    pub integers: *const i64,
    /// How many.
    pub integer_count: usize,
    /// Real attributes.
    pub reals: *const f64,
    /// How many.
    pub real_count: usize,
}

/// Bytes in use; -1 where the library can't tell.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Size and extensions.
    pub head: Head,
    /// In use now.
    pub in_use: i64,
    /// The most that was in use at once.
    pub peak: i64,
}

/// A step of AdamW on one parameter, in place, as ABI 1.2 asked for it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Update {
    /// Size and extensions.
    pub head: Head,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Weight decay.
    pub decay: f64,
    /// The parameter; written in place.
    pub value: Opaque,
    /// Its gradient.
    pub gradient: Opaque,
    /// First moment; written in place.
    pub first: Opaque,
    /// Second moment; written in place.
    pub second: Opaque,
    /// An average of the parameter, or null; written in place.
    pub average: Opaque,
    /// f32 \[5\] on the device: learning rate, number of the step from 1, factor on the gradient, 1 to leave
    /// everything as it is or else 0, weight of the new parameter in the average.
    pub rates: Opaque,
}

/// The functions of a backend. Each but those without an [`Error`] returns a [`crate::Code`]. They may
/// be called from any thread; whether gradients are recorded is a state of the thread.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Size and extensions.
    pub head: Head,
    /// Makes an instance. What is missing on this machine (a library, a driver) is an error here.
    pub open: unsafe extern "C" fn(instance: *mut Opaque, error: *mut Error) -> u32,
    /// Fills in the texts.
    pub info: unsafe extern "C" fn(instance: Opaque, info: *mut Info, error: *mut Error) -> u32,
    /// Writes up to `capacity` devices and how many there are.
    pub devices: unsafe extern "C" fn(
        instance: Opaque,
        devices: *mut Device,
        capacity: usize,
        count: *mut usize,
        error: *mut Error,
    ) -> u32,
    /// 1 if `execute` takes the operation on tensors of the type on the device.
    pub supports: unsafe extern "C" fn(instance: Opaque, op: u32, dtype: u32, device: Device) -> u32,
    /// Copies to a device.
    pub upload: unsafe extern "C" fn(
        instance: Opaque,
        data: *const HostTensor,
        device: Device,
        tensor: *mut Tensor,
        error: *mut Error,
    ) -> u32,
    /// Copies the elements to `data`, which has room for `bytes`, the tensor's exact size.
    pub download: unsafe extern "C" fn(
        instance: Opaque,
        tensor: Opaque,
        data: *mut u8,
        bytes: usize,
        error: *mut Error,
    ) -> u32,
    /// Runs an operation; writes up to `op.results` results and how many there are.
    pub execute: unsafe extern "C" fn(
        instance: Opaque,
        op: *const Op,
        inputs: *const Input,
        input_count: usize,
        device: Device,
        results: *mut Tensor,
        count: *mut usize,
        error: *mut Error,
    ) -> u32,
    /// A leaf that gradients are recorded for.
    pub track:
        unsafe extern "C" fn(instance: Opaque, tensor: Opaque, leaf: *mut Tensor, error: *mut Error) -> u32,
    /// The same value without its history.
    pub detach:
        unsafe extern "C" fn(instance: Opaque, tensor: Opaque, plain: *mut Tensor, error: *mut Error) -> u32,
    /// Gradients of `loss` by leaf; a null handle for none. Frees the recorded history.
    pub backward: unsafe extern "C" fn(
        instance: Opaque,
        loss: Input,
        leaves: *const Opaque,
        leaf_count: usize,
        gradients: *mut Tensor,
        error: *mut Error,
    ) -> u32,
    /// Switches recording on this thread; returns the state before.
    pub set_grad_enabled: unsafe extern "C" fn(instance: Opaque, enabled: u32) -> u32,
    /// Seeds the library's own generator.
    pub seed: unsafe extern "C" fn(instance: Opaque, seed: u64),
    /// Waits for everything that was asked of a device.
    pub synchronize: unsafe extern "C" fn(instance: Opaque, device: Device, error: *mut Error) -> u32,
    /// Memory in use.
    pub memory: unsafe extern "C" fn(instance: Opaque, device: Device, memory: *mut Memory),
    /// Gives a tensor back.
    pub release: unsafe extern "C" fn(instance: Opaque, tensor: Opaque),
    /// 1 if the device has graphs; the functions below are then there. May be null. Since ABI 1.2.
    pub graphs: Option<unsafe extern "C" fn(instance: Opaque, device: Device) -> u32>,
    /// From here to `graph_end` the thread's work on the device goes to the queue that graphs are captured
    /// on. With `capture` 1 nothing is done, and the work becomes a graph. In between the operation adamw writes
    /// over the memory of what it changes, whoever else holds it. May be null. Since ABI 1.2.
    pub graph_begin: Option<
        unsafe extern "C" fn(instance: Opaque, device: Device, capture: u32, error: *mut Error) -> u32,
    >,
    /// Ends what `graph_begin` began, also after a failure in between; writes the graph, null if none was
    /// captured. It is given back with `release`. May be null. Since ABI 1.2.
    pub graph_end: Option<
        unsafe extern "C" fn(instance: Opaque, device: Device, graph: *mut Opaque, error: *mut Error) -> u32,
    >,
    /// Does the work of a graph. May be null. Since ABI 1.2.
    pub graph_replay: Option<unsafe extern "C" fn(instance: Opaque, graph: Opaque, error: *mut Error) -> u32>,
    /// Writes other elements of the same shape and type into a tensor, in place. May be null. Since ABI 1.2.
    pub write: Option<
        unsafe extern "C" fn(
            instance: Opaque,
            tensor: Opaque,
            data: *const HostTensor,
            error: *mut Error,
        ) -> u32,
    >,
    /// Reserved: null. In ABI 1.2 a step of AdamW; since ABI 1.3 that is the operation adamw.
    pub update:
        Option<unsafe extern "C" fn(instance: Opaque, update: *const Update, error: *mut Error) -> u32>,
}
