//! The entry of the dynamic library.

use palimpsest_core::plugin::ServedBackend;
use palimpsest_core::{Backend, Result};

use crate::Dfdx;

struct Library;

impl ServedBackend for Library {
    fn open() -> Result<Box<dyn Backend>> {
        Ok(Box::new(Dfdx::new()))
    }
}

palimpsest_core::export_backend!(Library);
