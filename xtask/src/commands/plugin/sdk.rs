//! Where the sources are that a plug-in is built with.

use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};

/// The SDK's sources, in a checkout or beside a packed driver.
pub(super) struct Sdk {
    /// The crate `palimpsest-sdk`.
    pub(super) folder: PathBuf,
    /// The versions of what it needs.
    pub(super) lock: PathBuf,
    /// The sources of what it needs, for a machine without network.
    pub(super) vendor: Option<PathBuf>,
}

/// The SDK that fits this driver.
pub(super) fn find() -> Result<Sdk> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("sdk")));
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
    let roots = [beside, checkout];
    for root in roots.iter().flatten() {
        let folder = root.join("plugins/sdk");
        if folder.join("Cargo.toml").is_file() {
            let vendor = Some(root.join("vendor")).filter(|vendor| vendor.is_dir());
            return Ok(Sdk { folder, lock: root.join("Cargo.lock"), vendor });
        }
    }
    Err(Error::user("the sources of palimpsest-sdk are neither beside this program nor where it was built")
        .help("run cargo xtask in a checkout, or write the plug-in in C: --lang c"))
}
