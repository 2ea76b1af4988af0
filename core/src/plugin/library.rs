//! Opening a dynamic library and reading its entry.
#![allow(unsafe_code, reason = "loads foreign code")]

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use palimpsest_abi::{self as abi, Entry};

use super::call::{InCall, kept};
use crate::{Error, Result};

/// A library that was loaded and whose entry fits. It is never unloaded.
#[derive(Debug, Clone)]
pub struct Library {
    path: PathBuf,
    entry: &'static Entry,
}

impl Library {
    /// Loads a library and checks its entry. Loading runs the library's initialisers: give it only
    /// files that you trust.
    ///
    /// # Errors
    /// No such file, a library that it needs is missing, no entry, another ABI, another kind.
    pub fn open(path: &Path, kind: abi::Kind) -> Result<Self> {
        let path = path.canonicalize().map_err(|_| Error::user("no such library").at(path.display()))?;
        let at = |error: Error| error.at(path.display());
        let called = format!("the library {}", path.display());
        // Not dropped by an exception that passes: the end that it comes to is told with this call.
        let loading = ManuallyDrop::new(InCall::of(kept(called), "an initialiser"));
        // SAFETY: initialisers of the library run; the user named the file.
        let library = unsafe { libloading::Library::new(&path) };
        drop(ManuallyDrop::into_inner(loading));
        let library = library.map_err(|e| at(cannot_load(&e)))?;
        // A library stays for the life of the process, whatever is found in it: its threads and handles may outlive any use.
        let library = ManuallyDrop::new(library);
        // SAFETY: the symbol is only read as bytes until its size and version are known.
        let entry = unsafe { library.get::<*const Entry>(abi::ENTRY_SYMBOL.as_bytes()) }.map_err(|_| {
            at(Error::user(format!("is no library for Palimpsest: it has no symbol `{}`", abi::ENTRY_SYMBOL))
                .help("export it with the macro of palimpsest-core"))
        })?;
        let entry: *const Entry = *entry;
        // SAFETY: the symbol is a static of the library; every version of the struct starts with the
        // size, the extension chain, major and minor.
        let (size, major, minor) = unsafe { ((*entry).head.size, (*entry).major, (*entry).minor) };
        if major != abi::MAJOR {
            return Err(at(Error::user(format!(
                "speaks ABI {major}.{minor}, this program {}.{}",
                abi::MAJOR,
                abi::MINOR
            ))
            .help("build the library again with this program's headers")));
        }
        if size < size_of::<Entry>() {
            return Err(at(Error::user(format!(
                "lies about its version: its entry has {size} bytes where ABI {major}.{minor} has {}",
                size_of::<Entry>()
            ))
            .help("build it again with this program's headers")));
        }
        // SAFETY: it has this version's size, and is an immutable static that is never unloaded.
        let entry = unsafe { &*entry };
        if entry.kind != kind as u32 {
            return Err(at(Error::user(format!("is a library of kind {}, not a {kind:?}", entry.kind))));
        }
        if entry.unwinds != 1 {
            return Err(at(Error::user(
                "was built with panic = \"abort\": a panic in it would end the program",
            )
            .help("build it with panic = \"unwind\"")));
        }
        if entry.table.is_null() || entry.table.addr() % align_of::<usize>() != 0 {
            return Err(at(Error::user("has no table of functions")));
        }
        Ok(Self { path, entry })
    }

    /// Loads a library that another one needs, for good and for all that come after.
    ///
    /// # Errors
    /// No such file, or a library that it needs is missing.
    pub fn preload(path: &Path) -> Result<()> {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        // SAFETY: initialisers of the library run; the caller trusts the file.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }
            .map_err(|e| cannot_load(&e).at(path.display()))?;
        // Never unloaded.
        std::mem::forget(library);
        Ok(())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The ABI version that it was built with.
    pub fn abi(&self) -> (u32, u32) {
        (self.entry.major, self.entry.minor)
    }

    /// What it was built with, in its own words.
    pub fn built_with(&self) -> &'static str {
        // SAFETY: the entry's text is a static of a library that is never unloaded.
        unsafe { super::parameter::text(self.entry.built_with, "build") }.unwrap_or_default()
    }

    /// A copy of the table of functions of a library that may be of an older minor version: what it
    /// doesn't have is zero.
    ///
    /// # Errors
    /// It is smaller than `least`, the table's size in the first version.
    ///
    /// # Safety
    /// `T` is the table that the library's kind promises, and starts with a `Head`; zero is a value of every
    /// field behind `least`.
    pub(super) unsafe fn table_since<T: Copy>(&self, least: usize) -> Result<T> {
        let size = self.table_size(least)?.min(size_of::<T>());
        let mut table = std::mem::MaybeUninit::<T>::zeroed();
        // SAFETY: both have `size` bytes; the fields behind are zero, which the caller allows.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.entry.table.cast::<u8>(),
                table.as_mut_ptr().cast::<u8>(),
                size,
            );
            Ok(table.assume_init())
        }
    }

    /// The size that the table says it has.
    fn table_size(&self, least: usize) -> Result<usize> {
        // SAFETY: a table starts with its size, and is as immutable and lasting as the entry.
        let size = unsafe { *self.entry.table.cast::<usize>() };
        if size >= least {
            return Ok(size);
        }
        let (major, minor) = self.abi();
        Err(Error::user(format!(
            "lies about its version: its table has {size} bytes where ABI {major}.{minor} has {least}"
        ))
        .at(self.path.display())
        .help("build it again with this program's headers"))
    }
}

/// The loader's words as one sentence.
fn cannot_load(error: &libloading::Error) -> Error {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    // `libx.so: cannot open shared object file: No such file or directory`
    match text.split_once(": cannot open shared object file") {
        Some((missing, _)) => Error::user(format!("needs {missing}, which is not on this machine"))
            .help(format!("install {missing}, or add its folder to LD_LIBRARY_PATH")),
        None => Error::user(format!("can't be loaded: {text}")),
    }
}
