//! Where plug-ins are looked for.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use palimpsest_core::plugin::{Installed, PluginIdentity, discover, manifests_of, sha256};
use palimpsest_core::train::{Checkpoint, RunFolder};
use palimpsest_core::{Error, Result, corruption};
use serde_json::{Value, json};

use crate::{environment, output};

/// The environment variable that names folders, separated as in PATH.
const VARIABLE: &str = "PALIMPSEST_PLUGIN_PATH";

/// What `--plugin` named, for processes that this one starts.
static NAMED: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Makes known what `--plugin` names, then what lies in the places of [`folders`].
pub(crate) fn install(named: Vec<PathBuf>) -> Result<()> {
    let found = find(&named)?;
    corruption::install(found);
    name(named)
}

/// Remembers what `--plugin` names without looking there.
pub(crate) fn name(named: Vec<PathBuf>) -> Result<()> {
    NAMED.set(named).map_err(|_| Error::failure("plug-ins are installed once"))
}

/// What `--plugin` names, then the folders that are searched unasked.
pub(crate) fn places() -> Vec<PathBuf> {
    let mut places = NAMED.get().cloned().unwrap_or_default();
    places.extend(folders());
    places
}

/// The plug-ins of `--plugin` and of the usual places. No code of theirs runs, but that of libraries which `--plugin`
/// names and which have no manifest.
pub(crate) fn find(named: &[PathBuf]) -> Result<Vec<Installed>> {
    for folder in named.iter().filter(|path| path.is_dir()) {
        if manifests_of(folder).is_empty() {
            return Err(Error::user("is a folder without a manifest")
                .at(folder.display())
                .help(format!("build the plug-in: cargo xtask plugin build {}", folder.display())));
        }
    }
    let mut places = named.to_vec();
    places.extend(folders());
    discover(&places).inspect_err(|_error| {
        // Nobody asked for what lies about, but two of one name can't be told apart.
        output::note(&format!(
            "note: plug-ins are looked for in --plugin, ${VARIABLE} and {}",
            data_folder_text()
        ));
    })
}

/// A plug-in as `env.json` has it: which one it was, and where its library lay.
pub(crate) fn recorded(plugin: &PluginIdentity) -> Value {
    let library = corruption::library(&plugin.id);
    let library = library.map(|library| library.canonicalize().unwrap_or(library).display().to_string());
    json!({ "id": plugin.id, "version": plugin.version, "sha256": plugin.sha256, "library": library })
}

/// Makes the plug-ins of a run known again that are not: where `env.json` says that they lay.
///
/// # Errors
/// One that is not there any more, or was changed.
pub(crate) fn recall(folder: &RunFolder) -> Result<()> {
    let environment = environment::of_run(folder);
    for plugin in environment["plugins"].as_array().into_iter().flatten() {
        let text = |key: &str| plugin[key].as_str();
        let (Some(id), Some(due), Some(path)) = (text("id"), text("sha256"), text("library")) else {
            continue;
        };
        let path = Path::new(path);
        let known = corruption::library(id);
        let is_it = |library: &Path| sha256(library).is_ok_and(|found| found == due);
        // What the user names is the user's choice; whether it is the run's is checked with the weights.
        let named = NAMED.get().is_some_and(|named| !named.is_empty());
        if known.as_deref().is_some_and(|library| named || is_it(library)) {
            continue;
        }
        if is_it(path) {
            output::note(&format!("note: the plug-in {id} is taken from {}", path.display()));
            corruption::install(discover(&[path.to_owned()])?);
        } else if known.is_none() {
            let became = if path.is_file() { "was changed since" } else { "is gone" };
            return Err(Error::user(format!(
                "the run's plug-in {id} is not known here, and its library {became}"
            ))
            .at(path.display())
            .help(format!("give the library of SHA-256 {due}: --plugin PATH")));
        }
    }
    Ok(())
}

/// Lets the plug-in that made a checkpoint stay where it is, for commands that look at features: those are never
/// corrupted.
pub(crate) fn set_aside(checkpoint: &Checkpoint) {
    checkpoint.state.plugin.iter().cloned().for_each(corruption::set_aside);
}

/// `--plugin` options for a process of this driver.
pub(crate) fn options() -> Vec<PathBuf> {
    let named = NAMED.get().cloned().unwrap_or_default();
    named.into_iter().flat_map(|path| [PathBuf::from("--plugin"), path]).collect()
}

/// The folders that are searched unasked: `$PALIMPSEST_PLUGIN_PATH`, the user's data folder, and `plugins`
/// beside a packed driver. Never the working folder.
fn folders() -> Vec<PathBuf> {
    let named = std::env::var_os(VARIABLE);
    let mut folders: Vec<PathBuf> =
        named.iter().flat_map(std::env::split_paths).filter(|path| !path.as_os_str().is_empty()).collect();
    folders.extend(data_folder());
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("plugins")));
    folders.extend(beside);
    folders.retain(|folder| folder.is_dir());
    folders
}

/// The user's folder for plug-ins.
pub(crate) fn data_folder() -> Option<PathBuf> {
    Some(palimpsest_fetch::folders::data_folder()?.join("plugins"))
}

fn data_folder_text() -> String {
    data_folder().map_or_else(|| "no data folder".to_owned(), |folder| folder.display().to_string())
}
