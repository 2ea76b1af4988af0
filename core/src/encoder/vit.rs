//! The vision transformer (Dosovitskiy et al. 2021) with the parts that MAE, BEiT, SimMIM and the
//! paper differ in as settings.

use std::ops::Range;

use super::position::{PositionKind, relative_index, sincos_2d};
use super::{Block, BlockContext, BlockSettings, Encoder, EncoderEntry, ImageShape, Probabilities};
use crate::error::unknown_name;
use crate::geometry::Geometry;
use crate::layer::{LayerNorm, Linear};
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
    /// Truncated normal with deviation 0.02 (BEiT, SimMIM).
    TruncatedNormal,
    /// Xavier uniform (MAE).
    Xavier,
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
        /// How matrices start: truncated-normal or xavier.
        init: Initialisation = Initialisation::TruncatedNormal;
    }
}

/// A vision transformer.
pub struct Vit {
    geometry: Geometry,
    patch_embed: Linear,
    class_token: Option<ParamId>,
    position: Position,
    relative: Option<RelativeBias>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    drop_path: f64,
}

enum Position {
    None,
    Fixed(Vec<f32>),
    Learned(ParamId),
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
            prefix: usize::from(settings.class_token),
            dim: pick(settings.dim, dim),
            depth: pick(settings.depth, depth),
            heads: pick(settings.heads, heads),
        };
        geometry.check()?;
        let Geometry { dim, heads, prefix, .. } = geometry;
        if settings.position == PositionKind::Sincos && dim % 4 != 0 {
            return Err(Error::user(format!("sine-cosine positions don't fit a width of {dim}"))
                .about("position")
                .help("choose encoder.dim as a multiple of 4"));
        }
        let grid = (geometry.grid_h(), geometry.grid_w());
        let init = match settings.init {
            Initialisation::TruncatedNormal => Init::TruncatedNormal(0.02),
            Initialisation::Xavier => Init::XavierUniform,
        };
        let token = |specs: &mut ParamSpecs, name: &str, rows: usize| {
            specs.declare(name, [1, rows, dim], Init::TruncatedNormal(0.02), false)
        };
        let class_token = settings.class_token.then(|| token(specs, "cls_token", 1));
        let position = match settings.position {
            PositionKind::None => Position::None,
            PositionKind::Sincos => Position::Fixed(sincos_2d(dim, grid, prefix)),
            PositionKind::Learned => Position::Learned(token(specs, "pos_embed", prefix + geometry.tokens())),
        };
        let patch_embed = Linear::new(specs, "patch_embed.proj", geometry.patch_values(), dim, init.clone());
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
        let block = BlockSettings {
            dim,
            heads,
            hidden: (dim as f64 * settings.mlp_ratio).round() as usize,
            layer_scale: settings.layer_scale,
            init,
        };
        let blocks = (0..geometry.depth)
            .map(|i| specs.scope(&format!("blocks.{i}"), |specs| Block::new(specs, &block)))
            .collect();
        let norm = LayerNorm::new(specs, "norm", dim);
        Ok(Self {
            geometry,
            patch_embed,
            class_token,
            position,
            relative,
            blocks,
            norm,
            drop_path: settings.drop_path,
        })
    }

    /// The position table [1, P + L, D], if there is one.
    fn positions(&self, params: &Params) -> Result<Option<Tensor>> {
        match &self.position {
            Position::None => Ok(None),
            Position::Learned(id) => Ok(Some(params[*id].clone())),
            Position::Fixed(table) => {
                let rows = self.geometry.prefix + self.geometry.tokens();
                let shape = [1, rows, self.geometry.dim];
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

    fn embed(&self, params: &Params, patches: &Tensor) -> Result<Tensor> {
        self.patch_embed.forward(params, patches)
    }

    fn assemble(&self, params: &Params, tokens: &Tensor, keep: Option<&Tensor>) -> Result<Tensor> {
        let Geometry { prefix, dim, .. } = self.geometry;
        let [b, l, _] = tokens.shape().array()?;
        let positions = self.positions(params)?;
        let mut x = match &positions {
            Some(table) => tokens.add(&table.narrow(1, prefix, l)?)?,
            None => tokens.clone(),
        };
        if let Some(keep) = keep {
            let k = keep.shape()[1];
            x = x.gather(1, &keep.reshape([b, k, 1])?.expand([b, k, dim])?)?;
        }
        if let Some(class_token) = self.class_token {
            let mut class_token = params[class_token].clone();
            if let Some(table) = &positions {
                class_token = class_token.add(&table.narrow(1, 0, 1)?)?;
            }
            x = Tensor::concat(&[&class_token.expand([b, 1, dim])?, &x], 1)?;
        }
        Ok(x)
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
        let context =
            BlockContext { bias: bias.as_ref(), drop_path: context.drop_path, tap: context.tap.clone() };
        let mut tapped = vec![];
        for index in range {
            let (next, probs) = self.blocks[index].forward(params, &tokens, index, &context)?;
            tokens = next;
            tapped.extend(probs);
        }
        Ok((tokens, tapped))
    }

    fn norm(&self, params: &Params, tokens: &Tensor) -> Result<Tensor> {
        self.norm.forward(params, tokens)
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
