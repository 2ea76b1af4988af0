//! The host's operations with a hand in between: calls are counted, one is made to fail, and what a plug-in takes
//! out of the graph is held for differences.
#![allow(unsafe_code, reason = "C functions over pointers of a plug-in")]

use std::cell::RefCell;

use palimpsest_abi::backend::{HostTensor, Op, Tensor as CTensor};
use palimpsest_abi::corruption::Ops;
use palimpsest_abi::{Code, Error as CError, Head, Opaque, op};
use palimpsest_core::plugin::Operations;
use palimpsest_core::{DType, Tensor};

/// What an operation that was made to fail says.
pub(crate) const INJECTED: &str = "the validator let this operation fail";

/// What is done to a call's operations.
#[derive(Default)]
pub(crate) struct Script {
    /// This call fails, counted from 1.
    pub(crate) fail_at: Option<usize>,
    /// What the same call gave before, in place of what it gives now.
    pub(crate) held: Option<Held>,
}

/// Values that left the graph, in order: their derivative counts as zero.
#[derive(Default, Clone)]
pub(crate) struct Held {
    pub(crate) detached: Vec<Tensor>,
    pub(crate) downloaded: Vec<Vec<u8>>,
}

#[derive(Default)]
pub(crate) struct Record {
    /// Operations that were asked for.
    pub(crate) calls: usize,
    /// Operations that were made to fail.
    pub(crate) failed: usize,
    /// What left the graph.
    pub(crate) held: Held,
    /// A tensor in f64 was made one of fewer digits.
    pub(crate) narrowed: bool,
}

/// The operations of one call.
pub(crate) struct RecordingOperations<'a> {
    operations: &'a Operations,
    inner: Ops,
    script: Script,
    thread: std::thread::ThreadId,
    record: RefCell<Record>,
}

impl<'a> RecordingOperations<'a> {
    pub(crate) fn new(operations: &'a Operations, script: Script) -> Self {
        let thread = std::thread::current().id();
        Self { operations, inner: operations.table(), script, thread, record: RefCell::default() }
    }

    /// The functions; they borrow this value, which must neither move nor end before the call does.
    pub(crate) fn table(&self) -> Ops {
        Ops {
            head: Head::of::<Ops>(),
            context: (&raw const *self).cast_mut().cast(),
            execute,
            upload,
            download,
            detach,
        }
    }

    pub(crate) fn record(self) -> Record {
        self.record.into_inner()
    }

    /// Counts a call; whether it is to fail.
    fn count(&self, error: *mut CError) -> Option<u32> {
        if std::thread::current().id() != self.thread {
            return Some(Code::Failure as u32);
        }
        let mut record = self.record.borrow_mut();
        record.calls += 1;
        if self.script.fail_at != Some(record.calls) {
            return None;
        }
        record.failed += 1;
        // SAFETY: null or a struct that the plug-in lends for the call.
        if let Some(error) = unsafe { error.as_mut() } {
            error.message[..INJECTED.len()].copy_from_slice(INJECTED.as_bytes());
            error.message_len = INJECTED.len() as u32;
        }
        Some(Code::Failure as u32)
    }
}

/// # Safety
/// `context` is that of [`RecordingOperations::table`], whose call is not over.
unsafe fn recording<'a>(context: Opaque) -> &'a RecordingOperations<'a> {
    // SAFETY: the caller's promise.
    unsafe { &*context.cast_const().cast::<RecordingOperations<'a>>() }
}

unsafe extern "C" fn execute(
    context: Opaque,
    operation: *const Op,
    inputs: *const Opaque,
    input_count: usize,
    results: *mut CTensor,
    count: *mut usize,
    error: *mut CError,
) -> u32 {
    // SAFETY: the plug-in passes what it was given.
    let host = unsafe { recording(context) };
    if let Some(code) = host.count(error) {
        return code;
    }
    // SAFETY: the operation is lent for the call; `Operations` looks at the rest.
    unsafe {
        if let Some(asked) = operation.as_ref()
            && asked.kind == op::CAST
            && asked.integer_count == 1
            && input_count == 1
        {
            let from = host.operations.leave(*inputs).map(|tensor| tensor.dtype());
            let narrow = *asked.integers == DType::F32 as i64 || *asked.integers == DType::Bf16 as i64;
            if narrow && from.is_ok_and(|from| from == DType::F64) {
                host.record.borrow_mut().narrowed = true;
            }
        }
        (host.inner.execute)(host.inner.context, operation, inputs, input_count, results, count, error)
    }
}

unsafe extern "C" fn upload(
    context: Opaque,
    data: *const HostTensor,
    tensor: *mut CTensor,
    error: *mut CError,
) -> u32 {
    // SAFETY: the plug-in passes what it was given.
    let host = unsafe { recording(context) };
    match host.count(error) {
        Some(code) => code,
        // SAFETY: as above.
        None => unsafe { (host.inner.upload)(host.inner.context, data, tensor, error) },
    }
}

unsafe extern "C" fn download(
    context: Opaque,
    tensor: Opaque,
    data: *mut u8,
    bytes: usize,
    error: *mut CError,
) -> u32 {
    // SAFETY: the plug-in passes what it was given.
    let host = unsafe { recording(context) };
    if let Some(code) = host.count(error) {
        return code;
    }
    // SAFETY: as above.
    let code = unsafe { (host.inner.download)(host.inner.context, tensor, data, bytes, error) };
    if code != Code::Ok as u32 || data.is_null() {
        return code;
    }
    // SAFETY: the plug-in gave room for `bytes`, which were written.
    let values = unsafe { std::slice::from_raw_parts_mut(data, bytes) };
    let mut record = host.record.borrow_mut();
    let earlier =
        host.script.held.as_ref().and_then(|held| held.downloaded.get(record.held.downloaded.len()));
    if let Some(earlier) = earlier.filter(|earlier| earlier.len() == bytes) {
        values.copy_from_slice(earlier);
    }
    record.held.downloaded.push(values.to_vec());
    code
}

unsafe extern "C" fn detach(context: Opaque, tensor: Opaque, plain: *mut CTensor, error: *mut CError) -> u32 {
    // SAFETY: the plug-in passes what it was given.
    let host = unsafe { recording(context) };
    if let Some(code) = host.count(error) {
        return code;
    }
    // SAFETY: as above.
    let code = unsafe { (host.inner.detach)(host.inner.context, tensor, plain, error) };
    if code != Code::Ok as u32 {
        return code;
    }
    // SAFETY: the call wrote it.
    let made = host.operations.leave(unsafe { (*plain).handle });
    let mut record = host.record.borrow_mut();
    let earlier = host.script.held.as_ref().and_then(|held| held.detached.get(record.held.detached.len()));
    let Ok(value) = earlier.cloned().map_or(made, Ok) else { return Code::Failure as u32 };
    if earlier.is_some() {
        let Ok(entered) = host.operations.enter(value.clone()) else { return Code::Failure as u32 };
        // SAFETY: a place for the tensor, as the call above wrote to it.
        unsafe { plain.write(entered) };
    }
    record.held.detached.push(value);
    code
}
