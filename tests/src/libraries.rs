//! The dynamic libraries of this workspace, as cargo built them.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::PathBuf;

/// The library of a crate `palimpsest-NAME`, beside this test or in the target folder of a workspace of its own:
/// the folder of cargo's output is two levels up.
///
/// # Panics
/// Where this program is not in a target folder.
pub fn library(name: &str) -> Option<PathBuf> {
    let test = std::env::current_exe().expect("this test");
    let deps = test.parent().expect("deps");
    let release = deps.parent().expect("release");
    let file = format!("{DLL_PREFIX}palimpsest_{name}{DLL_SUFFIX}");
    let own = release.parent().expect("target").join(name).join("release");
    let found = [release, deps, &own].into_iter().map(|folder| folder.join(&file));
    // The newest: `cargo test` leaves an older one beside.
    found.filter(|path| path.is_file()).max_by_key(|path| path.metadata().and_then(|m| m.modified()).ok())
}
