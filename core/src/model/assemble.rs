//! Building a model from the parts that a recipe names.

use std::collections::BTreeMap;

use super::Model;
use crate::corruption::noise::{Combination, LevelEmbedding};
use crate::corruption::{self, Injection, Noise};
use crate::encoder::{EncoderEntry, ImageShape};
use crate::layer::Linear;
use crate::objective::ObjectiveEntry;
use crate::params::{Init, ParamSpecs};
use crate::recipe::Recipe;
use crate::restoration::{DecoderEntry, LevelEmbedder, Style};
use crate::{Error, Result, registry};

crate::settings! {
    /// `[restoration]`; its decoder is the table `[restoration.decoder]`.
    pub struct RestorationSettings {
        /// encoder: mask tokens go through the encoder; decoder: the encoder sees visible tokens only.
        style: Style = Style::Encoder;
    }
}

impl Model {
    /// Builds the parts that a recipe names.
    ///
    /// # Errors
    /// A mistake in the recipe, with its place and mend.
    pub fn build(recipe: &Recipe) -> Result<Self> {
        let mut specs = ParamSpecs::default();
        let image: ImageShape = [recipe.data.channels, recipe.data.image_size, recipe.data.image_size];
        let (kind, section) = recipe.encoder.clone().kind()?;
        let entry = registry::find::<EncoderEntry>("encoder", &kind)?;
        let encoder = (entry.build)(&section, image, &mut specs)?;
        let geometry = *encoder.geometry();

        let RestorationSettings { style } = recipe.restoration.clone().without(&["decoder"]).read()?;
        let (kind, section) = recipe.restoration.section("decoder")?.kind()?;
        let entry = registry::find::<DecoderEntry>("decoder", &kind)?;
        let decoder = (entry.build)(&section, &geometry, style, &mut specs)?;

        let (kind, section) = recipe.corruption.clone().kind()?;
        let corruption = corruption::find(&kind)?.build(&section)?;
        corruption.check(&geometry).map_err(|e| e.locate(|key| recipe.corruption.place(key)))?;

        let noise = recipe.noise.as_ref().map(Noise::build).transpose()?;
        let noise_at = noise.as_ref().map(|noise| noise.settings.at);
        let injection = corruption.injection(noise_at)?.or(noise_at);
        let mut objectives = vec![];
        for name in recipe.objective.sections() {
            let (kind, section) = recipe.objective.section(&name)?.kind()?;
            let entry = registry::find::<ObjectiveEntry>("objective", &kind)?;
            objectives.push((name, (entry.build)(&section)?));
        }
        let mut model = Self {
            encoder,
            specs,
            corruption,
            noise,
            injection,
            style,
            mask_token: None,
            level: None,
            decoder,
            heads: BTreeMap::new(),
            objectives,
            seed: recipe.run.seed,
        };
        model.check(recipe)?;
        model.declare_rest(recipe)?;
        Ok(model)
    }

    /// Checks what no part can see alone.
    fn check(&self, recipe: &Recipe) -> Result<()> {
        let geometry = self.encoder.geometry();
        if self.corruption.mixes() && recipe.train.accumulate > 1 {
            return Err(Error::user("the strategy mixes images, so a batch can't be split")
                .at("`train.accumulate`")
                .mend("set train.accumulate = 1 and train.batch to what fits"));
        }
        if self.style == Style::Decoder {
            self.encoder.check_drop().map_err(|e| e.locate(|key| recipe.encoder.place(key)))?;
        }
        for (name, objective) in &self.objectives {
            let place = recipe.objective.place(name);
            objective
                .check(geometry, self.style == Style::Encoder)
                .map_err(|e| e.locate(|key| recipe.objective.place(&format!("{name}.{key}"))))?;
            if objective.needs_pixel_noise() && self.injection.is_none() {
                return Err(Error::user("its target is made of pixel noise, and the recipe has none")
                    .at(place)
                    .mend("add a table [noise]"));
            }
            if objective.reads_visible() && self.decoder.dropped_only() {
                return Err(Error::user("looks at visible tokens, which this decoder doesn't restore")
                    .at(place)
                    .mend("set on = \"masked\""));
            }
        }
        let place = || recipe.noise.as_ref().unwrap_or(&recipe.corruption).place("at");
        let substitutive =
            self.noise.as_ref().is_some_and(|noise| noise.settings.combination == Combination::Substitutive);
        let Some(injection) = self.injection else { return Ok(()) };
        match injection {
            Injection::Block(k) if k >= geometry.depth => {
                Err(Error::user(format!("block {k} is not among the {} blocks", geometry.depth))
                    .at(place())
                    .mend(format!("choose block:0 to block:{}", geometry.depth - 1)))
            }
            Injection::Block(_) | Injection::Embedding if self.style == Style::Decoder && substitutive => {
                Err(Error::user("an encoder that drops masked tokens can't noise them")
                    .at(place())
                    .mend("set noise.at = \"pixels\" or restoration.style = \"encoder\""))
            }
            _ => Ok(()),
        }
    }

    /// Declares mask token, level embedding and prediction heads.
    fn declare_rest(&mut self, recipe: &Recipe) -> Result<()> {
        let geometry = *self.encoder.geometry();
        let init = Init::TruncatedNormal(0.02);
        if self.style == Style::Encoder {
            self.mask_token =
                Some(self.specs.declare("mask_token", [1, 1, geometry.dim], init.clone(), false));
        }
        if let Some(noise) = &self.noise
            && noise.settings.embedding != LevelEmbedding::None
        {
            let width = match noise.settings.embedded_in {
                Style::Encoder => geometry.dim,
                Style::Decoder => self.decoder.width(),
            };
            self.level = Some(LevelEmbedder::new(&mut self.specs, width));
        }
        let mut widths: BTreeMap<String, usize> = BTreeMap::new();
        for (name, objective) in &self.objectives {
            if let Some(head) = objective.head(&geometry) {
                let width = *widths.entry(head.name.clone()).or_insert(head.width);
                if width != head.width {
                    return Err(Error::user(format!(
                        "head `{}` would need {width} and {} values per token",
                        head.name, head.width
                    ))
                    .at(recipe.objective.place(&format!("{name}.head")))
                    .mend("name another head"));
                }
            }
        }
        for (name, width) in widths {
            let head = Linear::new(
                &mut self.specs,
                &format!("heads.{name}"),
                self.decoder.width(),
                width,
                init.clone(),
            );
            self.heads.insert(name, head);
        }
        Ok(())
    }
}
