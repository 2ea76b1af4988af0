//! What plug-ins are written with: the SDK's sources with all that they need, and the C header.

use std::fs;
use std::path::Path;
use std::process::Command;

use palimpsest_core::{Error, Result};
use toml::{Table, Value};

use super::copy_folder;

/// The crates that a plug-in is built with.
const CRATES: [&str; 4] = ["plugins/abi", "plugins/sdk", "plugins/sdk-derive", "plugins/types"];

/// Writes `sdk`: a workspace of these crates, the lock file and the sources of what they depend on, and the
/// headers. `cargo xtask plugin new` finds it beside the packed driver.
pub(super) fn pack(root: &Path, archive: &Path, scratch: &Path) -> Result<()> {
    let sdk = archive.join("sdk");
    for name in CRATES {
        // All but tests, which need more than plug-ins do.
        let manifest = root.join(name).join("Cargo.toml");
        write(&sdk.join(name).join("Cargo.toml"), &read(&manifest)?)?;
        for part in ["src", "examples"].map(|part| Path::new(name).join(part)) {
            if root.join(&part).is_dir() {
                copy_folder(&root.join(&part), &sdk.join(&part))?;
            }
        }
    }
    copy_folder(&root.join("plugins/include"), &sdk.join("plugins/include"))?;
    write(&sdk.join("Cargo.toml"), &workspace(root)?)?;
    vendor(root, &sdk, scratch)
}

/// The manifest of a workspace of the crates alone.
fn workspace(root: &Path) -> Result<String> {
    let whole: Table = read(&root.join("Cargo.toml"))?
        .parse()
        .map_err(|e| Error::failure(format!("the workspace's Cargo.toml: {e}")))?;
    let manifests: String =
        CRATES.iter().map(|name| read(&root.join(name).join("Cargo.toml"))).collect::<Result<_>>()?;
    let mut workspace = whole.get("workspace").and_then(Value::as_table).cloned().unwrap_or_default();
    for key in ["members", "default-members", "exclude"] {
        workspace.remove(key);
    }
    let members = CRATES.iter().map(|name| Value::String((*name).to_owned())).collect();
    workspace.insert("members".to_owned(), Value::Array(members));
    if let Some(dependencies) = workspace.get_mut("dependencies").and_then(Value::as_table_mut) {
        dependencies.retain(|name, _| manifests.contains(&format!("{name}.workspace")));
    }
    let out = Table::from_iter([("workspace".to_owned(), Value::Table(workspace))]);
    toml::to_string(&out).map_err(|e| Error::failure(e.to_string()))
}

/// The sources of what the SDK depends on, as cargo has them, and the lock file of a crate that has nothing else.
fn vendor(root: &Path, sdk: &Path, scratch: &Path) -> Result<()> {
    let user = scratch.join("user");
    let path = Value::String(sdk.join("plugins/sdk").display().to_string());
    write(&user.join("src/lib.rs"), "")?;
    write(
        &user.join("Cargo.toml"),
        &format!(
            "[package]\nname = \"user\"\n[workspace]\n[dependencies]\npalimpsest-sdk = {{ path = {path} }}\n"
        ),
    )?;
    // The versions that the SDK was tested with; cargo drops what isn't needed.
    write(&user.join("Cargo.lock"), &read(&root.join("Cargo.lock"))?)?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&user).args(["vendor", "--quiet"]).arg(sdk.join("vendor"));
    let output = cargo.output().map_err(|e| Error::user(format!("can't run cargo: {e}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::failure(format!("the sources of the SDK's dependencies can't be had: {said}")));
    }
    // Without the crate itself, which is gone tomorrow.
    let mut lock: Table = read(&user.join("Cargo.lock"))?
        .parse()
        .map_err(|e| Error::failure(format!("cargo's lock file: {e}")))?;
    if let Some(packages) = lock.get_mut("package").and_then(Value::as_array_mut) {
        packages.retain(|package| package.get("name").and_then(Value::as_str) != Some("user"));
    }
    write(&sdk.join("Cargo.lock"), &lock.to_string())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| Error::io(path, &e))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| Error::io(parent, &e))?;
    }
    fs::write(path, text).map_err(|e| Error::io(path, &e))
}
