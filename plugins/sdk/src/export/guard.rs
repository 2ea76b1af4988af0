//! Nothing unwinds into the host.
#![allow(unsafe_code, reason = "works on the host's pointers")]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use palimpsest_abi::{self as abi, Code, Opaque};

use super::failure;
use crate::{Error, Result};

/// What the host's `Opaque` instance points to.
pub(super) struct Instance<T> {
    pub(super) strategy: T,
    poisoned: AtomicBool,
}

impl<T> Instance<T> {
    pub(super) fn new(strategy: T) -> Self {
        Self { strategy, poisoned: AtomicBool::new(false) }
    }
}

/// Runs `work` on the strategy of an instance; a panic becomes an error and poisons it.
///
/// # Safety
/// `instance` is null or came from this strategy's `create` and was not destroyed; `error` is null
/// or as long as its `head.size` says.
pub(super) unsafe fn on_instance<T>(
    instance: Opaque,
    error: *mut abi::Error,
    work: impl FnOnce(&T) -> Result<()>,
) -> u32 {
    // SAFETY: the caller's promise.
    let Some(instance) = (unsafe { instance.cast::<Instance<T>>().as_ref() }) else {
        // SAFETY: as above.
        return unsafe { failure::write(&Error::failure("the host gave no instance"), error, None) };
    };
    if instance.poisoned.load(Ordering::Relaxed) {
        let earlier = Error::failure("the strategy panicked earlier and takes no more calls");
        // SAFETY: as above.
        return unsafe { failure::write(&earlier, error, Some(Code::Poisoned)) };
    }
    // SAFETY: as above.
    let code = unsafe { guarded(error, || work(&instance.strategy)) };
    if code == Code::Panic as u32 {
        instance.poisoned.store(true, Ordering::Relaxed);
    }
    code
}

/// Runs `work`; a panic becomes an error.
///
/// # Safety
/// `error` is null or as long as its `head.size` says.
pub(super) unsafe fn guarded(error: *mut abi::Error, work: impl FnOnce() -> Result<()>) -> u32 {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => Code::Ok as u32,
        // SAFETY: the caller's promise.
        Ok(Err(e)) => unsafe { failure::write(&e, error, None) },
        Err(payload) => {
            let said = Error::failure(message(&*payload));
            // What was thrown might panic when dropped, here where nothing may unwind.
            std::mem::forget(payload);
            // SAFETY: the caller's promise.
            unsafe { failure::write(&said, error, Some(Code::Panic)) }
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "without a message".to_owned(),
    }
}
