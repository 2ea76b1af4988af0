//! Runs the driver.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A recipe that trains in a second.
pub(crate) const TINY: &str = r#"
preset = "paper"
name = "tiny"
[data]
image_size = 16
channels = 1
mean = [0.286]
std = [0.353]
workers = 1
[encoder]
dim = 16
depth = 3
heads = 2
patch = 4
[corruption]
cell = 8
[optimizer]
lr = 1e-3
lr_batch = 0
[schedule]
warmup_epochs = 0.0
[train]
steps = 30
batch = 16
accumulate = 1
checkpoint_every = 0.01
samples_every = 100.0
log_every = 5
[eval]
heads = []
"#;

/// The driver with these arguments, in `folder`.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.current_dir(folder).args(args);
    // The libraries that cargo built with these tests; without this, each driver would ask cargo anew.
    let burn = library("palimpsest_burn");
    command.env("PALIMPSEST_BACKENDS", burn.parent().expect("a folder"));
    command
}

/// A dynamic library of this workspace.
pub(crate) fn library(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_xtask")).parent().expect("a folder");
    let file = format!("{DLL_PREFIX}{name}{DLL_SUFFIX}");
    let places = [folder.join(&file), folder.join("deps").join(&file)];
    let newest = |path: &&PathBuf| path.metadata().and_then(|m| m.modified()).ok();
    let found = places.iter().filter(|path| path.is_file()).max_by_key(newest);
    found.unwrap_or_else(|| panic!("{file} is not built: cargo test --workspace --release")).clone()
}

/// Runs the driver to its end.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().expect("the driver starts")
}

/// Runs the driver, which must succeed.
pub(crate) fn succeed(folder: &Path, args: &[&str]) -> Output {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    output
}

/// What it printed for people.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with the tiny recipe as `tiny.toml`.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("tiny.toml"), TINY).expect("the recipe is written");
    folder
}
