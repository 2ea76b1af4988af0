//! The library that is checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_abi::corruption as abi;
use palimpsest_core::plugin::{Setting, StrategyLibrary};
use palimpsest_core::{DeviceHandle, Result};

use crate::elsewhere::RunElsewhere;
use crate::instance::Instance;
use crate::outcome::{Checked, Stop, skip};
use crate::request::{Request, geometry};

/// The library that is checked, and a backend to check it on.
pub struct Subject<'a> {
    path: PathBuf,
    backend: &'a dyn Fn() -> Result<DeviceHandle>,
    elsewhere: Option<&'a RunElsewhere<'a>>,
}

/// Grids that are tried, rows and columns: usual ones, a single token, single rows and columns, odd ones.
pub(crate) const GRIDS: [(u32, u32); 9] =
    [(14, 14), (8, 8), (4, 4), (6, 10), (3, 7), (1, 16), (16, 1), (2, 2), (1, 1)];

impl<'a> Subject<'a> {
    /// A library; the backend is opened by the checks that need one.
    pub fn new(path: &Path, backend: &'a dyn Fn() -> Result<DeviceHandle>) -> Self {
        Self { path: path.to_owned(), backend, elsewhere: None }
    }

    /// With a way to run other processes, for the checks that compare them.
    #[must_use]
    pub fn with_processes(self, elsewhere: &'a RunElsewhere<'a>) -> Self {
        Self { elsewhere: Some(elsewhere), ..self }
    }

    pub(crate) fn elsewhere(&self) -> Option<&'a RunElsewhere<'a>> {
        self.elsewhere
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn device(&self) -> Result<DeviceHandle> {
        (self.backend)()
    }

    pub(crate) fn library(&self) -> Result<Arc<StrategyLibrary>> {
        StrategyLibrary::open(&self.path).map(Arc::new)
    }

    /// A strategy with the default of every parameter. That there is one is a check of its own.
    pub(crate) fn instance(&self) -> Checked<Instance> {
        let library = self.library()?;
        let defaults = defaults(&library);
        Instance::create(&library, &defaults)
            .map_err(|refusal| Stop::Skipped(format!("there is no strategy to check: `create` {refusal}")))
    }

    /// The geometries among [`GRIDS`] that it takes.
    pub(crate) fn geometries(&self, instance: &Instance) -> Checked<Vec<abi::Geometry>> {
        let all = GRIDS.iter().map(|&(rows, columns)| geometry(rows, columns, 1));
        let taken: Vec<abi::Geometry> = all.filter(|geometry| instance.check(geometry).is_ok()).collect();
        if taken.is_empty() {
            return skip("`check` refuses every grid that was tried");
        }
        Ok(taken)
    }
}

/// The default of every parameter.
pub(crate) fn defaults(library: &StrategyLibrary) -> Vec<Setting> {
    library.described().iter().map(|parameter| parameter.default.clone()).collect()
}

/// Whether a library has a capability.
pub(crate) fn says(library: &StrategyLibrary, capability: u64) -> bool {
    library.capabilities() & capability != 0
}

/// A request to a strategy, with scores if it observes.
pub(crate) fn request(instance: &Instance, geometry: abi::Geometry, batch: u32) -> Request {
    Request::new(geometry, batch).with_scores(says(&instance.library, abi::OBSERVES))
}
