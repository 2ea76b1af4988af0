//! Ctrl-C: the user wants to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use palimpsest_core::{Error, Result};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Becomes true once the user has asked to stop. To be called once.
pub(crate) fn flag() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .map_err(|e| Error::failure(format!("can't catch Ctrl-C: {e}")))?;
    Ok(&INTERRUPTED)
}
