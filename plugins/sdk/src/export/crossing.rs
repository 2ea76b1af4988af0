//! What the host lends: structs of another size than ours, arrays, texts.
#![allow(unsafe_code, reason = "reads and writes the host's memory")]

use std::mem::MaybeUninit;

use palimpsest_abi::corruption::{Application, Geometry, Ops, Plan, PlanRequest};
use palimpsest_abi::{Head, Str};

use crate::{Error, Result};

/// A struct that starts with a [`Head`].
///
/// # Safety
/// It is `repr(C)`, starts with a `Head`, and all fields behind its first `LEAST` bytes may be zero.
pub(super) unsafe trait Crossing: Copy {
    /// Its name in messages.
    const NAME: &'static str;
    /// Its size in ABI 1.0.
    const LEAST: usize;
}

// SAFETY: for each: as in palimpsest-abi; behind `LEAST` are pointers and numbers alone.
unsafe impl Crossing for Geometry {
    const NAME: &'static str = "Geometry";
    const LEAST: usize = 56;
}
// SAFETY: as above.
unsafe impl Crossing for PlanRequest {
    const NAME: &'static str = "PlanRequest";
    const LEAST: usize = 64;
}
// SAFETY: as above.
unsafe impl Crossing for Plan {
    const NAME: &'static str = "Plan";
    const LEAST: usize = 56;
}
// SAFETY: as above.
unsafe impl Crossing for Ops {
    const NAME: &'static str = "Ops";
    const LEAST: usize = 56;
}
// SAFETY: as above.
unsafe impl Crossing for Application {
    const NAME: &'static str = "Application";
    const LEAST: usize = 360;
}

/// A copy of a struct of the host's, whatever its size: what a shorter one lacks is zero, what a
/// longer one has more is not looked at.
///
/// # Safety
/// `from` is null or points to as many readable bytes as its `head.size` says.
pub(super) unsafe fn read<T: Crossing>(from: *const T) -> Result<T> {
    if from.is_null() || !from.is_aligned() {
        return Err(Error::failure(format!("the host gave no {}", T::NAME)));
    }
    // SAFETY: it starts with a `Head`.
    let size = unsafe { (*from.cast::<Head>()).size };
    if size < T::LEAST {
        let (name, least) = (T::NAME, T::LEAST);
        return Err(Error::failure(format!("the host's {name} has {size} bytes; at least {least} are needed")));
    }
    let mut out = MaybeUninit::<T>::zeroed();
    // SAFETY: both have these bytes. Every field of 1.0 is copied, and the others may be zero.
    unsafe {
        std::ptr::copy_nonoverlapping(
            from.cast::<u8>(),
            out.as_mut_ptr().cast::<u8>(),
            size.min(size_of::<T>()),
        );
        Ok(out.assume_init())
    }
}

/// # Safety
/// `data` is null or points to `count` elements that nobody writes to during the call.
pub(super) unsafe fn array<'a, T>(data: *const T, count: usize, what: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if data.is_null() || !data.is_aligned() {
        return Err(Error::failure(format!("the host gave no {what}")));
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

/// # Safety
/// `data` is null or points to `count` elements that nobody else uses during the call.
pub(super) unsafe fn array_mut<'a, T>(data: *mut T, count: usize, what: &str) -> Result<&'a mut [T]> {
    if count == 0 {
        return Ok(&mut []);
    }
    if data.is_null() || !data.is_aligned() {
        return Err(Error::failure(format!("the host gave no {what}")));
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts_mut(data, count) })
}

/// # Safety
/// The text's bytes are readable during the call.
pub(super) unsafe fn text<'a>(text: &Str) -> Result<&'a str> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { array(text.ptr, text.len, "text") }?;
    std::str::from_utf8(bytes).map_err(|_| Error::failure("the host gave a text that is not UTF-8"))
}

/// Puts a result where the host wants it.
///
/// # Safety
/// `to` is null or writable.
pub(super) unsafe fn put<T>(to: *mut T, value: T, what: &str) -> Result<()> {
    if to.is_null() || !to.is_aligned() {
        return Err(Error::failure(format!("the host gave no place for {what}")));
    }
    // SAFETY: the caller's promise.
    unsafe { to.write(value) };
    Ok(())
}

/// Whether there is a place for a result, asked before the work.
pub(super) fn place<T>(to: *mut T, what: &str) -> Result<()> {
    if to.is_null() || !to.is_aligned() {
        return Err(Error::failure(format!("the host gave no place for {what}")));
    }
    Ok(())
}

const _: () = {
    assert!(size_of::<Geometry>() >= Geometry::LEAST && size_of::<PlanRequest>() >= PlanRequest::LEAST);
    assert!(size_of::<Plan>() >= Plan::LEAST && size_of::<Ops>() >= Ops::LEAST);
    assert!(size_of::<Application>() == Application::LEAST);
};
