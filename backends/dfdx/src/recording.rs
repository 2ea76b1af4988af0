//! Whether operations on this thread are recorded for gradients.

use std::cell::Cell;

thread_local! {
    static ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations are recorded.
pub(crate) fn enabled() -> bool {
    ENABLED.get()
}

/// Switches recording; returns the state before.
pub(crate) fn set(enabled: bool) -> bool {
    ENABLED.replace(enabled)
}
