//! Which function of which library a thread is in, so that a library that ends the process is named.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// A call into a library.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// The library, for messages.
    pub library: &'static str,
    /// Its function, for messages.
    pub function: &'static str,
}

/// A library's name for the life of the process, as a signal handler may read it at any time: kept once, however often
/// the library is opened.
pub(super) fn kept(name: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name.as_str()) {
        return known;
    }
    let name = name.leak();
    names.insert(name);
    name
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
