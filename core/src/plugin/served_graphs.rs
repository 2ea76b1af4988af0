//! The library's end of graphs.
#![allow(unsafe_code, reason = "C functions over pointers of the host")]

use palimpsest_abi::backend::{Device as CDevice, HostTensor};
use palimpsest_abi::{self as abi, Opaque};

use super::served_backend::{Instance, guard, lent};
use super::wire;
use crate::graphs::Graphs;
use crate::{Device, Error, Result};

/// The graphs of a device.
fn offered(instance: &Instance, device: Device) -> Result<&dyn Graphs> {
    instance.backend.graphs(device).ok_or_else(|| Error::failure(format!("there are no graphs on {device}")))
}

/// The graphs of any device: for calls whose tensors say where they are.
fn any(instance: &Instance) -> Result<&dyn Graphs> {
    let mut devices = instance.backend.devices().into_iter();
    devices
        .find_map(|device| instance.backend.graphs(device))
        .ok_or_else(|| Error::failure("there are no graphs"))
}

pub(super) unsafe extern "C" fn graphs(instance: Opaque, device: CDevice) -> u32 {
    let mut answer = false;
    let work = |instance: &'static Instance| {
        answer = instance.backend.graphs(wire::device_in(device)?).is_some();
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, std::ptr::null_mut(), work) };
    u32::from(answer)
}

pub(super) unsafe extern "C" fn graph_begin(
    instance: Opaque,
    device: CDevice,
    capture: u32,
    error: *mut abi::Error,
) -> u32 {
    let work = |instance: &'static Instance| {
        let device = wire::device_in(device)?;
        offered(instance, device)?.begin(device, capture != 0)
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

pub(super) unsafe extern "C" fn graph_end(
    instance: Opaque,
    device: CDevice,
    graph: *mut Opaque,
    error: *mut abi::Error,
) -> u32 {
    let work = |instance: &'static Instance| {
        let device = wire::device_in(device)?;
        let made = offered(instance, device)?.end(device)?;
        let made = made.map_or(std::ptr::null_mut(), |graph| Box::into_raw(Box::new(graph)).cast());
        // SAFETY: a place for the graph.
        unsafe { *graph = made };
        Ok(())
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

pub(super) unsafe extern "C" fn graph_replay(instance: Opaque, graph: Opaque, error: *mut abi::Error) -> u32 {
    // SAFETY: a graph of this library, lent.
    let work = |instance: &'static Instance| any(instance)?.replay(unsafe { lent(graph) });
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}

pub(super) unsafe extern "C" fn write(
    instance: Opaque,
    tensor: Opaque,
    data: *const HostTensor,
    error: *mut abi::Error,
) -> u32 {
    let work = |instance: &'static Instance| {
        // SAFETY: the host's struct and its elements live until the call returns.
        let data = unsafe { wire::host_in(&*data) }?;
        // SAFETY: a tensor of this library, lent.
        any(instance)?.write(unsafe { lent(tensor) }, data)
    };
    // SAFETY: the host passes what `open` made.
    unsafe { guard(instance, error, work) }
}
