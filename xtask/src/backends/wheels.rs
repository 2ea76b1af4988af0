//! What is fetched as wheels, through pip, into the user's cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use palimpsest_core::{Error, Result};

/// Defines `fetch` for the scripts.
const WHEELS: &str = include_str!("wheels.py");

/// Where a thing of this name is kept.
pub(super) fn cache(name: &str) -> Result<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let base = base.ok_or_else(|| Error::user("neither XDG_CACHE_HOME nor HOME is set"))?;
    Ok(base.join("palimpsest").join(name))
}

/// Runs a script that fetches `what` into a folder.
pub(super) fn fetch(what: &str, script: &str, folder: &Path) -> Result<()> {
    let program = format!("{WHEELS}\n{script}");
    let status =
        Command::new("python3").arg("-c").arg(program).arg(folder).status().map_err(|e| {
            Error::user(format!("python3 can't be started: {e}")).help("install Python with pip")
        })?;
    if !status.success() {
        return Err(Error::failure(format!("{what} could not be fetched")).help("the reason is above"));
    }
    Ok(())
}
