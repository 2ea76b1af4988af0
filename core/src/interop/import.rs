//! Weights of a file as a model's initial values.

use std::collections::BTreeMap;

use super::form::Form;
use super::names::{Entry, Own, Part, entries};
use super::{Architecture, Layout, Source};
use crate::encoder::resample_positions;
use crate::error::nearest;
use crate::model::Model;
use crate::params::ParamSpec;
use crate::recipe::{InitPositions, Recipe};
use crate::tensor::{HostTensor, Shape};
use crate::{Error, Result};

/// Values for every parameter, and what the user may want to know.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Values in the order of the model's parameters.
    pub values: Vec<HostTensor>,
    /// One sentence each: what the file lacks, and what of it was passed over.
    pub notes: Vec<String>,
}

/// The values of a file for a recipe's model; what the file has no part for keeps its value of `initial`.
///
/// # Errors
/// A name that is missing, unknown or of another shape, each with the nearest valid name; positions of
/// another grid, unless the recipe asks to resample them.
pub fn import(source: &Source, recipe: &Recipe, model: &Model, initial: Vec<HostTensor>) -> Result<Imported> {
    let specs = model.specs.specs();
    let architecture = Architecture::of(recipe, model)?;
    let list = match source.layout {
        Layout::Own => specs.iter().map(own_entry).collect(),
        layout => {
            if let Some((what, settings)) = layout.lacks(&architecture) {
                return Err(Error::user(format!("{} has no place for {what}", layout.owner()))
                    .at(source.path.display())
                    .help(format!("set {settings}")));
            }
            entries(layout, &architecture)
        }
    };
    let mut matching = Matching {
        left: source.tensors.clone(),
        known: list.iter().flat_map(|entry| entry.theirs.clone()).collect(),
        problems: vec![],
        help: None,
        architecture: &architecture,
        resample: recipe.run.init_positions == InitPositions::Resample,
    };
    let mut values = initial;
    let mut notes = vec![];
    let has_decoder = list.iter().any(|entry| entry.part == Part::Decoder && matching.has_any(entry));
    let mut set = vec![false; specs.len()];
    for entry in &list {
        let optional = match entry.part {
            Part::Encoder => false,
            Part::Decoder => !has_decoder,
            Part::Rest => !matching.has_any(entry),
        };
        if optional {
            continue;
        }
        let index = entry.own.name().and_then(|name| specs.iter().position(|spec| spec.name == name));
        let shape = index.map(|i| specs[i].shape.clone());
        if let (Some(value), Some(index)) = (matching.take(entry, shape)?, index) {
            values[index] = value;
            set[index] = true;
        }
    }
    matching.judge_rest(source.layout);
    let unset: Vec<String> =
        specs.iter().zip(set).filter(|(_, set)| !set).map(|(spec, _)| spec.name.clone()).collect();
    if !unset.is_empty() {
        notes.push(format!("{} start from the seed: the file has none of them", listed(&unset)));
    }
    let over: Vec<String> = matching.left.keys().cloned().collect();
    if !over.is_empty() {
        notes.push(format!("{} of the file have no part in this recipe and were passed over", listed(&over)));
    }
    matching.finish(source)?;
    Ok(Imported { values, notes })
}

/// A parameter under its own name.
fn own_entry(spec: &ParamSpec) -> Entry {
    let name = spec.name.clone();
    let part = if name.starts_with("decoder.") {
        Part::Decoder
    } else if ["heads.", "mask_token", "level_embed."].iter().any(|prefix| name.starts_with(prefix)) {
        Part::Rest
    } else {
        Part::Encoder
    };
    let own = if name == "pos_embed" { Own::Positions(name.clone()) } else { Own::Parameter(name.clone()) };
    Entry { own, theirs: vec![name], form: Form::Same, part }
}

/// Matches the names of a file with those that a layout has for a model.
struct Matching<'a> {
    left: BTreeMap<String, HostTensor>,
    known: Vec<String>,
    problems: Vec<String>,
    help: Option<&'static str>,
    architecture: &'a Architecture,
    resample: bool,
}

impl Matching<'_> {
    fn has_any(&self, entry: &Entry) -> bool {
        entry.theirs.iter().any(|name| self.left.contains_key(name))
    }

    /// The value of an entry, out of the file; `None` where there is a problem, which is noted, or the
    /// entry is a fixed table.
    fn take(&mut self, entry: &Entry, own: Option<Shape>) -> Result<Option<HostTensor>> {
        let mut stored = vec![];
        for name in &entry.theirs {
            match self.left.remove(name) {
                Some(tensor) => {
                    if !tensor.is_finite() {
                        self.problems.push(format!("`{name}` has values that are not finite"));
                        self.help.get_or_insert("give weights of a run that has not diverged");
                    }
                    stored.push(tensor);
                }
                None => self.missing(name),
            }
        }
        if stored.len() < entry.theirs.len() {
            return Ok(None);
        }
        match (&entry.own, own) {
            (Own::Fixed { table, width }, _) => {
                self.compare(&entry.theirs[0], &stored[0], table, *width, entry.part);
                Ok(None)
            }
            (Own::Positions(_), Some(own)) => self.positions(&entry.theirs[0], stored.remove(0), &own),
            (_, Some(own)) => {
                let shapes = entry.form.shapes(&own);
                let before = self.problems.len();
                for ((name, tensor), shape) in entry.theirs.iter().zip(&stored).zip(&shapes) {
                    if tensor.shape() != shape {
                        self.problems.push(format!("`{name}` is {} but must be {shape}", tensor.shape()));
                    }
                }
                if self.problems.len() > before {
                    return Ok(None);
                }
                entry.form.put_together(&own, stored).map(Some)
            }
            (_, None) => Ok(None),
        }
    }

    fn missing(&mut self, name: &str) {
        let valid = self.left.keys().filter(|other| !self.known.contains(other)).map(String::as_str);
        let near = nearest(name, valid).map(|near| format!(" (nearest: `{near}`)")).unwrap_or_default();
        self.problems.push(format!("`{name}` is missing{near}"));
        let help = match name {
            _ if name.contains("rel_pos_bias") => "set encoder.relative_bias = false",
            _ if name.contains("gamma") => "set encoder.layer_scale = 0",
            _ if name.contains("cls_token") => "set encoder.class_token = false",
            _ if name.contains("pos") && self.problems.len() == 1 => "set encoder.position = \"none\"",
            _ => return,
        };
        self.help.get_or_insert(help);
    }

    /// A learned table, for the model's own grid.
    fn positions(&mut self, name: &str, stored: HostTensor, own: &Shape) -> Result<Option<HostTensor>> {
        if stored.shape() == own {
            return Ok(Some(HostTensor::f32(own.clone(), stored.into_f32())?));
        }
        let geometry = &self.architecture.geometry;
        let (dims, [_, rows, width]) = (stored.shape().to_vec(), own.array()?);
        let theirs = dims.get(1).and_then(|rows| rows.checked_sub(geometry.prefix)).unwrap_or_default();
        let side = theirs.isqrt();
        if dims.len() != 3 || dims[2] != width || side * side != theirs || side == 0 {
            self.problems.push(format!("`{name}` is {} but must be {own}", stored.shape()));
            return Ok(None);
        }
        let to = (geometry.grid_h(), geometry.grid_w());
        if !self.resample {
            self.problems.push(format!(
                "`{name}` is for {side} x {side} patches, and the model has {} x {}",
                to.0, to.1
            ));
            self.help.get_or_insert(
                "set init_positions = \"resample\", or data.image_size and encoder.patch to the file's",
            );
            return Ok(None);
        }
        let table = resample_positions(&stored.into_f32(), width, geometry.prefix, (side, side), to);
        Ok(Some(HostTensor::f32([1, rows, width], table)?))
    }

    /// Whether the file's positions are the fixed table that the model computes.
    fn compare(&mut self, name: &str, stored: &HostTensor, table: &[f32], width: usize, part: Part) {
        // Half floats round sines to 5e-4; another table differs by far more.
        const ROUNDING: f32 = 1e-3;
        let values = stored.clone().into_f32();
        let shape = Shape::from([1, table.len() / width, width]);
        if stored.shape() != &shape {
            if part == Part::Decoder && self.resample {
                return;
            }
            self.problems.push(format!("`{name}` is {} but must be {shape}", stored.shape()));
            let help = "set init_positions = \"resample\" and encoder.position = \"learned\", or data.image_size and encoder.patch to the file's";
            self.help.get_or_insert(help);
            return;
        }
        let worst = values.iter().zip(table).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        if worst.is_nan() || worst > ROUNDING {
            self.problems.push(format!(
                "`{name}` is no sine-cosine table: it differs by {worst:.2} from the one that the model computes"
            ));
            self.help.get_or_insert("set encoder.position = \"learned\"");
        }
    }

    /// Sorts what the file has left: parts that a recipe may do without stay, the rest are problems.
    fn judge_rest(&mut self, layout: Layout) {
        let spare = |name: &str| {
            let prefixes: &[&str] = match layout {
                Layout::Own => &["decoder.", "heads.", "mask_token", "level_embed."],
                Layout::Timm => &["head."],
                Layout::HfVit => &["pooler.", "classifier."],
                Layout::HfMae => &["decoder."],
                Layout::Mae => &["decoder_", "mask_token"],
            };
            prefixes.iter().any(|prefix| name.starts_with(prefix))
        };
        let spare_decoder = self.architecture.decoder.is_none() || !layout.has_decoder();
        let unknown: Vec<String> = self
            .left
            .keys()
            .filter(|name| !spare(name) || (!spare_decoder && layout.has_decoder()))
            .cloned()
            .collect();
        for name in unknown {
            let near = nearest(&name, self.known.iter().map(String::as_str));
            let near = near.map(|near| format!(" (nearest: `{near}`)")).unwrap_or_default();
            self.problems.push(format!("`{name}` is not known{near}"));
            self.left.remove(&name);
            let help = match name.as_str() {
                "cls_token" | "embeddings.cls_token" => "set encoder.class_token = true",
                name if name.contains("rel_pos_bias") => "set encoder.relative_bias = true",
                name if name.contains(".gamma") => "set encoder.layer_scale above 0",
                name if name.contains("blocks.") || name.contains("layer.") => {
                    "set encoder.depth to the file's number of blocks"
                }
                name if name.contains("pos") => "set encoder.position = \"learned\"",
                _ => continue,
            };
            self.help.get_or_insert(help);
        }
    }

    fn finish(self, source: &Source) -> Result<()> {
        const SHOWN: usize = 4;
        if self.problems.is_empty() {
            return Ok(());
        }
        let shown = self.problems.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let more = self.problems.len().saturating_sub(SHOWN);
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        let help = self.help.unwrap_or("set the encoder's sizes to the file's");
        Err(Error::user(format!(
            "the weights, as {} names them, don't fit: {shown}{tail}",
            source.layout.owner()
        ))
        .at(source.path.display())
        .help(help))
    }
}

/// Up to three names, and how many more.
fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
