//! Errors across the C interface: texts in the caller's memory and a code.
#![allow(unsafe_code, reason = "reads and writes C structs")]

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

use palimpsest_abi::{self as abi, Code};

use crate::{Error, ErrorKind};

thread_local! {
    static SPARE: Cell<Option<Box<abi::Error>>> = const { Cell::new(None) };
}

/// Room for an error of a call. A thread keeps it for its next call: to clear its 1.8 KB each time
/// would cost as much as the call.
#[derive(Debug)]
pub(super) struct Report(Option<Box<abi::Error>>);

impl Report {
    /// An empty one.
    pub(super) fn new() -> Self {
        let mut error = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        (error.message_len, error.place_len, error.mend_len) = (0, 0, 0);
        Self(Some(error))
    }
}

impl Deref for Report {
    type Target = abi::Error;
    fn deref(&self) -> &abi::Error {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Report {
    fn deref_mut(&mut self) -> &mut abi::Error {
        self.0.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let _ = SPARE.try_with(|spare| spare.set(self.0.take()));
    }
}

/// Writes an error where the caller wants it; returns its code.
///
/// # Safety
/// `out` is null or points to a writable `abi::Error` of at least this version's size.
pub(super) unsafe fn write(error: &Error, out: *mut abi::Error, code: Option<Code>) -> u32 {
    let code = code.unwrap_or(match error.kind() {
        ErrorKind::User => Code::User,
        ErrorKind::Failure | ErrorKind::Interrupted | ErrorKind::Lost => Code::Failure,
    });
    // SAFETY: the caller's promise.
    if let Some(out) = unsafe { out.as_mut() } {
        out.message_len = copy(error.message(), &mut out.message);
        out.place_len = copy(error.location().unwrap_or_default(), &mut out.place);
        out.mend_len = copy(error.help_text().unwrap_or_default(), &mut out.mend);
    }
    code as u32
}

/// Copies as many whole characters as fit.
fn copy(text: &str, out: &mut [u8]) -> u32 {
    let end = text.floor_char_boundary(out.len());
    out[..end].copy_from_slice(&text.as_bytes()[..end]);
    end as u32
}

/// The error of a call that returned `code`; `who` names the library.
pub(super) fn read(code: u32, error: &abi::Error, who: &str) -> Error {
    let text = |bytes: &[u8], len: u32| {
        String::from_utf8_lossy(&bytes[..bytes.len().min(len as usize)]).into_owned()
    };
    let message = text(&error.message, error.message_len);
    let mut out = match code {
        c if c == Code::User as u32 => Error::user(message),
        c if c == Code::Failure as u32 => Error::failure(message),
        c if c == Code::Panic as u32 => {
            Error::failure(format!("the {who} panicked: {message}")).help("report it to its author")
        }
        c if c == Code::Poisoned as u32 => {
            Error::failure(format!("the {who} panicked earlier and takes no more calls"))
        }
        other => Error::failure(format!("the {who} returned the unknown code {other}")),
    };
    let location = text(&error.place, error.place_len);
    if !location.is_empty() {
        out = out.at(location);
    }
    let help = text(&error.mend, error.mend_len);
    if !help.is_empty() {
        out = out.help(help);
    }
    out
}
