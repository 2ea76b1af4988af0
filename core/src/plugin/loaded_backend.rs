//! The host's end: a library's table of functions as a backend.
#![allow(unsafe_code, reason = "calls C functions of a library")]

use std::ffi::c_void;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use palimpsest_abi::backend::{
    Device as CDevice, HostTensor as HostView, Input, Memory, Op as COp, Table, Tensor,
};
use palimpsest_abi::{self as abi, Code, Head, Kind, Opaque};
use smallvec::SmallVec;

use super::failure::Report;
use super::{Library, failure, info, wire};
use crate::backend::{Backend, BackendInfo, Handle, MemoryStats};
use crate::graphs::Graphs;
use crate::tensor::{DType, HostSlice, HostSliceMut, HostTensor, Op, OpKind, Shape};
use crate::{Device, Error, Result};

/// The size of the table in ABI 1.0.
const FIRST: usize = std::mem::offset_of!(Table, graphs);

/// The most results that an operation has.
const RESULTS: usize = 4;

/// A backend of a dynamic library.
#[derive(Debug)]
pub struct LoadedBackend {
    pub(super) opened: Arc<Opened>,
    info: BackendInfo,
}

#[derive(Debug)]
pub(super) struct Opened {
    pub(super) table: Table,
    pub(super) instance: Opaque,
    /// `backend burn`, for messages.
    pub(super) who: String,
}

// SAFETY: the table's contract lets every function be called from any thread.
unsafe impl Send for Opened {}
// SAFETY: as above.
unsafe impl Sync for Opened {}

/// A tensor of the library; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Foreign {
    opened: Arc<Opened>,
    /// Null once the tensor has gone over to the library.
    handle: AtomicPtr<c_void>,
    shape: Shape,
    dtype: DType,
}

impl Foreign {
    pub(super) fn handle(&self) -> Opaque {
        self.handle.load(Ordering::Relaxed)
    }

    /// As an input that is lent.
    fn lent(&self) -> Input {
        Input { handle: self.handle(), given: 0 }
    }

    /// As an input of a call that no other handle needs afterwards: it goes over to the library if it
    /// is the only one.
    fn input(&self, handle: &Handle) -> Input {
        if !handle.is_sole() {
            return self.lent();
        }
        Input { handle: self.handle.swap(std::ptr::null_mut(), Ordering::Relaxed), given: 1 }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let handle = *self.handle.get_mut();
        if !handle.is_null() {
            // SAFETY: it came from this library and is given back once.
            unsafe { (self.opened.table.release)(self.opened.instance, handle) };
        }
    }
}

impl Opened {
    pub(super) fn check(&self, code: u32, error: &abi::Error) -> Result<()> {
        if code == Code::Ok as u32 { Ok(()) } else { Err(failure::read(code, error, &self.who)) }
    }

    /// What the library wrote as a result.
    fn adopt(self: &Arc<Self>, tensor: &Tensor) -> Result<Handle> {
        if tensor.handle.is_null() {
            return Err(Error::failure(format!("the {} returned no tensor", self.who)));
        }
        // Owned first, so that it is given back if its signature is nonsense.
        let mut foreign = Foreign {
            opened: self.clone(),
            handle: AtomicPtr::new(tensor.handle),
            shape: Shape::default(),
            dtype: DType::F32,
        };
        (foreign.shape, foreign.dtype) =
            wire::signature_in(&tensor.extents, tensor.rank, tensor.dtype).map_err(|e| e.at(&self.who))?;
        Ok(Handle::new(foreign))
    }
}

impl LoadedBackend {
    /// Loads a library and makes its backend.
    ///
    /// # Errors
    /// A library that doesn't fit, or what it needs is missing on this machine.
    pub fn open(path: &Path) -> Result<Self> {
        let library = Library::open(path, Kind::Backend)?;
        // SAFETY: the kind promises this table; the functions behind `FIRST` may be null.
        let table: Table = unsafe { library.table_since(FIRST) }?;
        let mut instance: Opaque = std::ptr::null_mut();
        let mut error = Report::new();
        let mut opened = Opened { table, instance, who: format!("backend of {}", path.display()) };
        // SAFETY: both point to writable places.
        let code = unsafe { (table.open)(&raw mut instance, &raw mut *error) };
        opened.check(code, &error)?;
        opened.instance = instance;
        let mut told = info::empty();
        // SAFETY: the instance that was just made, and writable places.
        let code = unsafe { (table.info)(instance, &raw mut told, &raw mut *error) };
        opened.check(code, &error)?;
        let info = info::read(&told);
        opened.who = format!("backend {}", info.name);
        Ok(Self { opened: Arc::new(opened), info })
    }

    pub(super) fn foreign<'a>(&self, handle: &'a Handle) -> Result<&'a Foreign> {
        handle.get::<Foreign>().filter(|foreign| Arc::ptr_eq(&foreign.opened, &self.opened)).ok_or_else(
            || Error::failure(format!("a tensor of another backend was given to the {}", self.opened.who)),
        )
    }
}

impl LoadedBackend {
    /// # Safety
    /// `view.data` points to `view.bytes` readable bytes until the call returns.
    unsafe fn upload_view(&self, view: &HostView, device: Device) -> Result<Handle> {
        let mut out = Tensor::none();
        let mut error = Report::new();
        // SAFETY: the caller's promise; writable places.
        let code = unsafe {
            (self.opened.table.upload)(
                self.opened.instance,
                std::ptr::from_ref(view),
                wire::device_out(device),
                &raw mut out,
                &raw mut *error,
            )
        };
        self.opened.check(code, &error)?;
        self.opened.adopt(&out)
    }
}

impl Backend for LoadedBackend {
    fn info(&self) -> BackendInfo {
        self.info.clone()
    }

    fn devices(&self) -> Vec<Device> {
        let mut found = vec![CDevice { kind: 0, index: 0 }; 64];
        let mut count = 0;
        let mut error = Report::new();
        let Opened { table, instance, .. } = &*self.opened;
        // SAFETY: room for `found.len()` devices and a count.
        let code = unsafe {
            (table.devices)(*instance, found.as_mut_ptr(), found.len(), &raw mut count, &raw mut *error)
        };
        found.truncate(if code == Code::Ok as u32 { count } else { 0 });
        found.into_iter().filter_map(|device| wire::device_in(device).ok()).collect()
    }

    fn supports(&self, op: OpKind, dtype: DType, device: Device) -> bool {
        let device = wire::device_out(device);
        // SAFETY: plain numbers.
        unsafe { (self.opened.table.supports)(self.opened.instance, op as u32, dtype as u32, device) != 0 }
    }

    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle> {
        let view = wire::host_out(&data)?;
        // SAFETY: `view` shows `data`, which lives until the call returns.
        unsafe { self.upload_view(&view, device) }
    }

    fn upload_from(&self, shape: &Shape, from: HostSlice<'_>, device: Device) -> Result<Handle> {
        let view = wire::slice_out(shape, from)?;
        // SAFETY: `view` shows as many elements as it tells of, which are lent until the call returns.
        unsafe { self.upload_view(&view, device) }
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        let foreign = self.foreign(tensor)?;
        Ok((foreign.shape.clone(), foreign.dtype))
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        let foreign = self.foreign(tensor)?;
        let mut error = Report::new();
        wire::host_written(foreign.shape.clone(), foreign.dtype, |data, bytes| {
            // SAFETY: a lent tensor of this library, and a buffer of its exact size.
            let code = unsafe {
                (self.opened.table.download)(
                    self.opened.instance,
                    foreign.handle(),
                    data,
                    bytes,
                    &raw mut *error,
                )
            };
            self.opened.check(code, &error)
        })
    }

    fn download_into(&self, tensor: &Handle, to: HostSliceMut<'_>) -> Result<()> {
        let foreign = self.foreign(tensor)?;
        if to.dtype() != foreign.dtype || to.len() != foreign.shape.count() {
            return Err(Error::failure(format!(
                "{}{} does not fit room for {} of {}",
                foreign.dtype,
                foreign.shape,
                to.len(),
                to.dtype()
            )));
        }
        let bytes = to.len() * to.dtype().size();
        let data: *mut u8 = match to {
            HostSliceMut::F32(to) => to.as_mut_ptr().cast(),
            HostSliceMut::F64(to) => to.as_mut_ptr().cast(),
        };
        let mut error = Report::new();
        // SAFETY: a lent tensor of this library, and room for its exact size, of which every pattern of bits is a number.
        let code = unsafe {
            (self.opened.table.download)(self.opened.instance, foreign.handle(), data, bytes, &raw mut *error)
        };
        self.opened.check(code, &error)
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        // All are checked before the first goes over.
        let mut foreign = SmallVec::<[&Foreign; 4]>::new();
        for handle in &inputs {
            foreign.push(self.foreign(handle)?);
        }
        let arguments: SmallVec<[Input; 4]> =
            foreign.iter().zip(&inputs).map(|(foreign, handle)| foreign.input(handle)).collect();
        let attributes = op.attributes();
        let call = COp {
            head: Head::of::<COp>(),
            kind: op.kind() as u32,
            results: RESULTS as u32,
            integers: attributes.integers.as_ptr(),
            integer_count: attributes.integers.len(),
            reals: attributes.reals.as_ptr(),
            real_count: attributes.reals.len(),
        };
        let mut results = [Tensor::none(); RESULTS];
        let mut count = 0;
        let mut error = Report::new();
        // SAFETY: every array lives until the call returns; given tensors are not used afterwards.
        let code = unsafe {
            (self.opened.table.execute)(
                self.opened.instance,
                &raw const call,
                arguments.as_ptr(),
                arguments.len(),
                wire::device_out(device),
                results.as_mut_ptr(),
                &raw mut count,
                &raw mut *error,
            )
        };
        self.opened.check(code, &error)?;
        let results = results.get(..count).ok_or_else(|| {
            Error::failure(format!("{}: the {} returned {count} tensors", op.kind().name(), self.opened.who))
        })?;
        // Each is adopted before any error is told, so that none is lost.
        let adopted: SmallVec<[_; 1]> = results.iter().map(|tensor| self.opened.adopt(tensor)).collect();
        adopted.into_iter().map(|r| r.map_err(|e| e.at(op.kind().name()))).collect()
    }

    fn track(&self, tensor: &Handle) -> Result<Handle> {
        let foreign = self.foreign(tensor)?;
        let mut out = Tensor::none();
        let mut error = Report::new();
        // SAFETY: a lent tensor of this library.
        let code = unsafe {
            (self.opened.table.track)(self.opened.instance, foreign.handle(), &raw mut out, &raw mut *error)
        };
        self.opened.check(code, &error)?;
        self.opened.adopt(&out)
    }

    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        let foreign = self.foreign(tensor)?;
        let mut out = Tensor::none();
        let mut error = Report::new();
        // SAFETY: a lent tensor of this library.
        let code = unsafe {
            (self.opened.table.detach)(self.opened.instance, foreign.handle(), &raw mut out, &raw mut *error)
        };
        self.opened.check(code, &error)?;
        self.opened.adopt(&out)
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        let handles =
            leaves.iter().map(|leaf| Ok(self.foreign(leaf)?.handle())).collect::<Result<Vec<_>>>()?;
        let given = self.foreign(&loss)?.input(&loss);
        let mut gradients = vec![Tensor::none(); handles.len()];
        let mut error = Report::new();
        // SAFETY: loss and leaves live until the call returns; room for each gradient.
        let code = unsafe {
            (self.opened.table.backward)(
                self.opened.instance,
                given,
                handles.as_ptr(),
                handles.len(),
                gradients.as_mut_ptr(),
                &raw mut *error,
            )
        };
        self.opened.check(code, &error)?;
        let adopted: Vec<_> = gradients
            .iter()
            .map(|tensor| (!tensor.handle.is_null()).then(|| self.opened.adopt(tensor)).transpose())
            .collect();
        adopted.into_iter().collect()
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        // SAFETY: plain numbers.
        unsafe { (self.opened.table.set_grad_enabled)(self.opened.instance, u32::from(enabled)) != 0 }
    }

    fn seed(&self, seed: u64) {
        // SAFETY: plain numbers.
        unsafe { (self.opened.table.seed)(self.opened.instance, seed) };
    }

    fn synchronize(&self, device: Device) -> Result<()> {
        let mut error = Report::new();
        // SAFETY: a writable error.
        let code = unsafe {
            (self.opened.table.synchronize)(self.opened.instance, wire::device_out(device), &raw mut *error)
        };
        self.opened.check(code, &error)
    }

    fn memory(&self, device: Device) -> MemoryStats {
        let mut memory = Memory { head: Head::of::<Memory>(), in_use: -1, peak: -1 };
        // SAFETY: a writable struct.
        unsafe {
            (self.opened.table.memory)(self.opened.instance, wire::device_out(device), &raw mut memory);
        }
        MemoryStats { in_use: memory.in_use.try_into().ok(), peak: memory.peak.try_into().ok() }
    }

    fn graphs(&self, device: Device) -> Option<&dyn Graphs> {
        let Table { graphs, graph_begin, graph_end, graph_replay, write, .. } = &self.opened.table;
        let whole = graph_begin.is_some() && graph_end.is_some() && graph_replay.is_some();
        let graphs = (*graphs).filter(|_| whole && write.is_some())?;
        // SAFETY: plain numbers.
        let offered = unsafe { graphs(self.opened.instance, wire::device_out(device)) } != 0;
        offered.then_some(self)
    }
}
