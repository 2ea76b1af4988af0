//! Building a model from the parts that a recipe names.

use std::collections::BTreeMap;

use super::Model;
use crate::corruption::noise::EmbeddedIn;
use crate::corruption::noise::TimestepEmbedding;
use crate::corruption::{self, Noise, NoiseSite};
use crate::encoder::{EncoderEntry, ImageShape};
use crate::layer::Linear;
use crate::objective::{Needs, ObjectiveEntry};
use crate::params::{Init, ParamSpecs};
use crate::recipe::Recipe;
use crate::restoration::{DecoderEntry, MaskTokens, TimestepEmbedder};
use crate::teacher::TeacherSource;
use crate::{Error, Result, registry};

crate::settings! {
    /// `[restoration]`; its decoder is the table `[restoration.decoder]`.
    pub struct RestorationSettings {
        /// encoder: mask tokens go through the encoder; decoder: the encoder sees visible tokens only.
        style: MaskTokens = MaskTokens::InEncoder;
    }
}

impl Model {
    /// Builds the parts that a recipe names.
    ///
    /// # Errors
    /// A mistake in the recipe, with its location and help.
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
        corruption.check(&geometry).map_err(|e| e.locate(|key| recipe.corruption.location(key)))?;

        let noise = recipe.noise.as_ref().map(Noise::build).transpose()?;
        let settings = noise.as_ref().map(|noise| &noise.settings);
        let site = NoiseSite::resolve(&*corruption, settings, style, geometry.depth)
            .map_err(|e| e.locate(|key| recipe.noise.as_ref().unwrap_or(&recipe.corruption).location(key)))?;
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
            site,
            style,
            mask_token: None,
            timestep: None,
            decoder,
            heads: BTreeMap::new(),
            objectives,
            needs: Needs::default(),
            seed: recipe.run.seed,
        };
        model.check(recipe)?;
        model.needs = model.merged_needs(recipe)?;
        if model.needs.target.average() && recipe.train.ema == 0.0 {
            return Err(Error::user("a target's teacher is the average of the weights, and none is kept")
                .at("`train.ema`")
                .help("set train.ema to its decay, as 0.996"));
        }
        model.declare_rest();
        Ok(model)
    }

    /// Checks what no part can see alone.
    fn check(&self, recipe: &Recipe) -> Result<()> {
        if self.corruption.mixes() && recipe.train.accumulate > 1 {
            return Err(Error::user("the strategy mixes images, so a batch can't be split")
                .at("`train.accumulate`")
                .help("set train.accumulate = 1 and train.batch to what fits"));
        }
        match self.style {
            MaskTokens::InEncoder => Ok(()),
            MaskTokens::InDecoder => {
                self.encoder.check_drop().map_err(|e| e.locate(|key| recipe.encoder.location(key)))
            }
        }
    }

    /// What all objectives need, each checked against what the other parts give.
    fn merged_needs(&self, recipe: &Recipe) -> Result<Needs> {
        let mut all = Needs::default();
        for (name, objective) in &self.objectives {
            let within = |key: &str| recipe.objective.location(&format!("{name}.{key}"));
            objective
                .check(self.geometry(), self.style == MaskTokens::InEncoder)
                .map_err(|e| e.locate(within))?;
            let needs = objective.needs(self.geometry(), self.site);
            self.check_needs(&needs).map_err(|e| e.at(recipe.objective.location(name)))?;
            all.merge(needs).map_err(|e| e.locate(within))?;
        }
        if self.style == MaskTokens::InDecoder {
            // An encoder that drops masked tokens has no attention between them and others.
            (all.attention, all.separate) = (None, None);
        }
        Ok(all)
    }

    fn check_needs(&self, needs: &Needs) -> Result<()> {
        let depth = self.geometry().depth;
        if needs.target.pixel_noise && self.site == NoiseSite::Nowhere {
            return Err(Error::user("its target is made of pixel noise, and the recipe has none")
                .help("add a table [noise]"));
        }
        if needs.visible && self.decoder.dropped_only() {
            return Err(Error::user("looks at visible tokens, which this decoder doesn't restore")
                .help("set on = \"masked\""));
        }
        // What a file's encoder has is its target's to check.
        let own = needs.target.teacher.iter().filter(|layer| layer.source == TeacherSource::Average);
        if let Some(blocks) = own.map(|layer| layer.blocks).find(|&blocks| blocks == 0 || blocks > depth) {
            return Err(Error::user(format!("its target looks at block {blocks} of {depth}"))
                .help(format!("choose 1 to {depth}")));
        }
        Ok(())
    }

    /// Declares mask token, timestep embedding and prediction heads.
    fn declare_rest(&mut self) {
        let dim = self.geometry().dim;
        let init = Init::TruncatedNormal(0.02);
        if self.style == MaskTokens::InEncoder {
            self.mask_token = Some(self.specs.declare("mask_token", [1, 1, dim], init.clone(), false));
        }
        if let Some(noise) = &self.noise
            && noise.settings.embedding != TimestepEmbedding::None
        {
            let width = match noise.settings.embedded_in {
                EmbeddedIn::Encoder => dim,
                EmbeddedIn::Decoder => self.decoder.width(),
            };
            self.timestep = Some(TimestepEmbedder::new(&mut self.specs, width));
        }
        for (name, &width) in &self.needs.heads {
            let of = format!("heads.{name}");
            let head = Linear::new(&mut self.specs, &of, self.decoder.width(), width, init.clone());
            self.heads.insert(name.clone(), head);
        }
    }
}
