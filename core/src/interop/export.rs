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
    if layout == Layout::Timm && architecture.settings.registers > 0 {
        without_class_position(&mut tensors)?;
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    // What transformers and timm expect of a file that PyTorch wrote.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    Ok(Exported { layout, tensors, metadata, files: config::files(recipe, &architecture, layout) })
}

/// timm gives positions to registers, or to patches alone: so the class token's goes into the token itself.
fn without_class_position(tensors: &mut [(String, HostTensor)]) -> Result<()> {
    let find = |name: &str| tensors.iter().position(|(other, _)| other == name);
    let (Some(class), Some(table)) = (find("cls_token"), find("pos_embed")) else { return Ok(()) };
    let [_, rows, width] = tensors[table].1.shape().array()?;
    let mut positions = tensors[table].1.clone().into_f32();
    let patches = positions.split_off(width);
    let token = tensors[class]
        .1
        .clone()
        .into_f32()
        .into_iter()
        .zip(positions)
        .map(|(token, at)| token + at)
        .collect();
    tensors[class].1 = HostTensor::f32([1, 1, width], token)?;
    tensors[table].1 = HostTensor::f32([1, rows - 1, width], patches)?;
    Ok(())
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
