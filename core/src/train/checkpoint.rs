//! Checkpoints: one safetensors file with weights, moments and state, written atomically.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::tensor::{TensorView, View};
use safetensors::{Dtype, SafeTensors};

use crate::params::{ParamSpec, match_names};
use crate::plugin::PluginIdentity;
use crate::tensor::{HostData, HostTensor};
use crate::{Error, Result};

const FORMAT: &str = "palimpsest-checkpoint-1";

/// Where a run stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointState {
    /// Steps done.
    pub step: u64,
    /// The hash of the recipe's decisive keys.
    pub recipe_hash: String,
    /// The resolved recipe, as TOML.
    pub recipe: String,
    /// The backend that trained it.
    pub backend: String,
    /// The plug-in whose corruption it was trained with.
    pub plugin: Option<PluginIdentity>,
}

/// A checkpoint in memory.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Where the run stood.
    pub state: CheckpointState,
    /// Weights (`model.`), moments (`optimizer.m.`, `optimizer.v.`), averaged weights (`average.`).
    pub tensors: Vec<(String, HostTensor)>,
}

impl Checkpoint {
    /// The tensors under a prefix, matched with a model's parameters.
    ///
    /// # Errors
    /// Missing, superfluous or differently shaped tensors.
    pub fn group(&self, prefix: &str, specs: &[ParamSpec]) -> Result<Vec<HostTensor>> {
        let named: HashMap<String, HostTensor> = self
            .tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone())))
            .collect();
        match_names(specs, named)
    }

    /// Whether it holds averaged weights.
    pub fn has_average(&self) -> bool {
        self.tensors.iter().any(|(name, _)| name.starts_with("average."))
    }

    /// Writes the file beside its place and renames it there, so that a reader sees either the old
    /// file or the whole new one, whatever happens in between.
    ///
    /// # Errors
    /// A full disk or a folder that can't be written; nothing half-written stays.
    pub fn write(&self, path: &Path) -> Result<()> {
        let state = &self.state;
        let mut metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("step".to_owned(), state.step.to_string()),
            ("recipe_hash".to_owned(), state.recipe_hash.clone()),
            ("recipe".to_owned(), state.recipe.clone()),
            ("backend".to_owned(), state.backend.clone()),
        ]);
        if let Some(plugin) = &state.plugin {
            let text = serde_json::to_string(plugin).map_err(|e| Error::failure(e.to_string()))?;
            metadata.insert("plugin".to_owned(), text);
        }
        let views = self.tensors.iter().map(|(name, tensor)| (name.as_str(), Stored(tensor)));
        let data =
            safetensors::serialize(views, Some(metadata)).map_err(|e| Error::failure(e.to_string()))?;
        write_atomically(path, &data)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// A missing or truncated file, or one that is no checkpoint of ours.
    pub fn read(path: &Path) -> Result<Self> {
        let data = fs::read(path).map_err(|e| Error::io(path, &e))?;
        let broken = |why: String| {
            Error::user(why)
                .at(path.display())
                .mend("delete the file to resume from an older checkpoint, or start the run again")
        };
        let foreign = |why: &str| {
            Error::user(why.to_owned())
                .at(path.display())
                .mend("give a checkpoint that `cargo xtask pretrain` wrote")
        };
        let (header, metadata) = SafeTensors::read_metadata(&data).map_err(|e| match e {
            safetensors::SafeTensorError::InvalidHeaderDeserialization(_)
            | safetensors::SafeTensorError::InvalidHeader(_)
            | safetensors::SafeTensorError::HeaderTooLarge => foreign("is no safetensors file"),
            other => {
                broken(format!("the checkpoint is truncated or damaged ({other}; {} bytes)", data.len()))
            }
        })?;
        let whole = 8 + header + metadata.data_len();
        if data.len() != whole {
            return Err(broken(format!("the checkpoint is truncated: {} of {whole} bytes", data.len())));
        }
        let info = metadata.metadata().clone().unwrap_or_default();
        if info.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(foreign("is no checkpoint of this program"));
        }
        let field = |name: &str| info.get(name).cloned().ok_or_else(|| foreign(&format!("has no `{name}`")));
        let state = CheckpointState {
            step: field("step")?.parse().map_err(|_| foreign("has a broken `step`"))?,
            recipe_hash: field("recipe_hash")?,
            recipe: field("recipe")?,
            backend: field("backend")?,
            plugin: info
                .get("plugin")
                .map(|text| serde_json::from_str(text).map_err(|_| foreign("has a broken `plugin`")))
                .transpose()?,
        };
        let file = SafeTensors::deserialize(&data).map_err(|e| broken(e.to_string()))?;
        let mut tensors = vec![];
        for (name, view) in file.iter() {
            tensors.push((name.to_owned(), from_view(&view).map_err(|e| e.at(name).at(path.display()))?));
        }
        Ok(Self { state, tensors })
    }

    /// The checkpoints in a folder, oldest first.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
        let mut paths = vec![];
        for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, &e))? {
            let path = entry.map_err(|e| Error::io(folder, &e))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("step-") && name.ends_with(".safetensors") {
                paths.push(path);
            }
        }
        // The numbers are zero-padded, so names sort as steps do.
        paths.sort();
        Ok(paths)
    }

    /// The file name of a step.
    pub fn file_name(step: u64) -> String {
        format!("step-{step:09}.safetensors")
    }
}

/// Writes a file beside its place, syncs it and renames it there.
///
/// # Errors
/// A full disk or a folder that can't be written; nothing half-written stays.
pub(super) fn write_atomically(path: &Path, data: &[u8]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(data)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The rename itself must reach the disk too.
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })();
    written.map_err(|e| {
        let _ = fs::remove_file(&temporary);
        Error::io(path, &e)
    })
}

/// A tensor as a file holds it. Its bytes are made one tensor after another, so that a checkpoint is in memory as
/// tensors and as a file, not a third time.
struct Stored<'a>(&'a HostTensor);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self.0.data() {
            HostData::F32(_) => Dtype::F32,
            HostData::F64(_) => Dtype::F64,
            HostData::Bf16(_) => Dtype::BF16,
            HostData::I64(_) => Dtype::I64,
            HostData::Bool(_) => Dtype::BOOL,
        }
    }

    fn shape(&self) -> &[usize] {
        self.0.shape().dims()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(match self.0.data() {
            HostData::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::Bf16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
        })
    }

    fn data_len(&self) -> usize {
        self.0.shape().count() * self.0.dtype().size()
    }
}

fn from_view(view: &TensorView<'_>) -> Result<HostTensor> {
    fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
    }
    let bytes = view.data();
    let data = match view.dtype() {
        Dtype::F32 => HostData::F32(each(bytes, f32::from_le_bytes)),
        Dtype::F64 => HostData::F64(each(bytes, f64::from_le_bytes)),
        Dtype::BF16 => HostData::Bf16(each(bytes, half::bf16::from_le_bytes)),
        Dtype::I64 => HostData::I64(each(bytes, i64::from_le_bytes)),
        Dtype::BOOL => HostData::Bool(bytes.iter().map(|&b| b != 0).collect()),
        other => return Err(Error::user(format!("has the unknown type {other:?}"))),
    };
    HostTensor::new(view.shape().to_vec(), data)
}
