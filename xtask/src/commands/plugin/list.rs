//! `plugin list`: what is found, by manifests alone.

use palimpsest_core::Result;
use palimpsest_core::plugin::MANIFEST_SUFFIX;
use serde_json::json;

use super::locate;
use crate::{output, plugins};

pub(super) fn run(as_json: bool) -> Result<()> {
    let mut rows = vec![["id", "version", "library", "manifest"].map(str::to_owned).to_vec()];
    let mut items = vec![];
    for (path, manifest) in locate::all() {
        let place = path.display().to_string();
        match manifest {
            Ok(manifest) => {
                let (there, told) = match manifest.here() {
                    Err(_) => (false, "none for this machine".to_owned()),
                    Ok(file) => {
                        let library = path.with_file_name(&file.file);
                        let there = library.is_file();
                        (there, if there { file.file.clone() } else { format!("{} is missing", file.file) })
                    }
                };
                rows.push(vec![manifest.id.clone(), manifest.version.clone(), told, place.clone()]);
                items.push(json!({
                    "id": manifest.id, "version": manifest.version, "abi": manifest.abi, "summary": manifest.summary,
                    "manifest": place, "there": there, "library": manifest.here().ok().map(|file| &file.file),
                }));
            }
            Err(error) => {
                rows.push(vec![
                    "-".to_owned(),
                    "-".to_owned(),
                    format!("broken: {}", error.message()),
                    place.clone(),
                ]);
                items.push(json!({ "manifest": place, "there": false, "broken": error.to_string() }));
            }
        }
    }
    if as_json {
        output::json(&items);
    } else if items.is_empty() {
        let places = plugins::places();
        let searched: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        let searched =
            if searched.is_empty() { "no folder is there to search".to_owned() } else { searched.join(", ") };
        output::note(&format!("no manifests *{MANIFEST_SUFFIX}: {searched}"));
    } else {
        output::table(&rows);
    }
    Ok(())
}
