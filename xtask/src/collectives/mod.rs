//! stub
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use palimpsest_core::Result;
use palimpsest_core::collective::{Collective, Opening, World};
use palimpsest_core::plugin::CollectiveLibrary;

pub(crate) fn open(
    name: &str,
    world: World,
    opening: &Opening,
    interrupted: Option<&'static AtomicBool>,
) -> Result<(Arc<dyn Collective>, String)> {
    let library = CollectiveLibrary::load(Path::new(name))?;
    let told = format!("{} {}", library.info.name, library.info.version);
    Ok((Arc::new(library.open(world, opening, interrupted)?), told))
}
