//! The vision transformer (Dosovitskiy et al. 2021), with the parts that MAE, BEiT, SimMIM, the paper, DINOv2, DINOv3, EVA-02
//! and AIMv2 differ in as settings.

use std::ops::Range;

use super::position::{PositionKind, relative_index, sincos_2d};
use super::rotary::{CoordinateAugment, Rotary, RotarySettings};
use super::{
    AttentionSettings, Block, BlockContext, BlockSettings, Coordinates, Encoder, EncoderEntry, ImageShape,
    MlpKind, MlpSettings, Norm, NormKind, NormPlacement, NormSettings, Probabilities, QkvBias, RotaryKind,
};
use crate::error::unknown_name;
use crate::geometry::Geometry;
use crate::layer::Linear;
use crate::params::{Init, ParamId, ParamSpecs, Params};
use crate::settings::Settings;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// The named sizes: (name, width, blocks, heads).
const SIZES: [(&str, usize, usize, usize); 7] = [
    ("nano", 64, 4, 2),
    ("micro", 96, 4, 3),
    ("tiny", 192, 12, 3),
    ("small", 384, 12, 6),
    ("base", 768, 12, 12),
    ("large", 1024, 24, 16),
    ("huge", 1280, 32, 16),
];

/// How matrices start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initialisation {
    /// Normal with deviation 0.02, redrawn beyond two of them.
    TruncatedNormal,
    /// Xavier uniform (MAE).
    Xavier,
    /// As BEiT, SimMIM and data2vec pre-train: normal, redrawn beyond one deviation, and what residual branches end with
    /// divided by sqrt(2 x its block's number).
    Beit,
}

/// Where tokens are normalised before the first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmbedNorm {
    /// Nowhere.
    None,
    /// Embedded patches, before positions (AIMv2).
    Patches,
    /// All tokens, with their positions (CLIP, Perception Encoder).
    Tokens,
}

crate::settings! {
    /// The `[encoder]` table of kind `vit`.
    pub struct VitSettings {
        /// nano, micro, tiny, small, base, large or huge; `dim`, `depth` and `heads` override it.
        size: String = "base".to_owned();
        /// Side of a patch in pixels.
        patch: usize = 16, in 1..=1024;
        /// Width of a token; 0 takes the size's.
        dim: usize = 0, in 0..=65536;
        /// Number of blocks; 0 takes the size's.
        depth: usize = 0, in 0..=1024;
        /// Attention heads; 0 takes the size's.
        heads: usize = 0, in 0..=1024;
        /// Width of the hidden layer as a multiple of the token's.
        mlp_ratio: f64 = 4.0, in 0.1..=64.0;
        /// Whether a class token goes in front.
        class_token: bool = true;
        /// Absolute positions: none, sincos or learned.
        position: PositionKind = PositionKind::None;
        /// Whether the blocks share a relative position bias.
        relative_bias: bool = true;
        /// Initial gain of residual branches; 0 for none.
        layer_scale: f64 = 0.1, in 0.0..=10.0;
        /// Drop-path rate of the last block; earlier ones have less.
        drop_path: f64 = 0.1, in 0.0..=0.9;
        /// How matrices start: truncated-normal, xavier, or beit.
        init: Initialisation = Initialisation::TruncatedNormal;
        /// Register tokens behind the class token, without positions (Darcet et al. 2024; DINOv2, DINOv3: 4).
        registers: usize = 0, in 0..=1024;
        /// Rotary positions in attention: none, dinov3 (Simeoni et al. 2025) or eva02 (Fang et al. 2023).
        rotary: RotaryKind = RotaryKind::None;
        /// The base of their frequencies; 0 takes the paper's: 100 of dinov3, 10000 of eva02.
        rotary_base: f64 = 0.0, in 0.0..=1e9;
        /// Of eva02: the side of the grid of patches that positions are counted in; 0 takes the images'.
        rotary_grid: usize = 0, in 0..=65536;
        /// Of dinov3, in training: each axis is moved by up to so much, of -1..1.
        rotary_shift: f64 = 0.0, in 0.0..=1.0;
        /// Of dinov3, in training: each axis is stretched by 1 / so much to so much; 0 for none.
        rotary_jitter: f64 = 0.0, in 0.0..=16.0;
        /// Of dinov3, in training: both axes are stretched by one factor of 1 / so much to so much; 0 for none (DINOv3: 2).
        rotary_rescale: f64 = 0.0, in 0.0..=16.0;
        /// Between the MLP's layers: gelu, gelu-tanh (SigLIP) or swiglu (Shazeer 2020), whose hidden width is mlp_ratio's twice.
        mlp: MlpKind = MlpKind::Gelu;
        /// Whether the MLP's layers have biases (AIMv2: not).
        mlp_bias: bool = true;
        /// Whether the MLP's hidden layer is normalised (EVA-02's sub-LN).
        mlp_norm: bool = false;
        /// Which of queries, keys and values have biases: all, query-value (BEiT, EVA-02, DINOv3) or none (AIMv2).
        qkv_bias: QkvBias = QkvBias::All;
        /// Whether attention's projection has a bias (AIMv2: not).
        proj_bias: bool = true;
        /// Whether each head's queries and keys are normalised (Dehghani et al. 2023).
        qk_norm: bool = false;
        /// Whether attention's result is normalised before its projection (EVA-02's sub-LN).
        attention_norm: bool = false;
        /// Which norm: layer, or rms (Zhang and Sennrich 2019; AIMv2).
        norm: NormKind = NormKind::Layer;
        /// What norms add to the variance (DINOv3, AIMv2: 1e-5).
        norm_eps: f64 = 1e-6, in 0.0..=1.0;
        /// Where a block's norms are applied: pre, or res-post, on the residual branch's result (Swin V2).
        norm_placement: NormPlacement = NormPlacement::Pre;
        /// A norm before the first block: none, patches (AIMv2) or tokens (CLIP, Perception Encoder).
        embed_norm: EmbedNorm = EmbedNorm::None;
        /// Whether the embedding of patches has a bias (CLIP, Perception Encoder: not).
        embed_bias: bool = true;
        /// Whether class token and registers have a last norm of their own (an option of DINOv3's code).
        class_norm: bool = false;
    }
}

/// A vision transformer.
pub struct Vit {
    geometry: Geometry,
    patch_embed: Linear,
    class_token: Option<ParamId>,
    position: Position,
    registers: Option<ParamId>,
    relative: Option<RelativeBias>,
    rotary: Option<Rotary>,
    embed_norm: Option<(EmbedNorm, Norm)>,
    blocks: Vec<Block>,
    norm: Norm,
    class_norm: Option<Norm>,
    drop_path: f64,
}

enum Position {
    None,
    Fixed(Vec<f32>),
    Learned(ParamId),
}

/// Rotary positions as the settings ask for them.
fn rotary(settings: &VitSettings, geometry: &Geometry) -> Result<Option<Rotary>> {
    let augment = CoordinateAugment {
        shift: settings.rotary_shift,
        jitter: settings.rotary_jitter,
        rescale: settings.rotary_rescale,
    };
    let kind = settings.rotary;
    if kind != RotaryKind::Dinov3 && augment != CoordinateAugment::default() {
        return Err(Error::user("only DINOv3's rotary positions are moved and stretched in training")
            .about("rotary")
            .help("set encoder.rotary = \"dinov3\", or leave rotary_shift, rotary_jitter and rotary_rescale at 0"));
    }
    for (key, factor) in [("rotary_jitter", augment.jitter), ("rotary_rescale", augment.rescale)] {
        if factor > 0.0 && factor < 1.0 {
            return Err(Error::user(format!("{factor} is no factor to stretch by"))
                .about(key)
                .help("use 0 (none) or at least 1: coordinates are stretched by 1 / factor to factor"));
        }
    }
    let width = geometry.dim / geometry.heads;
    let (base, grid) = match kind {
        RotaryKind::None => return Ok(None),
        RotaryKind::Dinov3 => (100.0, 0),
        RotaryKind::Eva02 if settings.rotary_grid == 0 && geometry.height != geometry.width => {
            return Err(Error::user("positions of images that aren't square have no grid to be counted in")
                .about("rotary_grid")
                .help(
                    "set encoder.rotary_grid to the side of the grid that the encoder was pre-trained with",
                ));
        }
        RotaryKind::Eva02 => (10_000.0, settings.rotary_grid),
    };
    if !width.is_multiple_of(4) {
        return Err(Error::user(format!("rotary positions don't fit heads of width {width}"))
            .about("heads")
            .help("choose encoder.dim / encoder.heads as a multiple of 4"));
    }
    let base = if settings.rotary_base == 0.0 { base } else { settings.rotary_base };
    let pretrained_side = if grid == 0 { geometry.grid_h() } else { grid };
    let grid = (geometry.grid_h(), geometry.grid_w());
    Ok(Some(Rotary::new(RotarySettings { kind, base, pretrained_side, width, grid, augment })))
}

/// One table of biases for all blocks.
struct RelativeBias {
    table: ParamId,
    index: Vec<i64>,
    tokens: usize,
}

impl Vit {
    /// Declares an encoder for images of this shape.
    ///
    /// # Errors
    /// A size that isn't known, or extents that don't divide.
    pub fn new(
        settings: &VitSettings,
        [channels, height, width]: ImageShape,
        specs: &mut ParamSpecs,
    ) -> Result<Self> {
        let (_, dim, depth, heads) = SIZES
            .into_iter()
            .find(|size| size.0 == settings.size)
            .ok_or_else(|| unknown_name("size", &settings.size, SIZES.map(|s| s.0)).about("size"))?;
        let pick = |given: usize, preset: usize| if given == 0 { preset } else { given };
        let geometry = Geometry {
            channels,
            height,
            width,
            patch: settings.patch,
            prefix: usize::from(settings.class_token) + settings.registers,
            registers: settings.registers,
            dim: pick(settings.dim, dim),
            depth: pick(settings.depth, depth),
            heads: pick(settings.heads, heads),
        };
        geometry.check()?;
        let Geometry { dim, heads, prefix, .. } = geometry;
        let class = usize::from(settings.class_token);
        let rotary = rotary(settings, &geometry)?;
        if settings.position == PositionKind::Sincos && dim % 4 != 0 {
            return Err(Error::user(format!("sine-cosine positions don't fit a width of {dim}"))
                .about("position")
                .help("choose encoder.dim as a multiple of 4"));
        }
        let grid = (geometry.grid_h(), geometry.grid_w());
        let init = match settings.init {
            Initialisation::TruncatedNormal => Init::TruncatedNormal(0.02),
            Initialisation::Xavier => Init::XavierUniform,
            Initialisation::Beit => Init::CutNormal { std: 0.02, scale: 1.0 },
        };
        // What residual branches end with starts smaller in BEiT's, the smaller the higher the block.
        let branch_init = |block: usize| match settings.init {
            Initialisation::Beit => {
                Init::CutNormal { std: 0.02, scale: (2.0 * (block + 1) as f32).sqrt().recip() }
            }
            _ => init.clone(),
        };
        let token = |specs: &mut ParamSpecs, name: &str, rows: usize| {
            let init = match settings.init {
                Initialisation::Beit => Init::CutNormal { std: 0.02, scale: 1.0 },
                _ => Init::TruncatedNormal(0.02),
            };
            specs.declare(name, [1, rows, dim], init, false)
        };
        let class_token = settings.class_token.then(|| token(specs, "cls_token", 1));
        let position = match settings.position {
            PositionKind::None => Position::None,
            PositionKind::Sincos => Position::Fixed(sincos_2d(dim, grid, class)),
            PositionKind::Learned => Position::Learned(token(specs, "pos_embed", class + geometry.tokens())),
        };
        let registers = (settings.registers > 0).then(|| token(specs, "reg_token", settings.registers));
        let values = geometry.patch_values();
        let patch_embed =
            Linear::with_bias_if(settings.embed_bias, specs, "patch_embed.proj", values, dim, init.clone());
        let relative = settings.relative_bias.then(|| RelativeBias {
            table: specs.declare(
                "rel_pos_bias.relative_position_bias_table",
                [(2 * grid.0 - 1) * (2 * grid.1 - 1) + 3, heads],
                Init::Constant(0.0),
                false,
            ),
            index: relative_index(grid, prefix),
            tokens: prefix + geometry.tokens(),
        });
        let norm = NormSettings { kind: settings.norm, eps: settings.norm_eps };
        let embed_norm = match settings.embed_norm {
            EmbedNorm::None => None,
            kind @ EmbedNorm::Patches => Some((kind, Norm::new(specs, "patch_embed.norm", dim, norm))),
            kind @ EmbedNorm::Tokens => Some((kind, Norm::new(specs, "norm_pre", dim, norm))),
        };
        let block = |number: usize| BlockSettings {
            dim,
            layer_scale: settings.layer_scale,
            norm,
            placement: settings.norm_placement,
            attention: AttentionSettings {
                heads,
                qkv_bias: settings.qkv_bias,
                proj_bias: settings.proj_bias,
                qk_norm: settings.qk_norm.then_some(norm),
                norm: settings.attention_norm.then_some(norm),
                init: init.clone(),
                proj_init: branch_init(number),
            },
            mlp: MlpSettings {
                kind: settings.mlp,
                hidden: (dim as f64 * settings.mlp_ratio).round() as usize,
                bias: settings.mlp_bias,
                norm: settings.mlp_norm.then_some(norm),
                init: init.clone(),
                out_init: branch_init(number),
            },
        };
        let blocks = (0..geometry.depth)
            .map(|i| specs.scope(&format!("blocks.{i}"), |specs| Block::new(specs, &block(i))))
            .collect();
        let class_norm = (settings.class_norm && prefix > 0).then(|| Norm::new(specs, "cls_norm", dim, norm));
        let norm = Norm::new(specs, "norm", dim, norm);
        Ok(Self {
            geometry,
            patch_embed,
            class_token,
            position,
            registers,
            relative,
            rotary,
            embed_norm,
            blocks,
            norm,
            class_norm,
            drop_path: settings.drop_path,
        })
    }

    /// The position table of class token and patches, if there is one.
    fn positions(&self, params: &Params) -> Result<Option<Tensor>> {
        match &self.position {
            Position::None => Ok(None),
            Position::Learned(id) => Ok(Some(params[*id].clone())),
            Position::Fixed(table) => {
                let shape = [1, table.len() / self.geometry.dim, self.geometry.dim];
                params.device().floats(shape, table.clone(), params.dtype()).map(Some)
            }
        }
    }

    /// The shared bias as [1, heads, N, N].
    fn relative_bias(&self, params: &Params) -> Result<Option<Tensor>> {
        let Some(relative) = &self.relative else { return Ok(None) };
        let n = relative.tokens;
        let index = params.device().indices([n * n], relative.index.clone())?;
        let bias = params[relative.table].index_select(0, &index)?;
        Ok(Some(bias.permute(&[1, 0])?.reshape([1, self.geometry.heads, n, n])?))
    }
}

impl Encoder for Vit {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn drop_path(&self) -> f64 {
        self.drop_path
    }

    fn coordinates(&self, seed: u64, step: u64) -> Option<Coordinates> {
        self.rotary.as_ref()?.draw(seed, step)
    }

    fn embed(&self, params: &Params, patches: &Tensor) -> Result<Tensor> {
        let tokens = self.patch_embed.forward(params, patches)?;
        match &self.embed_norm {
            Some((EmbedNorm::Patches, norm)) => norm.forward(params, &tokens),
            _ => Ok(tokens),
        }
    }

    fn assemble(&self, params: &Params, tokens: &Tensor, keep: Option<&Tensor>) -> Result<Tensor> {
        let Geometry { dim, registers, .. } = self.geometry;
        let class = usize::from(self.class_token.is_some());
        let [b, l, _] = tokens.shape().array()?;
        let positions = self.positions(params)?;
        let mut x = match &positions {
            Some(table) => tokens.add(&table.narrow(1, class, l)?)?,
            None => tokens.clone(),
        };
        if let Some(keep) = keep {
            let k = keep.shape()[1];
            x = x.gather(1, &keep.reshape([b, k, 1])?.expand([b, k, dim])?)?;
        }
        if let Some(tokens) = self.registers {
            x = Tensor::concat(&[&params[tokens].expand([b, registers, dim])?, &x], 1)?;
        }
        if let Some(class_token) = self.class_token {
            let mut class_token = params[class_token].clone();
            if let Some(table) = &positions {
                class_token = class_token.add(&table.narrow(1, 0, 1)?)?;
            }
            x = Tensor::concat(&[&class_token.expand([b, 1, dim])?, &x], 1)?;
        }
        match &self.embed_norm {
            Some((EmbedNorm::Tokens, norm)) => norm.forward(params, &x),
            _ => Ok(x),
        }
    }

    fn blocks(
        &self,
        params: &Params,
        mut tokens: Tensor,
        range: Range<usize>,
        context: &BlockContext<'_>,
    ) -> Result<(Tensor, Vec<Probabilities>)> {
        let bias = match (self.relative_bias(params)?, context.bias) {
            (Some(own), Some(extra)) => Some(own.add(extra)?),
            (own, extra) => own.or_else(|| extra.cloned()),
        };
        let prefix = self.geometry.prefix;
        let rotary = self.rotary.as_ref();
        let angles = rotary.map(|rotary| rotary.of_pass(params, prefix, context.keep, context.coordinates));
        let angles = angles.transpose()?;
        let context = BlockContext {
            bias: bias.as_ref(),
            angles: angles.as_ref(),
            tap: context.tap.clone(),
            ..*context
        };
        let mut tapped = vec![];
        for index in range {
            let (next, probs) = self.blocks[index].forward(params, &tokens, index, &context)?;
            tokens = next;
            tapped.extend(probs);
        }
        Ok((tokens, tapped))
    }

    fn norm(&self, params: &Params, tokens: &Tensor) -> Result<Tensor> {
        let Some(class_norm) = &self.class_norm else { return self.norm.forward(params, tokens) };
        let (prefix, n) = (self.geometry.prefix, tokens.shape()[1]);
        let front = class_norm.forward(params, &tokens.narrow(1, 0, prefix)?)?;
        let patches = self.norm.forward(params, &tokens.narrow(1, prefix, n - prefix)?)?;
        Tensor::concat(&[&front, &patches], 1)
    }

    fn check_drop(&self) -> Result<()> {
        if self.relative.is_none() {
            return Ok(());
        }
        Err(Error::user("an encoder that drops tokens can't have a relative position bias")
            .about("relative_bias")
            .help("set encoder.relative_bias = false and encoder.position = \"sincos\""))
    }
}

inventory::submit! {
    EncoderEntry {
        name: "vit",
        summary: "vision transformer of any size",
        fields: VitSettings::fields,
        build: |section, image, specs| {
            let settings: VitSettings = section.read()?;
            Ok(Box::new(Vit::new(&settings, image, specs).map_err(|e| e.locate(|key| section.location(key)))?))
        },
    }
}
