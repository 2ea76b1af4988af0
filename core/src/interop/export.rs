//! A model's weights in another layout, and the files that go with them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::config;
use super::names::{Own, entries};
use super::{Architecture, Layout};
use crate::model::Model;
use crate::recipe::Recipe;
use crate::stored::{serialize, write_atomically};
use crate::tensor::HostTensor;
use crate::{Error, Result};

/// What marks a file of weights under our own names.
pub(super) const FORMAT: &str = "palimpsest-weights-1";

/// Weights ready to be written.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Whose names they have.
    pub layout: Layout,
    /// Tensors by name, in the layout's shapes, as 32-bit floats.
    pub tensors: Vec<(String, HostTensor)>,
    /// The header's metadata.
    pub metadata: HashMap<String, String>,
    /// Further files by name: what the library reads sizes and normalisation from.
    pub files: Vec<(&'static str, Value)>,
}

/// A recipe's model with these values in another layout.
///
/// # Errors
/// A part of the model that the layout has no place for.
pub fn export(recipe: &Recipe, model: &Model, values: &[HostTensor], layout: Layout) -> Result<Exported> {
    let specs = model.specs.specs();
    if layout == Layout::Own {
        let named = specs.iter().zip(values);
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("recipe".to_owned(), recipe.to_toml()),
        ]);
        let tensors = named.map(|(spec, value)| (spec.name.clone(), value.clone())).collect();
        return Ok(Exported { layout, tensors, metadata, files: vec![] });
    }
    let architecture = Architecture::of(recipe, model)?;
    let layout = layout.for_encoder(&architecture);
    if let Some((what, settings)) = layout.lacks(&architecture) {
        return Err(Error::user(format!("{} has no place for {what}", layout.owner()))
            .help(format!("use --format safetensors, or train with {settings}")));
    }
    if layout.has_decoder() && architecture.decoder.is_none() {
        return Err(Error::user(format!(
            "{} has no place for this recipe's decoder: {}",
            layout.owner(),
            architecture.no_decoder
        ))
        .help("export the encoder alone with --format timm or hf"));
    }
    let find = |name: &str| {
        let index = specs.iter().position(|spec| spec.name == name);
        index.and_then(|i| values.get(i)).ok_or_else(|| Error::failure(format!("the model has no `{name}`")))
    };
    let mut tensors = vec![];
    for entry in entries(layout, &architecture) {
        let stored = match &entry.own {
            Own::Parameter(name) | Own::Positions(name) => entry.form.take_apart(find(name)?)?,
            Own::Fixed { table, width } => {
                vec![HostTensor::f32([1, table.len() / width, *width], table.clone())?]
            }
        };
        tensors.extend(entry.theirs.into_iter().zip(stored));
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    // What transformers and timm expect of a file that PyTorch wrote.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    Ok(Exported { layout, tensors, metadata, files: config::files(recipe, &architecture, layout) })
}

impl Exported {
    /// Writes `model.safetensors` and the further files into a folder, which is made.
    ///
    /// # Errors
    /// A folder that can't be written, or a full disk.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
        let data = serialize(&self.tensors, self.metadata.clone())?;
        write_atomically(&folder.join("model.safetensors"), &data)?;
        for (name, value) in &self.files {
            write_atomically(&folder.join(name), format!("{value:#}\n").as_bytes())?;
        }
        Ok(())
    }
}
