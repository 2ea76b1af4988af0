//! Communication between the processes of one run, behind a table of functions.
//!
//! Every process (a rank) opens one instance and calls the same functions in the same order with the same sizes.
//! Sums and copies work on host memory, in place; a library for a GPU stages them. A call that fails leaves the
//! instance useless: the host calls `abort` at once, and ends.

use crate::backend::{Device, Info};
use crate::{Error, Head, Opaque, Str};

/// The sum over all ranks, in place, of f32 or f64. Every rank gets the same bits.
pub const ALL_REDUCE: u32 = 0;
/// The values of rank `root` for all, in place.
pub const BROADCAST: u32 = 1;
/// Part k of `data` goes to rank k, and part k of `to` comes from rank k; all parts are of one size.
pub const ALL_TO_ALL: u32 = 2;

/// The processes of a run and where they meet, as one of them sees it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Size and extensions.
    pub head: Head,
    /// This process's number, from 0.
    pub rank: u32,
    /// The number of processes.
    pub size: u32,
    /// This process's number among those of its machine, from 0.
    pub local_rank: u32,
    /// The number of processes of its machine.
    pub local_size: u32,
    /// 1 where something else than rank 0 serves the meeting place (torchrun's agent).
    pub served: u32,
    /// The host where the processes meet; empty where the library has a meeting place of its own.
    pub address: Str,
    /// Its port.
    pub port: u32,
    /// The network interface; empty for the library's own choice.
    pub interface: Str,
    /// What the processes of one run have in common and those of another don't, as a prefix for keys.
    pub session: Str,
    /// How long any operation may take, the meeting included, in milliseconds.
    pub limit_ms: u64,
    /// The device that the rank trains on.
    pub device: Device,
}

/// An operation that is to be started.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Transfer {
    /// Size and extensions.
    pub head: Head,
    /// Which: [`ALL_REDUCE`], [`BROADCAST`] or [`ALL_TO_ALL`].
    pub op: u32,
    /// The type of the elements, as in [`crate::backend::HostTensor`]: f32 or f64.
    pub dtype: u32,
    /// The elements, which the library may use until `wait` has returned.
    pub data: *mut u8,
    /// Where [`ALL_TO_ALL`] writes, likewise; else null.
    pub to: *mut u8,
    /// How many elements `data` has, and `to`.
    pub count: u64,
    /// The rank whose values [`BROADCAST`] copies; else 0.
    pub root: u32,
}

/// The functions of a library. Each that takes an [`Error`] returns a [`crate::Code`]. An instance is called by one
/// thread at a time, but for `abort`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Size and extensions.
    pub head: Head,
    /// Fills in the texts: the engine's name, the version of what it was loaded with, and a line for people. What is
    /// missing on this machine is an error here.
    pub about: unsafe extern "C" fn(info: *mut Info, error: *mut Error) -> u32,
    /// Meets the other processes; makes an instance. The texts of `world` last until it returns.
    pub open: unsafe extern "C" fn(instance: *mut Opaque, world: *const World, error: *mut Error) -> u32,
    /// Starts an operation.
    pub start: unsafe extern "C" fn(
        instance: Opaque,
        transfer: *const Transfer,
        work: *mut Opaque,
        error: *mut Error,
    ) -> u32,
    /// Waits for an operation, and frees it. Where the library polls, it asks `go_on` from time to time, and fails
    /// where that returns 0. After a failure it may be that the library still uses the memory.
    pub wait: unsafe extern "C" fn(
        instance: Opaque,
        work: Opaque,
        go_on: Option<unsafe extern "C" fn(context: *mut core::ffi::c_void) -> u32>,
        context: *mut core::ffi::c_void,
        error: *mut Error,
    ) -> u32,
    /// Returns once every rank has called it.
    pub barrier: unsafe extern "C" fn(instance: Opaque, error: *mut Error) -> u32,
    /// Rank 0's bytes for all: rank 0 gives `len` bytes at `value`; every rank gets them at `out`, which has `room`
    /// bytes, and their number. More than fit are an error. A key is used once.
    pub share: unsafe extern "C" fn(
        instance: Opaque,
        key: Str,
        value: *const u8,
        len: usize,
        out: *mut u8,
        room: usize,
        out_len: *mut usize,
        error: *mut Error,
    ) -> u32,
    /// Closes every connection, so that the other ranks notice at once; where there is a place for it, leaves words
    /// that they find. Every later call but `fates` and `close` fails. It may be called by any thread.
    pub abort: unsafe extern "C" fn(instance: Opaque, words: Str),
    /// After `abort`: a line `RANK WORDS` for each rank that left words within `wait_ms`, at most `room` bytes; the
    /// number of bytes. An error where the library knows nothing of the others.
    pub fates: unsafe extern "C" fn(
        instance: Opaque,
        wait_ms: u64,
        out: *mut u8,
        room: usize,
        out_len: *mut usize,
        error: *mut Error,
    ) -> u32,
    /// Ends an instance, in order if it was not aborted. It is not used afterwards.
    pub close: unsafe extern "C" fn(instance: Opaque),
    /// The network interface that an instance uses, for people: at most `room` bytes at `out`, and their number. Null where
    /// the library doesn't know.
    pub interface: Option<
        unsafe extern "C" fn(
            instance: Opaque,
            out: *mut u8,
            room: usize,
            out_len: *mut usize,
            error: *mut Error,
        ) -> u32,
    >,
}
