//! The entry of the dynamic library.

use palimpsest_core::plugin::ServedBackend;
use palimpsest_core::{Backend, Result};

use crate::Burn;

struct Library;

impl ServedBackend for Library {
    fn open() -> Result<Box<dyn Backend>> {
        Ok(Box::new(Burn::new()))
    }
}

palimpsest_core::export_backend!(Library);
