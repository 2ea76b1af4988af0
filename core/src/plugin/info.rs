//! What a library says of itself, as a C struct that has grown: both ends look at no field beyond its size.
#![allow(unsafe_code, reason = "writes a C struct of a size that is known when it is there")]

use std::mem::offset_of;

use palimpsest_abi::backend::Info;
use palimpsest_abi::{Head, Str};

use super::wire;
use crate::backend::BackendInfo;

/// A struct for the library to fill in. What an older one doesn't know stays empty.
pub(super) fn empty() -> Info {
    let text = Str::of("");
    Info { head: Head::of::<Info>(), name: text, version: text, description: text, instructions: text }
}

/// What the library has filled in.
pub(super) fn read(info: &Info) -> BackendInfo {
    let instructions = wire::text(info.instructions);
    BackendInfo {
        name: wire::text(info.name),
        version: wire::text(info.version),
        description: wire::text(info.description),
        instructions: (!instructions.is_empty()).then_some(instructions),
    }
}

/// Fills in the host's struct.
///
/// # Safety
/// `out` points to as many writable bytes as its head says, at least those of ABI 1.0.
pub(super) unsafe fn write(info: &'static BackendInfo, out: *mut Info) {
    // A reference would reach beyond an older host's struct.
    // SAFETY: the fields of ABI 1.0.
    unsafe {
        (&raw mut (*out).name).write(Str::of(&info.name));
        (&raw mut (*out).version).write(Str::of(&info.version));
        (&raw mut (*out).description).write(Str::of(&info.description));
    }
    // SAFETY: as above.
    let size = unsafe { (&raw const (*out).head.size).read() };
    if size >= offset_of!(Info, instructions) + size_of::<Str>() {
        let text = info.instructions.as_deref().unwrap_or_default();
        // SAFETY: the host's struct has the field.
        unsafe { (&raw mut (*out).instructions).write(Str::of(text)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(instructions: Option<&str>) -> &'static BackendInfo {
        Box::leak(Box::new(BackendInfo {
            name: "mine".to_owned(),
            version: "1".to_owned(),
            description: "an example".to_owned(),
            instructions: instructions.map(str::to_owned),
        }))
    }

    #[test]
    fn what_is_written_is_read() {
        for instructions in [Some("avx2"), None] {
            let mut info = empty();
            // SAFETY: a struct of this version.
            unsafe { write(told(instructions), &raw mut info) };
            let read = read(&info);
            assert_eq!(read.instructions.as_deref(), instructions);
            assert_eq!((read.name.as_str(), read.description.as_str()), ("mine", "an example"));
        }
    }

    /// A host of ABI 1.4 has other things behind its struct.
    #[test]
    fn nothing_is_written_behind_an_older_hosts_struct() {
        let mut info = empty();
        info.head.size = offset_of!(Info, instructions);
        info.instructions = Str::of("the host's own");
        // SAFETY: as many bytes as the head says, and more.
        unsafe { write(told(Some("avx2")), &raw mut info) };
        assert_eq!(read(&info).instructions.as_deref(), Some("the host's own"));
        assert_eq!(read(&info).version, "1");
    }
}
