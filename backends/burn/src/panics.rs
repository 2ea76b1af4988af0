//! burn reports its failures by panics; here they become errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use palimpsest_core::{Error, Result};

/// Runs `work`; a panic in it becomes an error that names `what`.
///
/// The values that `work` owned are dropped while it unwinds and burn's locks don't poison, so
/// nothing half-changed is left to be seen.
pub(crate) fn caught<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        Err(Error::failure(format!("{what}: {message}")))
    });
    #[cfg(feature = "cube")]
    let result = result.map_err(|error| match device_threads::first_cause() {
        Some(cause) => Error::failure(format!("{what}: {cause}")),
        None => error,
    });
    result
}

#[cfg(feature = "cube")]
pub(crate) use device_threads::watch as watch_device_threads;

#[cfg(feature = "cube")]
mod device_threads {
    //! CubeCL works on threads of its own. What panics there reaches the caller as a channel that was closed:
    //! the cause is kept here until it can be told.

    use std::panic::{PanicHookInfo, set_hook, take_hook};
    use std::sync::{Mutex, Once, PoisonError};

    static CAUSE: Mutex<Option<String>> = Mutex::new(None);

    /// Keeps the causes from now on, in place of writing them to standard error.
    pub(crate) fn watch() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let before = take_hook();
            set_hook(Box::new(move |info| {
                // "DSU-0-0": a device's service, upstream or downstream, its type and number.
                let here = std::thread::current();
                if here.name().is_some_and(|name| name.starts_with("DSU-") || name.starts_with("DSD-")) {
                    let mut cause = CAUSE.lock().unwrap_or_else(PoisonError::into_inner);
                    cause.get_or_insert_with(|| message(info));
                } else {
                    before(info);
                }
            }));
        });
    }

    fn message(info: &PanicHookInfo<'_>) -> String {
        let text = info.payload_as_str().unwrap_or("a panic without a message");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What failed first since the last call.
    pub(super) fn first_cause() -> Option<String> {
        CAUSE.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
