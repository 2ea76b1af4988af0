//! What lies where a reader finds nothing of its own: data of another reader, whose name then helps.

use std::path::{Path, PathBuf};

use palimpsest_core::shell::quoted;

use super::image_files::regular_files;
use super::shards::compressed::is_compressed;
use crate::decode::is_image;

/// Writes what `save_to_disk` of Hugging Face's `datasets` wrote as parquet files, one a part.
const TO_PARQUET: &str = "import os, sys, datasets; d = datasets.load_from_disk(sys.argv[1]); os.makedirs(sys.argv[2], exist_ok=True); \
     [part.to_parquet(f\"{sys.argv[2]}/{name}.parquet\") for name, part in (d if isinstance(d, dict) else {\"train\": d}).items()]";

/// The help for data at `path` that aren't of the ending that was looked for (`tar`, `parquet`, or "" for images): the
/// reader that they are for, or how they become data of one. None where nothing is known of them.
pub(crate) fn other_layout(path: &Path, wanted: &str) -> Option<String> {
    let has = |name: &str| path.join(name).is_file();
    let files = if path.is_file() { vec![path.to_owned()] } else { regular_files(path).ok()? };
    let any = |ending: &str| {
        files.iter().any(|file| file.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending)))
    };
    let reader = |what: &str, name: &str| Some(format!("these are {what}: data.name={name}"));
    if any("arrow") && (has("dataset_dict.json") || has("state.json")) {
        let path: PathBuf = path.components().collect();
        let out = quoted(&format!("{}-parquet", path.display()));
        return Some(format!(
            "these are Arrow files that `save_to_disk` of datasets wrote: python3 -c '{TO_PARQUET}' {} {out} writes them as \
             parquet; then give data.name=parquet data.path={out}",
            quoted(&path.to_string_lossy()),
        ));
    }
    if wanted != "tar" && (any("tar") || files.iter().any(|file| is_compressed(file, "tar"))) {
        return reader("tar files", "webdataset");
    }
    if wanted != "parquet" && any("parquet") {
        return reader("parquet files", "parquet");
    }
    if !wanted.is_empty() && files.iter().any(|file| is_image(file)) {
        return reader("files of images", "folder");
    }
    None
}
