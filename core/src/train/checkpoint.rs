//! Checkpoints: one safetensors file with weights, moments and state, written atomically.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

use super::steps::Pace;
use crate::params::{ParamSpec, match_names};
use crate::plugin::PluginIdentity;
use crate::sealed::{Rest, verify, write_sealed};
use crate::stored::{from_view, read};
use crate::tensor::HostTensor;
use crate::{Error, Result};

/// What marks a checkpoint.
pub(crate) const CHECKPOINT_FORMAT: &str = "palimpsest-checkpoint-1";

/// Where a run stood.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointState {
    /// Steps done.
    pub step: u64,
    /// The hash of the recipe's decisive keys.
    pub recipe_hash: String,
    /// The resolved recipe, as TOML.
    pub recipe: String,
    /// The backend that trained it.
    pub backend: String,
    /// The processor's instructions that the last bits of its steps hang on ([`Trainer::instructions`]); `None` where
    /// that isn't known.
    ///
    /// [`Trainer::instructions`]: super::Trainer::instructions
    pub instructions: Option<String>,
    /// The plug-in whose corruption it was trained with.
    pub plugin: Option<PluginIdentity>,
    /// How the steps went that led here.
    pub pace: Pace,
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

    /// The first tensor with a value that is not finite.
    pub fn not_finite(&self) -> Option<&str> {
        self.tensors.iter().find(|(_, tensor)| !tensor.is_finite()).map(|(name, _)| name.as_str())
    }

    /// Writes the file beside its place and renames it there, so that a reader sees either the old
    /// file or the whole new one, whatever happens in between.
    ///
    /// # Errors
    /// A full disk or a folder that can't be written; nothing half-written stays. A checkpoint without tensors.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.write_resting(path, None)
    }

    /// [`Checkpoint::write`], which calls `rest` after each piece of 4 MiB.
    ///
    /// # Errors
    /// As above.
    pub(super) fn write_resting(&self, path: &Path, rest: Option<&Rest<'_>>) -> Result<()> {
        let state = &self.state;
        if self.tensors.is_empty() {
            let why = format!("this process has no part of the checkpoint of step {}", state.step);
            return Err(Error::failure(why).at(path.display()).help("rank 0 has gathered it and writes it"));
        }
        let json = |e: serde_json::Error| Error::failure(e.to_string());
        let mut metadata = HashMap::from([
            ("format".to_owned(), CHECKPOINT_FORMAT.to_owned()),
            ("step".to_owned(), state.step.to_string()),
            ("recipe_hash".to_owned(), state.recipe_hash.clone()),
            ("recipe".to_owned(), state.recipe.clone()),
            ("backend".to_owned(), state.backend.clone()),
            ("pace".to_owned(), serde_json::to_string(&state.pace).map_err(json)?),
        ]);
        if let Some(instructions) = &state.instructions {
            metadata.insert("instructions".to_owned(), instructions.clone());
        }
        if let Some(plugin) = &state.plugin {
            metadata.insert("plugin".to_owned(), serde_json::to_string(plugin).map_err(json)?);
        }
        write_sealed(path, &self.tensors, metadata, rest)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// A missing, truncated or damaged file, or one that is no checkpoint of ours.
    pub fn read(path: &Path) -> Result<Self> {
        let mut data = read(path)?;
        let broken = |why: String| {
            Error::user(why).at(path.display()).help("give an older checkpoint, or start the run again")
        };
        let foreign = |why: &str| {
            Error::user(why.to_owned())
                .at(path.display())
                .help("give a checkpoint that `cargo xtask pretrain` wrote")
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
        if info.get("format").map(String::as_str) != Some(CHECKPOINT_FORMAT) {
            return Err(foreign("is no checkpoint of this program"));
        }
        // Every file with a pace has a digest: without one, the digest's name is what was damaged.
        if !verify(&mut data).unwrap_or(!info.contains_key("pace")) {
            return Err(broken("the checkpoint is damaged: its bits don't match its checksum".to_owned()));
        }
        let field = |name: &str| info.get(name).cloned().ok_or_else(|| foreign(&format!("has no `{name}`")));
        let state = CheckpointState {
            step: field("step")?.parse().map_err(|_| foreign("has a broken `step`"))?,
            recipe_hash: field("recipe_hash")?,
            recipe: field("recipe")?,
            backend: field("backend")?,
            instructions: info.get("instructions").cloned(),
            plugin: info
                .get("plugin")
                .map(|text| serde_json::from_str(text).map_err(|_| foreign("has a broken `plugin`")))
                .transpose()?,
            pace: match info.get("pace") {
                Some(text) => serde_json::from_str(text).map_err(|_| foreign("has a broken `pace`"))?,
                None => Pace::default(),
            },
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
            if Self::step_of(&path).is_some() && name.ends_with(".safetensors") && path.is_file() {
                paths.push(path);
            }
        }
        // Of one step, what a survivor rescued comes before what was written in order.
        paths.sort_by_key(|path| (Self::step_of(path), path.file_name().map(ToOwned::to_owned)));
        Ok(paths)
    }

    /// The step of a checkpoint's file, by its name.
    pub fn step_of(path: &Path) -> Option<u64> {
        let name = path.file_name()?.to_str()?;
        let number = name.strip_prefix("step-").or_else(|| name.strip_prefix("rescue-"))?;
        number.split('.').next()?.parse().ok()
    }

    /// The file name of what a survivor rescued.
    pub fn rescue_name(step: u64) -> String {
        format!("rescue-{step:09}.safetensors")
    }

    /// The file name of a step.
    pub fn file_name(step: u64) -> String {
        format!("step-{step:09}.safetensors")
    }
}
