//! Where plug-ins are looked for.

use std::path::PathBuf;
use std::sync::OnceLock;

use palimpsest_core::plugin::{Installed, discover, manifests_of};
use palimpsest_core::{Error, Result, corruption};

use crate::output;

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
