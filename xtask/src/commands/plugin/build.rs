//! `plugin build`: the library and its manifest, in the folder `plugin` of the plug-in's own.

use std::collections::BTreeMap;
use std::env::consts::DLL_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use palimpsest_core::plugin::{
    LibraryFile, MANIFEST_SUFFIX, Manifest, StrategyLibrary, manifests, platform, sha256,
};
use palimpsest_core::{Error, Result};
use serde_json::{Value, json};

use crate::output;

pub(super) fn run(folder: &Path, as_json: bool) -> Result<()> {
    if !folder.is_dir() {
        return Err(Error::user("no such folder").at(folder.display()).help("name the plug-in's folder"));
    }
    let (manifest, library) = install(&compile(folder)?, &folder.join("plugin"))?;
    if as_json {
        let [manifest, library] = [manifest, library].map(|path| path.display().to_string());
        output::json(&json!({ "manifest": manifest, "library": library }));
    } else {
        output::note(&format!("the library is {}", library.display()));
        output::line(&manifest.display().to_string());
    }
    Ok(())
}

/// Builds the library of a plug-in's folder, by cargo or make, and says where it is.
pub(crate) fn compile(folder: &Path) -> Result<PathBuf> {
    if folder.join("Cargo.toml").is_file() {
        with_cargo(folder)
    } else if folder.join("Makefile").is_file() {
        with_make(folder)
    } else {
        Err(Error::user("has neither a Cargo.toml nor a Makefile")
            .at(folder.display())
            .help("begin with cargo xtask plugin new"))
    }
}

/// Builds a crate; what it makes as a C library.
fn with_cargo(folder: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder).args(["build", "--release", "--message-format=json-render-diagnostics"]);
    // Those of `cargo xtask` name its own package.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            cargo.env_remove(name);
        }
    }
    let output = cargo.stderr(Stdio::inherit()).output().map_err(|e| {
        Error::user(format!("can't run cargo: {e}"))
            .help("install Rust, or write the plug-in in C: plugin new --lang c")
    })?;
    if !output.status.success() {
        return Err(Error::failure("the plug-in could not be built")
            .at(folder.display())
            .help("the reason is above"));
    }
    let artefacts = String::from_utf8_lossy(&output.stdout);
    let built: Vec<PathBuf> = artefacts.lines().filter_map(library_of).collect();
    match built.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Error::user("builds no dynamic library")
            .at(folder.join("Cargo.toml").display())
            .help("write [lib] crate-type = [\"cdylib\"]")),
        _ => Err(Error::user(format!("builds {} dynamic libraries", built.len()))
            .at(folder.join("Cargo.toml").display())
            .help("build them one by one, each in the folder of its crate")),
    }
}

/// The dynamic library that a line of cargo's tells of.
fn library_of(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_library = message["target"]["crate_types"].as_array()?.iter().any(|kind| kind == "cdylib");
    let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    files.filter(|file| is_library && file.ends_with(DLL_SUFFIX)).map(PathBuf::from).next()
}

/// Runs make; the one library in the folder.
fn with_make(folder: &Path) -> Result<PathBuf> {
    let status = Command::new("make")
        .current_dir(folder)
        .stdout(Stdio::null())
        .status()
        .map_err(|e| Error::user(format!("can't run make: {e}")).help("install make and a C compiler"))?;
    if !status.success() {
        return Err(Error::failure("the plug-in could not be built")
            .at(folder.display())
            .help("the reason is above"));
    }
    let entries =
        fs::read_dir(folder).map_err(|e| Error::io(folder, &e))?.flatten().map(|entry| entry.path());
    let built: Vec<PathBuf> =
        entries.filter(|path| path.is_file() && path.to_string_lossy().ends_with(DLL_SUFFIX)).collect();
    match built.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(Error::user(format!("make left {} files *{DLL_SUFFIX}, and one is due", built.len()))
            .at(folder.display())
            .help("let the Makefile's first rule make one library, beside it")),
    }
}

/// Copies a library to a folder and writes its manifest there; those of an earlier build are replaced.
pub(crate) fn install(built: &Path, folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let name = built.file_name().ok_or_else(|| Error::failure("a library without a name"))?;
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    let library = folder.join(name);
    // A new file, not new bytes in one that a run may have mapped.
    let half = folder.join(format!("{}.tmp", name.to_string_lossy()));
    fs::copy(built, &half).and_then(|_| fs::rename(&half, &library)).map_err(|e| Error::io(&library, &e))?;
    let manifest = describe(&library)?;
    let short = manifest.id.rsplit('.').next().unwrap_or(&manifest.id);
    let path = folder.join(format!("{short}{MANIFEST_SUFFIX}"));
    for other in manifests(folder) {
        let same = Manifest::read(&other)
            .is_ok_and(|other| other.library.values().any(|file| Path::new(&file.file).as_os_str() == name));
        if same && other != path {
            fs::remove_file(&other).map_err(|e| Error::io(&other, &e))?;
        }
    }
    fs::write(&path, manifest.to_toml()).map_err(|e| Error::io(&path, &e))?;
    Ok((path, library))
}

/// The manifest of a library, which is loaded for it.
fn describe(library: &Path) -> Result<Manifest> {
    let opened = StrategyLibrary::open(library)?;
    let (major, minor) = opened.abi();
    let file = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let here = LibraryFile { file, sha256: sha256(library)? };
    Ok(Manifest {
        manifest: 1,
        id: opened.identity().id.clone(),
        version: opened.identity().version.clone(),
        abi: format!("{major}.{minor}"),
        summary: opened.summary().to_owned(),
        library: BTreeMap::from([(platform(), here)]),
    })
}
