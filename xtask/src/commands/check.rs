//! `check` and `test`: what CI runs.

use std::process::Command;

use palimpsest_core::{Error, Result};

use crate::output;

/// Format, lints, then tests.
pub(crate) fn check() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--release", "--", "-D", "warnings"])?;
    test()
}

/// Every test of the workspace.
pub(crate) fn test() -> Result<()> {
    cargo(&["test", "--workspace", "--release"])
}

fn cargo(args: &[&str]) -> Result<()> {
    output::note(&format!("cargo {}", args.join(" ")));
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(args)
        .status()
        .map_err(|e| Error::failure(format!("can't run cargo: {e}")))?;
    if status.success() { Ok(()) } else { Err(Error::failure(format!("cargo {} failed", args[0]))) }
}
