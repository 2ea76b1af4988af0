//! Recipe files by path, or by the bare name of one of those that come with the program.

use std::path::{Path, PathBuf};

use palimpsest_core::error::{nearest, unknown_name};
use palimpsest_core::{Error, Result};

/// The folder of recipes that a user of this program sees: in the working folder, beside a packed program, or in the
/// checkout.
pub(crate) fn folder() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("recipes")));
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|root| root.join("recipes"));
    let places = [Some(PathBuf::from("recipes")), beside, checkout];
    places.into_iter().flatten().find(|place| place.is_dir()).unwrap_or_else(|| PathBuf::from("recipes"))
}

/// The recipe files of a folder, by name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    found.sort();
    found
}

/// The file that is meant: the path as it is, or a recipe's bare name, as `mae-micro`.
///
/// # Errors
/// No such file, with the nearest name.
pub(crate) fn locate(path: &Path) -> Result<PathBuf> {
    if path.exists() {
        return Ok(path.to_owned());
    }
    let bare = path.components().count() == 1;
    let searched = match path.parent() {
        Some(folder) if !bare => folder.to_owned(),
        _ => folder(),
    };
    let files = files(&searched);
    let name = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let wanted = match path.extension() {
        Some(extension) if extension == "toml" => name(path),
        _ => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    if let Some(found) = files.iter().find(|file| name(file) == wanted) {
        return Ok(found.clone());
    }
    let names: Vec<String> = files.iter().map(|file| name(file)).collect();
    let names = || names.iter().map(String::as_str);
    if bare && path.extension().is_none() && !files.is_empty() {
        return Err(unknown_name("recipe", &wanted, names()));
    }
    let help = match nearest(&wanted, names()) {
        Some(name) => format!("did you mean {}?", searched.join(format!("{name}.toml")).display()),
        None => "give a recipe's file, or a name of: cargo xtask recipe list".to_owned(),
    };
    Err(Error::user("no such file").at(path.display()).help(help))
}
