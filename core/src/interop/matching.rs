//! Matches the names of a file with those that a layout has for a model.

use std::collections::BTreeMap;

use super::described::{from_sincos, is_rounding, side};
use super::form::Form;
use super::names::{Entry, Own};
use super::{Architecture, Layout, Source};
use crate::encoder::{resample_positions, resized_positions};
use crate::error::nearest;
use crate::params::ParamSpec;
use crate::tensor::{HostTensor, Shape};
use crate::{Error, Result};

/// What of a file is matched yet.
pub(super) struct Matching<'a> {
    source: &'a Source,
    left: BTreeMap<String, HostTensor>,
    known: Vec<String>,
    problems: Vec<String>,
    without_biases: Option<String>,
    architecture: &'a Architecture,
    resample: bool,
}

impl<'a> Matching<'a> {
    pub(super) fn new(
        source: &'a Source,
        list: &[Entry],
        architecture: &'a Architecture,
        resample: bool,
    ) -> Self {
        let known = list.iter().flat_map(|entry| entry.theirs.clone()).collect();
        let left = source.tensors.clone();
        Self { source, left, known, problems: vec![], without_biases: None, architecture, resample }
    }

    pub(super) fn has_any(&self, entry: &Entry) -> bool {
        entry.theirs.iter().any(|name| self.left.contains_key(name))
    }

    /// The names that nothing has taken.
    pub(super) fn left(&self) -> impl Iterator<Item = &String> {
        self.left.keys()
    }

    /// A bias of the projection to queries, keys and values that the file has none of.
    pub(super) fn without_biases(&self) -> Option<&str> {
        self.without_biases.as_deref()
    }

    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    pub(super) fn take_problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.problems)
    }

    /// What of the file's decoder nothing has taken.
    pub(super) fn rest_of_decoder(&self) -> Vec<String> {
        let prefix = if self.source.layout == Layout::Mae { "decoder_" } else { "decoder." };
        self.left.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// The values of these entries with the numbers of their parameters. What doesn't fit is noted as a problem.
    pub(super) fn take_all<'e>(
        &mut self,
        entries: impl IntoIterator<Item = &'e Entry>,
        specs: &[ParamSpec],
    ) -> Result<Vec<(usize, HostTensor)>> {
        let mut taken = vec![];
        for entry in entries {
            let index = entry.own.name().and_then(|name| specs.iter().position(|spec| spec.name == name));
            let shape = index.map(|i| specs[i].shape.clone());
            if let (Some(value), Some(index)) = (self.take(entry, shape)?, index) {
                taken.push((index, value));
            }
        }
        Ok(taken)
    }

    /// The value of an entry, out of the file; `None` where there is a problem, which is noted, or the
    /// entry is a fixed table.
    fn take(&mut self, entry: &Entry, own: Option<Shape>) -> Result<Option<HostTensor>> {
        let mut stored = vec![];
        for name in &entry.theirs {
            if let Some(tensor) = self.left.remove(name) {
                stored.push(tensor);
            } else if let Some(own) = own.as_ref().filter(|_| entry.is_qkv_bias() && self.in_no_block(name)) {
                self.without_biases.get_or_insert_with(|| name.clone());
                let shape = entry.form.shapes(own).swap_remove(0);
                stored.push(HostTensor::f32(shape.clone(), vec![0.0; shape.count()])?);
            } else {
                self.missing(name);
            }
        }
        if stored.len() < entry.theirs.len() {
            return Ok(None);
        }
        for (name, tensor) in entry.theirs.iter().zip(&stored) {
            if !tensor.clone().into_f32().iter().all(|value| value.is_finite()) {
                self.problems.push(format!("`{name}` holds a value that is not finite"));
                return Ok(None);
            }
        }
        match (&entry.own, own) {
            (Own::Fixed { table, width }, _) => {
                self.compare(&entry.theirs[0], &stored[0], table, *width);
                Ok(None)
            }
            (Own::Positions(_), Some(own)) => self.positions(&entry.theirs[0], stored.remove(0), &own),
            (Own::Parameter(name), Some(own)) => {
                if self.resample
                    && entry.form == Form::Same
                    && stored[0].shape() != &own
                    && let Some(resized) = resized_positions(name, &stored[0], &own)?
                {
                    return Ok(Some(resized));
                }
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
            (Own::Parameter(_) | Own::Positions(_), None) => Ok(None),
        }
    }

    /// Whether no block of the file has what this one lacks.
    fn in_no_block(&self, name: &str) -> bool {
        let within = name.find(".att").map(|at| &name[at..]);
        within.is_some_and(|part| !self.source.tensors.keys().any(|name| name.ends_with(part)))
    }

    fn missing(&mut self, name: &str) {
        let valid = self.left.keys().filter(|other| !self.known.contains(other)).map(String::as_str);
        let near = nearest(name, valid).map(|near| format!(" (nearest: `{near}`)")).unwrap_or_default();
        self.problems.push(format!("`{name}` is missing{near}"));
    }

    /// A learned table, for the model's own grid.
    fn positions(&mut self, name: &str, stored: HostTensor, own: &Shape) -> Result<Option<HostTensor>> {
        let geometry = &self.architecture.geometry;
        let [_, rows, width] = own.array()?;
        let dims = stored.shape().to_vec();
        let class = usize::from(geometry.has_class_token());
        let side = side(&stored, class);
        let (Some(side), true) = (side, dims.get(2) == Some(&width)) else {
            self.problems.push(format!("`{name}` is {} but must be {own}", stored.shape()));
            return Ok(None);
        };
        let mut table = stored.into_f32();
        if side * side == dims[1] && class > 0 {
            // Positions of the patches alone (DeiT III, DINOv2 with registers in timm): the class token's is nothing.
            table.splice(0..0, std::iter::repeat_n(0.0, width));
        }
        let to = (geometry.grid_h(), geometry.grid_w());
        if to != (side, side) {
            if !self.resample {
                self.problems.push(format!(
                    "`{name}` is for {side} x {side} patches, and the model has {} x {}",
                    to.0, to.1
                ));
                return Ok(None);
            }
            table = resample_positions(self.source.resampling, &table, width, class, (side, side), to);
        }
        Ok(Some(HostTensor::f32([1, rows, width], table)?))
    }

    /// Whether the file's positions are the fixed table that the model computes.
    fn compare(&mut self, name: &str, stored: &HostTensor, table: &[f32], width: usize) {
        let shape = Shape::from([1, table.len() / width, width]);
        if stored.shape() != &shape {
            self.problems.push(format!("`{name}` is {} but must be {shape}", stored.shape()));
            return;
        }
        let worst = from_sincos(stored, table);
        if !is_rounding(worst) {
            self.problems.push(format!(
                "`{name}` is no sine-cosine table: it differs by {worst:.2} from the one that the model computes"
            ));
        }
    }

    /// Sorts what the file has left: parts that a recipe may do without stay, the rest are problems.
    pub(super) fn judge_rest(&mut self) {
        let prefixes: &[&str] = match self.source.layout {
            Layout::Own => &["decoder.", "heads.", "mask_token", "level_embed."],
            Layout::Timm | Layout::Beit => {
                &["head.", "head_dist.", "fc_norm.", "attn_pool.", "mask_token", "lm_head.", "decoder.0."]
            }
            Layout::HfVit => &["pooler.", "classifier.", "decoder.0.", "embeddings.mask_token", "lm_head."],
            Layout::HfDinov3 => &["embeddings.mask_token"],
            Layout::HfMae => &["decoder.", "vit.embeddings.mask_token"],
            Layout::Mae => &["decoder_", "mask_token", "head.", "fc_norm."],
        };
        let spare = |name: &str| {
            prefixes.iter().any(|prefix| name.starts_with(prefix))
                || name.ends_with("relative_position_index")
        };
        let unknown: Vec<&String> = self.left.keys().filter(|name| !spare(name)).collect();
        for name in unknown {
            let near = nearest(name, self.known.iter().map(String::as_str));
            let near = near.map(|near| format!(" (nearest: `{near}`)")).unwrap_or_default();
            self.problems.push(format!("`{name}` is not known{near}"));
        }
    }

    /// Tells the problems, with the settings that fit the file.
    pub(super) fn finish(&self, settings: impl FnOnce() -> Vec<String>) -> Result<()> {
        const SHOWN: usize = 4;
        if self.problems.is_empty() {
            return Ok(());
        }
        let shown = self.problems.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let more = self.problems.len().saturating_sub(SHOWN);
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        let settings = settings();
        let help = if settings.is_empty() {
            "give a whole file of weights that have not diverged; the recipe's sizes are the file's"
                .to_owned()
        } else {
            format!("set {}", settings.join(" "))
        };
        Err(Error::user(format!(
            "the weights, as {} names them, don't fit: {shown}{tail}",
            self.source.layout.owner()
        ))
        .at(self.source.path.display())
        .help(help))
    }
}
