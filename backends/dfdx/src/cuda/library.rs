//! A library of NVIDIA's, loaded when it is first called.
#![allow(unsafe_code, reason = "loads foreign code")]

use std::ffi::c_void;
use std::sync::OnceLock;

use libloading::Library;

/// A library by the names that it may have; the first that is found stays for good.
pub(super) struct Lazy {
    names: &'static [&'static str],
    loaded: OnceLock<Option<Library>>,
}

impl Lazy {
    /// A library that is not loaded yet.
    pub(super) const fn new(names: &'static [&'static str]) -> Self {
        Self { names, loaded: OnceLock::new() }
    }

    fn get(&self) -> Option<&Library> {
        let load = |name: &&str| {
            // SAFETY: initialisers of NVIDIA's library run, as they would had this library been linked
            // to it.
            unsafe { Library::new(*name) }.ok()
        };
        self.loaded.get_or_init(|| self.names.iter().find_map(load)).as_ref()
    }

    /// The name that it goes by.
    pub(super) fn name(&self) -> &'static str {
        self.names[0]
    }

    /// Whether it is on this machine.
    pub(super) fn is_here(&self) -> bool {
        self.get().is_some()
    }

    /// The address of one of its functions.
    pub(super) fn function(&self, name: &str) -> Option<*const c_void> {
        // SAFETY: only the address is taken; whoever calls it knows its type.
        let found = unsafe { self.get()?.get::<*const c_void>(name.as_bytes()) };
        found.ok().map(|symbol| *symbol)
    }
}
