//! The entry of the dynamic library.

use palimpsest_core::plugin::ServedBackend;
use palimpsest_core::{Backend, Error, Result};
use palimpsest_kernels::Level;

use crate::Dfdx;

struct Library;

impl ServedBackend for Library {
    fn open() -> Result<Box<dyn Backend>> {
        // In process the best is taken instead: only here somebody can be told.
        Level::asked_for().map_err(|why| Error::user(why).help("unset it, or name one of these"))?;
        Ok(Box::new(Dfdx::new()))
    }
}

palimpsest_core::export_backend!(Library);
