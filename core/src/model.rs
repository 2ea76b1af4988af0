//! A recipe's parts put together: encoder, corruption, restoration and objectives, and what one
//! training step computes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::backend::NoGrad;
use crate::corruption::noise::{LevelEmbedding, NoiseValues, normal_values};
use crate::corruption::{
    self, Application, Corruption, CorruptionPlan, Injection, Noise, Observation, PlanRequest, Role,
};
use crate::data::Batch;
use crate::encoder::{
    AttentionTap, BlockContext, DropPath, Encoder, EncoderEntry, ImageShape, Probabilities, patchify,
};
use crate::geometry::Geometry;
use crate::layer::Linear;
use crate::objective::{
    AttentionStatistics, Objective, ObjectiveEntry, StepOutput, TokenWeights, first_corrupted_block,
};
use crate::params::{Init, ParamId, ParamSpecs, Params};
use crate::recipe::Recipe;
use crate::restoration::{Decoder, DecoderEntry, Dropped, LevelEmbedder, Restorable, Style};
use crate::tensor::{DType, Place, Tensor};
use crate::{Error, Result, registry};

crate::settings! {
    /// `[restoration]`; its decoder is the table `[restoration.decoder]`.
    pub struct RestorationSettings {
        /// encoder: mask tokens go through the encoder; decoder: the encoder sees visible tokens only.
        style: Style = Style::Encoder;
    }
}

/// What is drawn at random for a tensor of noise; each draws from its own stream.
const PIXEL_DRAW: u64 = 1;
const TOKEN_DRAW: u64 = 2;

/// A recipe's parts, put together.
pub struct Model {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// All parameters: encoder, tokens, decoder and heads.
    pub specs: ParamSpecs,
    /// The corruption strategy.
    pub corruption: Box<dyn Corruption>,
    /// Noise, if the recipe has any.
    pub noise: Option<Noise>,
    injection: Option<Injection>,
    style: Style,
    mask_token: Option<ParamId>,
    level: Option<LevelEmbedder>,
    decoder: Box<dyn Decoder>,
    heads: BTreeMap<String, Linear>,
    objectives: Vec<(String, Box<dyn Objective>)>,
    seed: u64,
}

/// A named scalar of a step.
#[derive(Debug, Clone)]
pub struct NamedLoss {
    /// The objective's name in the recipe.
    pub name: String,
    /// The factor in the total.
    pub weight: f64,
    /// The loss, a scalar.
    pub value: Tensor,
}

/// What a step computes before anything is differentiated: the batch and plan as tensors.
pub struct Prepared<'a> {
    batch: &'a Batch,
    step: u64,
    /// The plan.
    pub plan: &'a CorruptionPlan,
    /// Clean patches [B, L, C*p*p].
    pub patches: Tensor,
    noised: Option<Tensor>,
    noise: Option<Tensor>,
    /// gain and noise factor of every encoder token, and its noise values, for noise on tokens
    token_noise: Option<[Tensor; 2]>,
    /// [B, L, 1], true where the mask token goes
    masked: Option<Tensor>,
    source: Option<Tensor>,
    dropped: Option<Dropped>,
    separation: Option<(Range<usize>, Tensor)>,
    drop_path: Option<DropPath>,
    weights: TokenWeights,
    observe: bool,
}

/// The products of a step's forward pass.
pub struct Forward {
    /// The objectives' losses, in the recipe's order.
    pub losses: Vec<NamedLoss>,
    /// Scalars that are logged without being minimised.
    pub metrics: Vec<(String, Tensor)>,
    /// Predictions by head, [B, L, width].
    pub predictions: BTreeMap<String, Tensor>,
}

impl Forward {
    /// The weighted sum of the losses.
    ///
    /// # Errors
    /// A recipe whose objectives have nothing to look at.
    pub fn total(&self) -> Result<Tensor> {
        let mut total: Option<Tensor> = None;
        for loss in self.losses.iter().filter(|loss| loss.weight != 0.0) {
            let term = loss.value.mul_scalar(loss.weight)?;
            total = Some(match total {
                Some(total) => total.add(&term)?,
                None => term,
            });
        }
        total.ok_or_else(|| {
            Error::user("no objective has anything to restore: nothing is masked or noised")
                .mend("raise corruption.ratio, or choose objectives with on = \"all\"")
        })
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
        let substitutive = self
            .noise
            .as_ref()
            .is_some_and(|noise| noise.settings.combination == corruption::noise::Combination::Substitutive);
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

    /// The extents.
    pub fn geometry(&self) -> &Geometry {
        self.encoder.geometry()
    }

    /// Where noise, or a strategy's operations, enter, if the recipe has any.
    pub fn injection(&self) -> Option<Injection> {
        self.injection
    }

    /// The prediction heads and their linear layers' names.
    pub fn heads(&self) -> impl Iterator<Item = &str> {
        self.heads.keys().map(String::as_str)
    }

    /// The plan of a batch at a step. `scores` are those of [`Model::scores`].
    ///
    /// # Errors
    /// The strategy's failure.
    pub fn plan(
        &self,
        batch: &Batch,
        step: u64,
        progress: f32,
        scores: Option<&[f32]>,
    ) -> Result<CorruptionPlan> {
        let request = PlanRequest { progress, scores, ..self.request(batch, step) };
        corruption::plan(&*self.corruption, self.noise.as_ref(), &request)
    }

    fn request(&self, batch: &Batch, step: u64) -> PlanRequest<'_> {
        PlanRequest {
            geometry: self.geometry(),
            batch: batch.len(),
            seed: self.seed,
            step,
            first_sample: batch.first_sample,
            progress: 0.0,
            scores: None,
        }
    }

    /// The scores [B, L] of a strategy that looks at features before it plans; `None` for one that
    /// doesn't. No gradient is recorded.
    ///
    /// # Errors
    /// The backend's or the strategy's failure.
    pub fn scores(&self, params: &Params, batch: &Batch) -> Result<Option<Vec<f32>>> {
        let Some(observation) = self.corruption.observes()? else { return Ok(None) };
        let place = params.place();
        let _quiet = NoGrad::new(&*place.backend);
        let images = place.floats(batch.shape, batch.pixels.clone(), params.dtype())?;
        let observed = self.observe(params, &patchify(&images, self.geometry())?, observation)?;
        let scores = self.corruption.score(&observed, self.geometry())?.cast(DType::F32)?;
        Ok(Some(scores.download()?.into_f32()))
    }

    /// What a strategy looks at, of clean patches [B, L, C*p*p].
    fn observe(&self, params: &Params, patches: &Tensor, observation: Observation) -> Result<Tensor> {
        let depth = self.geometry().depth;
        let numbered = |block: i32| {
            let from_front = if block < 0 { depth as i64 + i64::from(block) } else { i64::from(block) };
            usize::try_from(from_front).ok().filter(|&block| block < depth).ok_or_else(|| {
                Error::user(format!("the strategy looks at block {block} of an encoder with {depth} blocks"))
                    .at("`corruption.kind`")
            })
        };
        let enter = || self.encoder.assemble(params, &self.encoder.embed(params, patches)?, None);
        let run = |tokens, range, observe| {
            let tap = AttentionTap { differentiate: None, observe };
            self.encoder.blocks(params, tokens, range, &BlockContext { bias: None, drop_path: None, tap })
        };
        match observation {
            Observation::Pixels => Ok(patches.clone()),
            Observation::Embedding => self.encoder.embed(params, patches),
            Observation::Features(block) => Ok(run(enter()?, 0..numbered(block)? + 1, None)?.0),
            Observation::Attention(block) => {
                let block = numbered(block)?;
                let (_, mut probs) = run(enter()?, 0..block + 1, Some(block..block + 1))?;
                let last = probs.pop().ok_or_else(|| Error::failure("the encoder gave no attention"))?;
                Ok(last.values)
            }
        }
    }

    /// Uploads what a step needs that no gradient flows through. `training` draws drop path;
    /// `observe` also looks at attention where no objective asks for it.
    ///
    /// # Errors
    /// The backend's failure, or a batch that doesn't fit the model.
    pub fn prepare<'a>(
        &self,
        place: &Place,
        dtype: DType,
        batch: &'a Batch,
        plan: &'a CorruptionPlan,
        (step, training, observe): (u64, bool, bool),
    ) -> Result<Prepared<'a>> {
        let geometry = *self.geometry();
        let [b, l] = [batch.len(), geometry.tokens()];
        if batch.shape[1..] != [geometry.channels, geometry.height, geometry.width] {
            return Err(Error::failure(format!(
                "images of {:?} don't fit a model for {:?}",
                &batch.shape[1..],
                [geometry.channels, geometry.height, geometry.width]
            )));
        }
        let images = place.floats(batch.shape, batch.pixels.clone(), dtype)?;
        let patches = patchify(&images, &geometry)?;

        let factor = |values: &[f32]| place.floats([b, l, 1], values.to_vec(), dtype);
        let pixel_noise =
            plan.injection == Injection::Pixels || self.objectives.iter().any(|(_, o)| o.needs_pixel_noise());
        let (mut noised, mut noise) = (None, None);
        if pixel_noise && self.injection.is_some() {
            let shape = [b, l, geometry.patch_values()];
            let values = self.noise_values(place, dtype, batch, step, shape, PIXEL_DRAW)?;
            let (gain, scaled) = (factor(&plan.gain)?, values.mul(&factor(&plan.noise)?)?);
            let applied = match plan.injection {
                Injection::Pixels => self.corruption.apply(&Application {
                    request: PlanRequest { progress: plan.progress, ..self.request(batch, step) },
                    plan,
                    tokens: &patches,
                    prefix: 0,
                    kept: None,
                    noise: plan.has_noise().then_some([&gain, &scaled]),
                })?,
                _ => None,
            };
            noised = Some(match applied {
                Some(applied) => applied,
                None => patches.mul(&gain)?.add(&scaled)?,
            });
            noise = Some(values);
        }
        let masked_somewhere = plan.has_masked();
        let dropped = (self.style == Style::Decoder).then(|| dropped(plan, place)).transpose()?;
        let masked = (self.style == Style::Encoder && masked_somewhere && !plan.substitutive)
            .then(|| place.truths([b, l, 1], plan.roles.iter().map(|&role| role == Role::Masked).collect()))
            .transpose()?;
        let token_noise = (plan.injection != Injection::Pixels && plan.has_noise())
            .then(|| self.token_noise(place, dtype, batch, plan, step))
            .transpose()?;
        let source = plan
            .source
            .as_ref()
            .map(|source| place.indices([b * l], source.iter().map(|&s| i64::from(s)).collect()))
            .transpose()?;
        let depth = geometry.depth;
        let separate = self.objectives.iter().find_map(|(_, o)| o.separate(depth, self.injection()));
        let separation = match separate {
            Some(range) if self.style == Style::Encoder => {
                Some((range, separation(plan, &geometry, place, dtype)?))
            }
            _ => None,
        };
        let rate = self.encoder.drop_path();
        let drop_path = (training && rate > 0.0)
            .then(|| DropPath::draw(place, (self.seed, step, batch.first_sample), b, depth, rate, dtype))
            .transpose()?;
        Ok(Prepared {
            batch,
            step,
            plan,
            patches,
            noised,
            noise,
            token_noise,
            masked,
            source,
            dropped,
            separation,
            drop_path,
            weights: TokenWeights::new(plan, place, dtype)?,
            observe: observe && self.style == Style::Encoder && masked_somewhere,
        })
    }

    fn noise_values(
        &self,
        place: &Place,
        dtype: DType,
        batch: &Batch,
        step: u64,
        shape: [usize; 3],
        draw: u64,
    ) -> Result<Tensor> {
        match self.noise.as_ref().map(|noise| noise.settings.values) {
            Some(NoiseValues::Device) => place.random_normal(shape, dtype),
            _ => {
                let values =
                    normal_values(self.seed, step, batch.first_sample, shape[0], shape[1] * shape[2], draw);
                place.floats(shape, values, dtype)
            }
        }
    }

    /// gain [B, N, 1] and noise * eps [B, N, D] for the tokens where the noise enters: all patches
    /// before `assemble`, prefix and kept tokens at a block.
    fn token_noise(
        &self,
        place: &Place,
        dtype: DType,
        batch: &Batch,
        plan: &CorruptionPlan,
        step: u64,
    ) -> Result<[Tensor; 2]> {
        let geometry = self.geometry();
        let (mut gain, mut noise) = (vec![], vec![]);
        let at_block = matches!(plan.injection, Injection::Block(_));
        let kept = (at_block && self.style == Style::Decoder).then(|| plan.kept()).transpose()?;
        for image in 0..plan.batch {
            if at_block {
                let (a, s) = plan.prefix.as_ref().map_or((1.0, 0.0), |prefix| prefix[image]);
                gain.extend(std::iter::repeat_n(a, geometry.prefix));
                noise.extend(std::iter::repeat_n(s, geometry.prefix));
            }
            let base = image * plan.tokens;
            let mut push = |token: usize| {
                gain.push(plan.gain[base + token]);
                noise.push(plan.noise[base + token]);
            };
            match &kept {
                Some(kept) => kept[image].iter().for_each(|&token| push(token)),
                None => (0..plan.tokens).for_each(&mut push),
            }
        }
        let n = gain.len() / plan.batch;
        let values =
            self.noise_values(place, dtype, batch, step, [plan.batch, n, geometry.dim], TOKEN_DRAW)?;
        let gain = place.floats([plan.batch, n, 1], gain, dtype)?;
        let noise = place.floats([plan.batch, n, 1], noise, dtype)?;
        Ok([gain, values.mul(&noise)?])
    }

    /// The embedded level [B, 1, W], if it is told to `side`.
    fn level(&self, params: &Params, plan: &CorruptionPlan, side: Style) -> Result<Option<Tensor>> {
        let (Some(embedder), Some(noise)) = (&self.level, &self.noise) else { return Ok(None) };
        if noise.settings.embedded_in != side {
            return Ok(None);
        }
        embedder.forward(params, &plan.level).map(Some)
    }

    /// From patches to the tokens that enter block 0, [B, P + K, D].
    ///
    /// # Errors
    /// The backend's failure.
    pub fn enter(&self, params: &Params, prepared: &Prepared<'_>) -> Result<Tensor> {
        let plan = prepared.plan;
        let encoder_sees_noise =
            plan.injection == Injection::Pixels && !(plan.substitutive && self.style == Style::Decoder);
        let patches = match &prepared.noised {
            Some(noised) if encoder_sees_noise => noised,
            _ => &prepared.patches,
        };
        let mut z = self.encoder.embed(params, patches)?;
        if let Some(source) = &prepared.source {
            let [b, l, d] = z.shape().array()?;
            z = z.reshape([b * l, d])?.index_select(0, source)?.reshape([b, l, d])?;
        }
        if plan.injection == Injection::Embedding {
            z = self.inject(params, z, prepared)?;
        }
        if let (Some(masked), Some(mask_token)) = (&prepared.masked, self.mask_token) {
            z = masked.choose(&params[mask_token], &z)?;
        }
        if plan.injection == Injection::Pixels
            && prepared.noised.is_some()
            && let Some(level) = self.level(params, plan, Style::Encoder)?
        {
            z = z.add(&level)?;
        }
        self.encoder.assemble(params, &z, prepared.dropped.as_ref().map(|d| &d.keep))
    }

    /// Noise and its embedded level on tokens.
    fn inject(&self, params: &Params, tokens: Tensor, prepared: &Prepared<'_>) -> Result<Tensor> {
        let mut tokens = tokens;
        let plan = prepared.plan;
        let at_block = matches!(plan.injection, Injection::Block(_));
        let application = Application {
            request: PlanRequest { progress: plan.progress, ..self.request(prepared.batch, prepared.step) },
            plan,
            tokens: &tokens,
            prefix: if at_block { self.geometry().prefix } else { 0 },
            kept: prepared.dropped.as_ref().filter(|_| at_block).map(|dropped| &dropped.keep),
            noise: prepared.token_noise.as_ref().map(|[gain, noise]| [gain, noise]),
        };
        if let Some(applied) = self.corruption.apply(&application)? {
            tokens = applied;
        } else if let Some([gain, noise]) = &prepared.token_noise {
            tokens = tokens.mul(gain)?.add(noise)?;
        }
        match self.level(params, prepared.plan, Style::Encoder)? {
            Some(level) => tokens.add(&level),
            None => Ok(tokens),
        }
    }

    /// Runs some of the blocks, with the injection before its block.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn run_blocks(
        &self,
        params: &Params,
        mut tokens: Tensor,
        range: Range<usize>,
        prepared: &Prepared<'_>,
    ) -> Result<(Tensor, Vec<Probabilities>)> {
        let tap = self.tap(prepared.observe);
        let injection = match prepared.plan.injection {
            Injection::Block(k) if self.injection.is_some() && range.contains(&k) => Some(k),
            _ => None,
        };
        // Runs of blocks between which something changes.
        let mut cuts = vec![range.start, range.end];
        cuts.extend(injection);
        if let Some((separated, _)) = &prepared.separation {
            cuts.extend([separated.start, separated.end].into_iter().filter(|cut| range.contains(cut)));
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut attention = vec![];
        for run in cuts.windows(2) {
            let run = run[0]..run[1];
            if injection == Some(run.start) {
                tokens = self.inject(params, tokens, prepared)?;
            }
            let bias = prepared.separation.as_ref().filter(|(range, _)| range.contains(&run.start));
            let context = BlockContext {
                bias: bias.map(|(_, bias)| bias),
                drop_path: prepared.drop_path.as_ref(),
                tap: tap.clone(),
            };
            let (next, mut probs) = self.encoder.blocks(params, tokens, run, &context)?;
            tokens = next;
            attention.append(&mut probs);
        }
        Ok((tokens, attention))
    }

    /// The blocks whose attention is tapped.
    fn tap(&self, observe: bool) -> AttentionTap {
        let depth = self.geometry().depth;
        let injection = self.injection();
        let ranges = self.objectives.iter().filter_map(|(_, o)| o.attention(depth, injection));
        let differentiate = ranges.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
        let observe = observe.then(|| first_corrupted_block(injection)..depth);
        AttentionTap { differentiate: differentiate.filter(|_| self.style == Style::Encoder), observe }
    }

    /// From the last block's tokens to what objectives read.
    fn step_output<'a>(
        &'a self,
        params: &Params,
        tokens: &Tensor,
        attention: Vec<Probabilities>,
        prepared: &'a Prepared<'_>,
    ) -> Result<StepOutput<'a>> {
        let plan = prepared.plan;
        let encoded = self.encoder.norm(params, tokens)?;
        let level = self.level(params, plan, Style::Decoder)?;
        let substituted = plan.substitutive && plan.injection == Injection::Pixels;
        let restored = self.decoder.restore(
            params,
            &Restorable {
                encoded: &encoded,
                dropped: prepared.dropped.as_ref(),
                noised_patches: prepared.noised.as_ref().filter(|_| substituted),
                level: level.as_ref(),
            },
        )?;
        let mut predictions = BTreeMap::new();
        for (name, head) in &self.heads {
            predictions.insert(name.clone(), head.forward(params, &restored)?);
        }
        Ok(StepOutput {
            geometry: self.geometry(),
            batch: prepared.batch,
            plan,
            injection: self.injection(),
            patches: &prepared.patches,
            noised: prepared.noised.as_ref(),
            noise: prepared.noise.as_ref(),
            weights: &prepared.weights,
            predictions,
            attention,
            mask_tokens_encoded: self.style == Style::Encoder,
            shared: RefCell::default(),
        })
    }

    /// From the last block's tokens to losses.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn leave(
        &self,
        params: &Params,
        tokens: &Tensor,
        attention: Vec<Probabilities>,
        prepared: &Prepared<'_>,
    ) -> Result<Forward> {
        let step = self.step_output(params, tokens, attention, prepared)?;
        let mut losses = vec![];
        for (name, objective) in &self.objectives {
            if let Some(value) = objective.loss(&step)? {
                losses.push(NamedLoss { name: name.clone(), weight: objective.weight(), value });
            }
        }
        let metrics = if prepared.observe { self.attention_metrics(&step)? } else { vec![] };
        Ok(Forward { losses, metrics, predictions: step.predictions })
    }

    /// The restored patches [B, L, C*p*p] as pixels, where an objective restores something that can
    /// be shown.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn restored_pixels(&self, params: &Params, prepared: &Prepared<'_>) -> Result<Option<Tensor>> {
        let tokens = self.enter(params, prepared)?;
        let (tokens, attention) = self.run_blocks(params, tokens, 0..self.geometry().depth, prepared)?;
        let step = self.step_output(params, &tokens, attention, prepared)?;
        for (_, objective) in &self.objectives {
            if let Some(pixels) = objective.restored_pixels(&step)? {
                return Ok(Some(pixels));
            }
        }
        Ok(None)
    }

    /// Cross mass and row entropy, logged whether or not they are minimised.
    fn attention_metrics(&self, step: &StepOutput<'_>) -> Result<Vec<(String, Tensor)>> {
        let first = first_corrupted_block(self.injection());
        let (place, dtype) = (step.patches.place(), step.patches.dtype());
        let blocks: Vec<Probabilities> = step
            .attention
            .iter()
            .filter(|probs| probs.block >= first)
            .map(|probs| Ok(Probabilities { block: probs.block, values: probs.values.detach()? }))
            .collect::<Result<_>>()?;
        let Some(statistics) = AttentionStatistics::new(step.plan, step.geometry.prefix, &place, dtype)?
        else {
            return Ok(vec![]);
        };
        if blocks.is_empty() {
            return Ok(vec![]);
        }
        let blocks: Vec<&Probabilities> = blocks.iter().collect();
        let there = statistics.masked_to_noised(&blocks)?;
        let back = statistics.noised_to_masked(&blocks)?;
        Ok(vec![
            ("attention/cross_mass".to_owned(), there.add(&back)?.mul_scalar(0.5)?),
            ("attention/row_entropy_gap".to_owned(), statistics.row_entropy_gap(&blocks)?),
        ])
    }

    /// The whole forward pass.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn forward(&self, params: &Params, prepared: &Prepared<'_>) -> Result<Forward> {
        let tokens = self.enter(params, prepared)?;
        let (tokens, attention) = self.run_blocks(params, tokens, 0..self.geometry().depth, prepared)?;
        self.leave(params, &tokens, attention, prepared)
    }
}

/// The kept, dropped and restoring positions of a plan.
fn dropped(plan: &CorruptionPlan, place: &Place) -> Result<Dropped> {
    let kept = plan.kept()?;
    let keeps = kept.first().map_or(0, Vec::len);
    let (mut keep, mut drop, mut restore) = (vec![], vec![], vec![]);
    for (image, kept) in kept.iter().enumerate() {
        keep.extend(kept.iter().map(|&i| i as i64));
        let (mut next_kept, mut next_dropped) = (0, keeps as i64);
        for (token, role) in plan.image(image).iter().enumerate() {
            let next = if *role == Role::Masked {
                drop.push(token as i64);
                &mut next_dropped
            } else {
                &mut next_kept
            };
            restore.push(*next);
            *next += 1;
        }
    }
    Ok(Dropped {
        keep: place.indices([plan.batch, keeps], keep)?,
        dropped: place.indices([plan.batch, plan.tokens - keeps], drop)?,
        restore: place.indices([plan.batch, plan.tokens], restore)?,
    })
}

/// An attention bias [B, 1, N, N] that removes the logits between masked and noised tokens.
fn separation(plan: &CorruptionPlan, geometry: &Geometry, place: &Place, dtype: DType) -> Result<Tensor> {
    // Large enough that the softmax is 0 in every type, small enough that sums stay finite.
    const REMOVED: f32 = -1e9;
    let n = geometry.prefix + plan.tokens;
    let mut bias = vec![0.0; plan.batch * n * n];
    for (image, rows) in bias.chunks_mut(n * n).enumerate() {
        let roles = plan.image(image);
        for (i, a) in roles.iter().enumerate() {
            let row = &mut rows[(geometry.prefix + i) * n + geometry.prefix..][..plan.tokens];
            for (value, b) in row.iter_mut().zip(roles) {
                if matches!((a, b), (Role::Masked, Role::Noised) | (Role::Noised, Role::Masked)) {
                    *value = REMOVED;
                }
            }
        }
    }
    place.floats([plan.batch, 1, n, n], bias, dtype)
}
