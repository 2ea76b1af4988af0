//! What other libraries must know of a recipe's model: sizes, and which parts it has.

use crate::encoder::{PositionKind, VitSettings};
use crate::geometry::Geometry;
use crate::model::Model;
use crate::objective::kind::reconstruction::ReconstructionSettings;
use crate::params::ParamSpec;
use crate::recipe::Recipe;
use crate::settings::Section;
use crate::{Error, Result};

/// A vision transformer, and the decoder that MAE's layouts hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Images, patches and extents.
    pub geometry: Geometry,
    /// Width of the blocks' hidden layer.
    pub hidden: usize,
    /// Whether residual branches have gains.
    pub layer_scale: bool,
    /// Whether the blocks share a relative position bias.
    pub relative_bias: bool,
    /// Absolute positions.
    pub position: PositionKind,
    /// The encoder's settings, for its other parts.
    pub settings: VitSettings,
    /// The encoder's parameters, in the order of the model.
    pub parameters: Vec<String>,
    /// The decoder, where it is a transformer over visible and mask tokens.
    pub decoder: Option<DecoderShape>,
    /// Why there is none that MAE's layouts hold.
    pub no_decoder: &'static str,
}

/// A transformer decoder with its prediction of pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderShape {
    /// Width of a token.
    pub dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// The prediction head's name.
    pub head: String,
    /// Whether it predicts pixels normalised by patch.
    pub normalized: bool,
}

impl Architecture {
    /// The architecture of a recipe's model.
    ///
    /// # Errors
    /// An encoder that is no vision transformer.
    pub fn of(recipe: &Recipe, model: &Model) -> Result<Self> {
        let (kind, section) = recipe.encoder.clone().kind()?;
        if kind != "vit" {
            return Err(Error::user(format!("the encoder is of kind `{kind}`"))
                .at(recipe.encoder.location("kind"))
                .help("exchange encoders of kind `vit`; other libraries know no other"));
        }
        let settings: VitSettings = section.read()?;
        let specs = model.specs.specs();
        let (decoder, no_decoder) = match decoder(recipe, specs) {
            Ok(decoder) => (Some(decoder), ""),
            Err(why) => (None, why),
        };
        Ok(Self {
            geometry: *model.geometry(),
            hidden: second_extent(specs, "blocks.0.mlp.fc2.weight").unwrap_or_default(),
            layer_scale: settings.layer_scale > 0.0,
            relative_bias: settings.relative_bias,
            position: settings.position,
            parameters: specs
                .iter()
                .map(|spec| &spec.name)
                .filter(|name| is_encoders(name))
                .cloned()
                .collect(),
            settings,
            decoder,
            no_decoder,
        })
    }
}

/// The decoder that MAE's layouts hold, or why there is none.
fn decoder(recipe: &Recipe, specs: &[ParamSpec]) -> Result<DecoderShape, &'static str> {
    let section = recipe.restoration.section("decoder").and_then(Section::kind);
    let Ok((kind, section)) = section else { return Err("the recipe has no decoder") };
    if kind != "transformer" {
        return Err("the decoder is no transformer over visible and mask tokens");
    }
    let Some(dim) = extent(specs, "decoder.embed.weight") else { return Err("the recipe has no decoder") };
    if extent(specs, "decoder.mask_token").is_none() {
        return Err("mask tokens go through the encoder (restoration.style = \"encoder\")");
    }
    if specs.iter().any(|spec| spec.name.starts_with("level_embed.")) {
        return Err("the noise level is embedded");
    }
    let mut heads = recipe.objective.sections().into_iter().filter_map(|name| pixel_head(recipe, &name));
    let Some((head, normalized)) = heads.next() else { return Err("no objective restores pixels") };
    if heads.any(|(other, _)| other != head) {
        return Err("several heads restore pixels");
    }
    Ok(DecoderShape {
        dim,
        depth: (0..)
            .take_while(|i| extent(specs, &format!("decoder.blocks.{i}.norm1.weight")).is_some())
            .count(),
        heads: section.table().get("heads").and_then(toml::Value::as_integer).unwrap_or(16) as usize,
        head,
        normalized,
    })
}

/// The head of an objective that restores the pixels of a patch, and whether they are normalised.
fn pixel_head(recipe: &Recipe, name: &str) -> Option<(String, bool)> {
    let (kind, section) = recipe.objective.section(name).ok()?.kind().ok()?;
    let (target, _) = section.section("target").ok()?.kind().ok()?;
    if kind != "reconstruction" || !["pixels", "normalized-pixels"].contains(&target.as_str()) {
        return None;
    }
    let settings: ReconstructionSettings = section.without(&["target"]).read().ok()?;
    let normalized = target == "normalized-pixels";
    Some((if settings.head.is_empty() { target } else { settings.head }, normalized))
}

/// Whether a parameter is the encoder's.
pub(super) fn is_encoders(name: &str) -> bool {
    !["decoder.", "heads.", "mask_token", "level_embed."].iter().any(|prefix| name.starts_with(prefix))
}

/// The second extent of a parameter.
fn second_extent(specs: &[ParamSpec], name: &str) -> Option<usize> {
    specs.iter().find(|spec| spec.name == name)?.shape.dims().get(1).copied()
}

/// The first extent of a parameter.
fn extent(specs: &[ParamSpec], name: &str) -> Option<usize> {
    specs.iter().find(|spec| spec.name == name)?.shape.dims().first().copied()
}
