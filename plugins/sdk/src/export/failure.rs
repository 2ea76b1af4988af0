//! Errors across the C interface: texts in the caller's memory and a code.
#![allow(unsafe_code, reason = "writes a C struct of the caller's")]

use palimpsest_abi::{self as abi, Code};

use crate::{Error, ErrorKind, Result};

/// Writes an error where the caller wants it; returns its code. Where the caller's struct is null or too
/// small for the texts, the code alone tells.
///
/// # Safety
/// `out` is null or points to as many writable bytes as its `head.size` says.
pub(super) unsafe fn write(error: &Error, out: *mut abi::Error, code: Option<Code>) -> u32 {
    let code = code.unwrap_or(match error.kind() {
        ErrorKind::User => Code::User,
        ErrorKind::Failure => Code::Failure,
    });
    // SAFETY: the caller's promise; the size is read before anything else.
    let room = !out.is_null() && out.is_aligned() && unsafe { (*out).head.size } >= size_of::<abi::Error>();
    if room {
        // SAFETY: it has room for the whole struct.
        let out = unsafe { &mut *out };
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

/// What a call of the host's came to.
pub(crate) fn read(code: u32, error: &abi::Error) -> Result<()> {
    let text = |bytes: &[u8], len: u32| {
        String::from_utf8_lossy(&bytes[..bytes.len().min(len as usize)]).into_owned()
    };
    let message = text(&error.message, error.message_len);
    let mut out = match code {
        c if c == Code::Ok as u32 => return Ok(()),
        c if c == Code::User as u32 => Error::user(message),
        c if c == Code::Failure as u32 => Error::failure(message),
        other => Error::failure(format!("the host returned the code {other}: {message}")),
    };
    let location = text(&error.place, error.place_len);
    if !location.is_empty() {
        out = out.at(location);
    }
    let help = text(&error.mend, error.mend_len);
    if !help.is_empty() {
        out = out.help(help);
    }
    Err(out)
}
