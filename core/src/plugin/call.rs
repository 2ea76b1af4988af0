//! Which function of which library a thread is in, so that a library that ends the process is named.

use std::cell::Cell;

/// A call into a library.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// The library, for messages.
    pub library: &'static str,
    /// Its function, for messages.
    pub function: &'static str,
}

thread_local! {
    // Without a destructor, so that a signal handler may read it.
    static CALL: Cell<Option<Call>> = const { Cell::new(None) };
}

/// Marks the thread as within a call, or within the host again, until it is dropped.
#[derive(Debug)]
pub struct InCall {
    before: Option<Call>,
}

impl InCall {
    /// Within a function of a library.
    pub fn of(library: &'static str, function: &'static str) -> Self {
        Self { before: CALL.replace(Some(Call { library, function })) }
    }

    /// Within the host, which a library has called.
    pub(super) fn host() -> Self {
        Self { before: CALL.replace(None) }
    }

    /// The call that this thread is in. A signal handler may ask.
    pub fn current() -> Option<Call> {
        CALL.get()
    }
}

impl Drop for InCall {
    fn drop(&mut self) {
        CALL.set(self.before);
    }
}
