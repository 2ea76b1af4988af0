//! A file of weights: read whole, its layout told by its names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::export::FORMAT;
use super::files::{locate, other_kind};
use super::recognise::{Recognised, Tensors, recognise};
use super::{Layout, recognise};
use crate::encoder::Resampling;
use crate::sealed::verify;
use crate::stored::{from_view, read};
use crate::tensor::HostTensor;
use crate::{Error, Result};

/// Weights as a file holds them.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file, or the index of its shards.
    pub path: PathBuf,
    /// Whose names it has.
    pub layout: Layout,
    /// SHA-256 of the file, or of its shards one after the other.
    pub sha256: String,
    /// The tensors by name, without a prefix that stood before the layout's names.
    pub tensors: BTreeMap<String, HostTensor>,
    /// What the user may want to know of the names, one sentence each.
    pub notes: Vec<String>,
    /// What the weights don't tell, where a `config.json` lies beside them.
    pub(super) config: Config,
    /// How the library resamples a table of positions.
    pub(super) resampling: Resampling,
}

/// What Hugging Face's or timm's `config.json` says of an encoder that its weights don't.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Config {
    /// Attention heads.
    pub(super) heads: Option<usize>,
    /// The activation, by Hugging Face's name.
    pub(super) activation: Option<String>,
    /// What norms add to the variance.
    pub(super) norm_eps: Option<f64>,
}

impl Source {
    /// Reads weights: an export, a checkpoint or a run of this program, or what timm, Hugging Face or MAE published,
    /// as a safetensors file, its folder, or the index of its shards.
    ///
    /// # Errors
    /// A file that is missing, damaged, no safetensors file, or of no known layout.
    pub fn read(path: &Path) -> Result<Self> {
        let files = locate(path)?;
        let mut sha = Sha256::new();
        let mut tensors = BTreeMap::new();
        let mut format = String::new();
        for file in &files {
            let mut data = read(file)?;
            sha.update(&data);
            let (more, its_format) = deserialize(file, &data)?;
            if its_format == crate::train::CHECKPOINT_FORMAT && verify(&mut data) == Some(false) {
                return Err(Error::user("is damaged: its bits don't match its checksum")
                    .at(file.display())
                    .help("give an older checkpoint"));
            }
            tensors.extend(more);
            format = its_format;
        }
        let sha256 = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let (path, config) = match files.as_slice() {
            [file] => (file.clone(), Config::beside(file)),
            _ => (path.to_owned(), files.first().map(|file| Config::beside(file)).unwrap_or_default()),
        };
        let Recognised { layout, tensors, notes, resampling } = match format.as_str() {
            FORMAT => Recognised::own(tensors),
            crate::train::CHECKPOINT_FORMAT => Recognised::own(recognise::stripped(tensors, "model.")),
            _ => recognise(tensors).map_err(|e| e.at(path.display()))?,
        };
        Ok(Self { path, layout, sha256, tensors, notes, config, resampling })
    }
}

/// The tensors of a safetensors file, and the format that its header names.
fn deserialize(path: &Path, data: &[u8]) -> Result<(Tensors, String)> {
    let Ok(file) = SafeTensors::deserialize(data) else { return Err(other_kind(path, data)) };
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let tensor = from_view(&view).map_err(|e| e.at(name).at(path.display()))?;
        tensors.insert(name.to_owned(), tensor);
    }
    let metadata = SafeTensors::read_metadata(data).ok().and_then(|(_, m)| m.metadata().clone());
    let format = metadata.and_then(|mut metadata| metadata.remove("format")).unwrap_or_default();
    Ok((tensors, format))
}

impl Config {
    /// What the `config.json` of a model's folder says; nothing where there is none.
    fn beside(file: &Path) -> Self {
        let text = read(&file.with_file_name("config.json")).unwrap_or_default();
        let Ok(json) = serde_json::from_slice::<Value>(&text) else { return Self::default() };
        // Of two towers, that of images.
        let json = json.get("vision_config").unwrap_or(&json);
        let heads = json.get("num_attention_heads").or_else(|| json.get("model_args")?.get("num_heads"));
        let activation = json.get("hidden_act").and_then(Value::as_str);
        Self {
            heads: heads.and_then(Value::as_u64).map(|heads| heads as usize),
            activation: activation.map(str::to_owned),
            norm_eps: ["layer_norm_eps", "rms_norm_eps"]
                .iter()
                .find_map(|key| json.get(key))
                .and_then(Value::as_f64),
        }
    }
}
