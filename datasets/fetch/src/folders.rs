//! Where sets are by default.

use std::path::PathBuf;

use crate::catalog::catalog;
use crate::fetching::plan;

/// The folder of this program's data: `palimpsest` in `$XDG_DATA_HOME`, or in `~/.local/share`; none where the user
/// has no home.
pub fn data_folder() -> Option<PathBuf> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share"));
    Some(data.or_else(home)?.join("palimpsest"))
}

/// The folder that a set is fetched into unless another is named.
pub fn default_folder(set: &str) -> Option<PathBuf> {
    Some(data_folder()?.join("datasets").join(set))
}

/// What the reader of this name is given, where the set of the same name was fetched into its default folder.
pub fn fetched(reader: &str) -> Option<PathBuf> {
    let set = catalog().iter().find(|set| set.name == reader && set.reader == reader)?;
    let folder = default_folder(&set.name)?;
    plan(set, &folder).complete.then(|| folder.join(&set.path))
}
