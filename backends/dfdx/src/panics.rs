//! dfdx reports its failures by panics; here they become errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use palimpsest_core::{Error, Result};

/// Runs `work`; a panic in it becomes an error that names `what`.
///
/// What `work` owned is dropped while it unwinds, and this crate's locks are opened again after a
/// panic, so nothing half-changed is left to be seen.
pub(crate) fn caught<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        Err(Error::failure(format!("{what}: {message}")))
    })
}
