//! A transformer over visible and mask tokens (MAE).

use crate::encoder::{Block, BlockContext, BlockSettings, sincos_2d};
use crate::geometry::Geometry;
use crate::layer::{LayerNorm, Linear};
use crate::params::{Init, ParamId, ParamSpecs, Params};
use crate::restoration::{Decoder, DecoderEntry, MaskTokens, Restorable, put_back};
use crate::settings::Settings;
use crate::tensor::Tensor;
use crate::{Error, Result};

crate::settings! {
    /// The extents of a transformer decoder.
    pub struct TransformerSettings {
        /// Width of a token.
        dim: usize = 512, in 4..=65536;
        /// Number of blocks.
        depth: usize = 8, in 1..=1024;
        /// Attention heads.
        heads: usize = 16, in 1..=1024;
    }
}

impl TransformerSettings {
    /// Refuses extents that don't divide.
    pub(super) fn check(&self) -> Result<()> {
        if self.dim.is_multiple_of(self.heads) && self.dim.is_multiple_of(4) {
            return Ok(());
        }
        Err(Error::user(format!("{} heads and positions do not divide a width of {}", self.heads, self.dim))
            .help("choose a width that is a multiple of 4 and of the heads"))
    }
}

struct TransformerDecoder {
    embed: Linear,
    mask_token: Option<ParamId>,
    positions: Vec<f32>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    settings: TransformerSettings,
    geometry: Geometry,
}

impl TransformerDecoder {
    fn new(
        settings: TransformerSettings,
        geometry: Geometry,
        style: MaskTokens,
        specs: &mut ParamSpecs,
    ) -> Self {
        let TransformerSettings { dim, depth, heads } = settings;
        let grid = (geometry.grid_h(), geometry.grid_w());
        let init = Init::XavierUniform;
        let block = BlockSettings::plain(dim, heads, 4 * dim, init.clone());
        specs.scope("decoder", |specs| Self {
            embed: Linear::new(specs, "embed", geometry.dim, dim, init),
            mask_token: (style == MaskTokens::InDecoder)
                .then(|| specs.declare("mask_token", [1, 1, dim], Init::TruncatedNormal(0.02), false)),
            positions: sincos_2d(dim, grid, geometry.prefix),
            blocks: (0..depth)
                .map(|i| specs.scope(&format!("blocks.{i}"), |specs| Block::new(specs, &block)))
                .collect(),
            norm: LayerNorm::new(specs, "norm", dim),
            settings,
            geometry,
        })
    }
}

impl Decoder for TransformerDecoder {
    fn width(&self) -> usize {
        self.settings.dim
    }

    fn restore(&self, params: &Params, input: &Restorable<'_>) -> Result<Tensor> {
        let (dim, prefix, tokens) = (self.settings.dim, self.geometry.prefix, self.geometry.tokens());
        let x = self.embed.forward(params, input.encoded)?;
        let [b, n, _] = x.shape().array()?;
        let mut patches = x.narrow(1, prefix, n - prefix)?;
        if let Some(timestep) = input.timestep {
            patches = patches.add(timestep)?;
        }
        if let (Some(order), Some(mask_token)) = (input.dropped, self.mask_token) {
            let missing = order.dropped.shape()[1];
            let masks = params[mask_token].expand([b, missing, dim])?;
            patches = put_back(&patches, &masks, order)?;
        }
        let mut x = match prefix {
            0 => patches,
            _ => Tensor::concat(&[&x.narrow(1, 0, prefix)?, &patches], 1)?,
        };
        let positions =
            params.device().floats([1, prefix + tokens, dim], self.positions.clone(), params.dtype())?;
        x = x.add(&positions)?;
        for (index, block) in self.blocks.iter().enumerate() {
            (x, _) = block.forward(params, &x, index, &BlockContext::default())?;
        }
        self.norm.forward(params, &x)?.narrow(1, prefix, tokens)
    }
}

inventory::submit! {
    DecoderEntry {
        name: "transformer",
        summary: "a transformer over visible and mask tokens (MAE)",
        fields: TransformerSettings::fields,
        build: |section, geometry, style, specs| {
            let settings: TransformerSettings = section.read()?;
            settings.check().map_err(|e| e.at(section.location("dim")))?;
            Ok(Box::new(TransformerDecoder::new(settings, *geometry, style, specs)))
        },
    }
}
