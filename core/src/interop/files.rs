//! Where a model's weights lie: one file, the newest checkpoint of a run, a model's folder, or the shards that an
//! index names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::stored::read;
use crate::train::{Checkpoint, RunFolder};
use crate::{Error, Result};

/// What to do with a file of PyTorch's.
const CONVERT: &str = "convert it first, in Python: safetensors.torch.save_file(torch.load(FILE, \
    map_location='cpu', weights_only=True)['model'], 'model.safetensors')";

/// The files of weights that a path stands for.
///
/// # Errors
/// A folder without weights or with several, an index that is none, a shard without the others.
pub(super) fn locate(path: &Path) -> Result<Vec<PathBuf>> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if path.is_dir() {
        return in_folder(path);
    }
    if name.ends_with(".index.json") {
        return shards(path);
    }
    if let Some(model) = model_of_shard(name) {
        return Err(Error::user("is one part of a model")
            .at(path.display())
            .help(format!("give the index of all parts, {model}.safetensors.index.json, or their folder")));
    }
    Ok(vec![path.to_owned()])
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.join("config.toml").is_file() {
        let newest = RunFolder::open(folder)?.newest_checkpoint()?;
        return match newest.damaged.first() {
            None => Ok(vec![newest.path]),
            Some((file, why)) => Err(Error::user(format!("the newest of the run: {}", why.message()))
                .at(file.display())
                .help(format!("name an older one, as {}", newest.path.display()))),
        };
    }
    let whole = folder.join("model.safetensors");
    let index = folder.join("model.safetensors.index.json");
    if whole.is_file() {
        return Ok(vec![whole]);
    }
    if index.is_file() {
        return shards(&index);
    }
    if let Some(newest) = Checkpoint::list(folder)?.pop() {
        return Ok(vec![newest]);
    }
    let mut files = vec![];
    let mut pickled = false;
    for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, &e))? {
        let path = entry.map_err(|e| Error::io(folder, &e))?.path();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") => files.push(path),
            Some("bin" | "pt" | "pth") => pickled = true,
            _ => {}
        }
    }
    files.sort();
    let error = match files.as_slice() {
        [_] => return Ok(files),
        [] if pickled => {
            Error::user("holds weights of PyTorch alone, which can run code when they are read").help(CONVERT)
        }
        [] => Error::user("is a folder without weights (.safetensors)").help("give the file of the weights"),
        [first, ..] => Error::user(format!("is a folder with {} files of weights", files.len()))
            .help(format!("give one of them, as {}", first.display())),
    };
    Err(error.at(folder.display()))
}

/// The files that the index of a sharded model names, in the order of their names.
fn shards(index: &Path) -> Result<Vec<PathBuf>> {
    let text = read(index)?;
    let json: Option<Value> = serde_json::from_slice(&text).ok();
    let map = json.as_ref().and_then(|json| json.get("weight_map")?.as_object());
    let files: BTreeSet<&str> = map.into_iter().flatten().filter_map(|(_, file)| file.as_str()).collect();
    if files.is_empty() {
        return Err(Error::user("is no index of a sharded model (it has no `weight_map`)")
            .at(index.display())
            .help("give model.safetensors.index.json as transformers writes it, or a .safetensors file"));
    }
    let folder = index.parent().unwrap_or(Path::new(""));
    Ok(files.into_iter().map(|file| folder.join(file)).collect())
}

/// The model's name, of a file named `NAME-00001-of-00002.safetensors`.
fn model_of_shard(name: &str) -> Option<&str> {
    let (rest, count) = name.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
    let (model, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(number) && digits(count) && count.parse() != Ok(1)).then_some(model)
}

/// What a file is that is no safetensors file, and what to do.
pub(super) fn other_kind(path: &Path, data: &[u8]) -> Error {
    let numpy = path.extension().is_some_and(|ending| ending == "npz");
    // Files of torch.save are zip archives, or pickles in files from before 2020.
    let (what, help) = if data.starts_with(b"PK\x03\x04") && numpy {
        (
            "is an archive of NumPy",
            "convert it in Python: safetensors.numpy.save_file(dict(numpy.load(FILE)), ..)",
        )
    } else if data.starts_with(b"PK\x03\x04") || data.starts_with(b"\x80\x02") {
        ("is a PyTorch file, which can run code when it is read", CONVERT)
    } else if data.starts_with(b"version https://git-lfs") {
        ("is a pointer of Git LFS, not the file itself", "fetch the file with `git lfs pull`")
    } else if data.starts_with(b"\x89HDF") {
        ("is an HDF5 file (TensorFlow's)", "give the model's .safetensors file")
    } else if data.is_empty() {
        ("is empty", "give a whole .safetensors file")
    } else {
        ("is no safetensors file, or a damaged one", "give a whole .safetensors file")
    };
    Error::user(what).at(path.display()).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_told_by_their_names() {
        assert_eq!(model_of_shard("model-00001-of-00002.safetensors"), Some("model"));
        assert_eq!(model_of_shard("vit-large-2-of-3.safetensors"), Some("vit-large"));
        for whole in ["model.safetensors", "best-of-3.safetensors", "model-00001-of-00001.safetensors"] {
            assert_eq!(model_of_shard(whole), None, "{whole}");
        }
    }
}
