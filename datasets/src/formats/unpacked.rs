//! Where a distributed set was unpacked.

use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};

/// The folder that has `marker`: `path` itself, or one of the folders `names` in it, as archives
/// bring them.
///
/// # Errors
/// None of them has it.
pub(crate) fn unpacked(path: &Path, names: &[&str], marker: &str) -> Result<PathBuf> {
    let own = std::iter::once(path.to_owned());
    own.chain(names.iter().map(|name| path.join(name)))
        .find(|folder| folder.join(marker).exists())
        .ok_or_else(|| {
            let within = names.first().map_or_else(String::new, |name| format!(", nor in `{name}` in it"));
            Error::user(format!("there is no `{marker}` in this folder{within}"))
                .at(path.display())
                .help("give the folder that the archive was unpacked to")
        })
}
