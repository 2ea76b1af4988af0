//! The C structs that cross between Palimpsest and its dynamic libraries: nothing but `#[repr(C)]`
//! types, constants and their rules.
//!
//! - Every struct starts with a [`Head`]: its size as the writer knows it, and a chain of extensions.
//!   Fields are only ever added behind the last; a reader looks at no field beyond the size.
//! - The entry of a library is a data symbol, so its version is read before any of its code is asked.
//!   Another [`MAJOR`] is refused; a lower [`MINOR`] is served with the fields that it knows.
//! - Strings are pointer and length, UTF-8, without a final zero.
//! - Nobody frees the other's memory: errors and results are written into buffers of the caller;
//!   handles are opaque and go back to whoever made them.
//! - No function unwinds; each returns a [`Code`].
//! - Libraries are never unloaded.
#![no_std]

pub mod backend;
pub mod collective;
pub mod corruption;
pub mod layout;
pub mod op;

use core::ffi::c_void;

/// Libraries of another major version are refused.
pub const MAJOR: u32 = 1;
/// Grows when fields or functions are added.
pub const MINOR: u32 = 6;

/// What every struct starts with.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// The size of the whole struct in bytes, as its writer knows it.
    pub size: usize,
    /// The first extension, or null.
    pub extension: *const Extension,
}

impl Head {
    /// The head of a `T` without extensions.
    pub const fn of<T>() -> Self {
        Self { size: size_of::<T>(), extension: core::ptr::null() }
    }
}

// SAFETY: a chain of extensions is immutable for as long as its struct is shared.
#[allow(unsafe_code, reason = "shares a pointer to what never changes")]
unsafe impl Sync for Head {}

/// A link in a chain of extensions; unknown ids are passed over.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    /// The size of the whole extension struct.
    pub size: usize,
    /// Which extension.
    pub id: u32,
    /// The next one, or null.
    pub next: *const Extension,
}

/// UTF-8 text that its owner keeps alive for the life of the process.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Str {
    /// The first byte.
    pub ptr: *const u8,
    /// How many bytes.
    pub len: usize,
}

impl Str {
    /// Text that lives for ever.
    pub const fn of(text: &'static str) -> Self {
        Self { ptr: text.as_ptr(), len: text.len() }
    }
}

// SAFETY: it points to immutable text that is never freed.
#[allow(unsafe_code, reason = "shares a pointer to what never changes")]
unsafe impl Sync for Str {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "shares a pointer to what never changes")]
unsafe impl Send for Str {}

/// What a function returns.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// A mistake that the user can fix.
    User = 1,
    /// A failure at run time.
    Failure = 2,
    /// The library panicked; its instance is poisoned.
    Panic = 3,
    /// The instance panicked earlier.
    Poisoned = 4,
}

/// An error's texts, in the caller's memory; longer ones are cut.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Error {
    /// Size and extensions.
    pub head: Head,
    /// Bytes of `message`.
    pub message_len: u32,
    /// Bytes of `place`.
    pub place_len: u32,
    /// Bytes of `mend`.
    pub mend_len: u32,
    /// What happened.
    pub message: [u8; 1024],
    /// File, key or option; may be empty.
    pub place: [u8; 256],
    /// What would help; may be empty.
    pub mend: [u8; 512],
}

impl Error {
    /// An empty error to hand out.
    pub const fn new() -> Self {
        Self {
            head: Head::of::<Self>(),
            message_len: 0,
            place_len: 0,
            mend_len: 0,
            message: [0; 1024],
            place: [0; 256],
            mend: [0; 512],
        }
    }
}

impl Default for Error {
    fn default() -> Self {
        Self::new()
    }
}

/// An object of the library that the other side only passes back.
pub type Opaque = *mut c_void;

/// What a library is.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A tensor library: `table` is a [`backend::Table`].
    Backend = 1,
    /// A corruption strategy: `table` is a [`corruption::Table`].
    Corruption = 2,
    /// Communication between processes: `table` is a [`collective::Table`]. Since ABI 1.4.
    Collective = 3,
}

/// The data symbol that a library exports as [`ENTRY_SYMBOL`].
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    /// Size and extensions.
    pub head: Head,
    /// [`MAJOR`] of the headers it was built with.
    pub major: u32,
    /// [`MINOR`] of the headers it was built with.
    pub minor: u32,
    /// A [`Kind`].
    pub kind: u32,
    /// Whether a panic unwinds (1) or aborts the process (0); the latter is refused.
    pub unwinds: u32,
    /// What it was built with: the compiler or SDK, for messages.
    pub built_with: Str,
    /// The functions; what they are, `kind` says.
    pub table: *const c_void,
}

// SAFETY: an entry and its table are immutable statics of a library that is never unloaded.
#[allow(unsafe_code, reason = "shares a pointer to what never changes")]
unsafe impl Sync for Entry {}

/// The name of the entry.
pub const ENTRY_SYMBOL: &str = "palimpsest_entry";

const _: () = assert!(size_of::<usize>() == 8, "64-bit machines only");
