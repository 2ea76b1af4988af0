//! Blocks in which dropped tokens attend to visible ones only (the "cross" decoder of DiffMAE, Wei
//! et al. 2023). The dropped tokens enter as noised patches, or as mask tokens without noise.

use crate::encoder::sincos_2d;
use crate::geometry::Geometry;
use crate::layer::{LayerNorm, Linear};
use crate::params::{Init, ParamId, ParamSpecs, Params};
use crate::restoration::decoder::transformer::TransformerSettings;
use crate::restoration::{Decoder, DecoderEntry, MaskTokens, Restorable, put_back, rows_at};
use crate::settings::Settings;
use crate::tensor::Tensor;
use crate::{Error, Result};

struct CrossDecoder {
    embed: Linear,
    patch_embed: Linear,
    mask_token: ParamId,
    positions: Vec<f32>,
    blocks: Vec<CrossBlock>,
    norm: LayerNorm,
    settings: TransformerSettings,
    geometry: Geometry,
}

/// x + cross-attention(norm(x), memory), then x + mlp(norm(x)).
struct CrossBlock {
    norm1: LayerNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: usize,
}

impl CrossBlock {
    fn new(specs: &mut ParamSpecs, dim: usize, heads: usize) -> Self {
        let linear = |specs: &mut ParamSpecs, name: &str, input: usize, output: usize| {
            Linear::new(specs, name, input, output, Init::XavierUniform)
        };
        Self {
            norm1: LayerNorm::new(specs, "norm1", dim),
            q: linear(specs, "attn.q", dim, dim),
            k: linear(specs, "attn.k", dim, dim),
            v: linear(specs, "attn.v", dim, dim),
            proj: linear(specs, "attn.proj", dim, dim),
            norm2: LayerNorm::new(specs, "norm2", dim),
            fc1: linear(specs, "mlp.fc1", dim, 4 * dim),
            fc2: linear(specs, "mlp.fc2", 4 * dim, dim),
            heads,
        }
    }

    fn forward(&self, params: &Params, x: &Tensor, memory: &Tensor) -> Result<Tensor> {
        let (dtype, compute) = (x.dtype(), params.compute());
        let q = self.q.forward_as(params, &self.norm1.forward(params, x)?, compute)?;
        let k = self.k.forward_as(params, memory, compute)?;
        let v = self.v.forward_as(params, memory, compute)?;
        let mixed = q.attention(&k, &v, None, self.heads)?;
        let x = x.add(&self.proj.forward_as(params, &mixed, dtype)?)?;
        let hidden = self.fc1.forward_gelu(params, &self.norm2.forward(params, &x)?)?;
        x.add(&self.fc2.forward_as(params, &hidden, dtype)?)
    }
}

impl CrossDecoder {
    fn new(settings: TransformerSettings, geometry: Geometry, specs: &mut ParamSpecs) -> Self {
        let TransformerSettings { dim, depth, heads } = settings;
        let init = Init::XavierUniform;
        specs.scope("decoder", |specs| Self {
            embed: Linear::new(specs, "embed", geometry.dim, dim, init.clone()),
            patch_embed: Linear::new(specs, "patch_embed", geometry.patch_values(), dim, init),
            mask_token: specs.declare("mask_token", [1, 1, dim], Init::TruncatedNormal(0.02), false),
            positions: sincos_2d(dim, (geometry.grid_h(), geometry.grid_w()), 0),
            blocks: (0..depth)
                .map(|i| specs.scope(&format!("blocks.{i}"), |specs| CrossBlock::new(specs, dim, heads)))
                .collect(),
            norm: LayerNorm::new(specs, "norm", dim),
            settings,
            geometry,
        })
    }
}

impl Decoder for CrossDecoder {
    fn width(&self) -> usize {
        self.settings.dim
    }

    fn dropped_only(&self) -> bool {
        true
    }

    fn restore(&self, params: &Params, input: &Restorable<'_>) -> Result<Tensor> {
        let Some(order) = input.dropped else {
            return Err(Error::failure("cross-attention restores dropped tokens, but none was dropped"));
        };
        let (dim, tokens) = (self.settings.dim, self.geometry.tokens());
        let [b, missing] = order.dropped.shape().array()?;
        let positions = params.device().floats([1, tokens, dim], self.positions.clone(), params.dtype())?;
        let memory = self.embed.forward(params, input.encoded)?;
        let mut x = match input.noised_patches {
            Some(patches) => {
                let values = patches.shape()[2];
                let index = order.dropped.reshape([b, missing, 1])?.expand([b, missing, values])?;
                self.patch_embed.forward(params, &patches.gather(1, &index)?)?
            }
            None => params[self.mask_token].expand([b, missing, dim])?,
        };
        x = x.add(&rows_at(&positions, &order.dropped)?)?;
        if let Some(timestep) = input.timestep {
            x = x.add(timestep)?;
        }
        for block in &self.blocks {
            x = block.forward(params, &x, &memory)?;
        }
        let restored = self.norm.forward(params, &x)?;
        let visible = params.device().full([b, tokens - missing, dim], 0.0, restored.dtype())?;
        put_back(&visible, &restored, order)
    }
}

inventory::submit! {
    DecoderEntry {
        name: "cross-attention",
        summary: "dropped tokens attend to visible ones (DiffMAE)",
        fields: TransformerSettings::fields,
        build: |section, geometry, style, specs| {
            let settings: TransformerSettings = section.read()?;
            settings.check().map_err(|e| e.at(section.location("dim")))?;
            if style == MaskTokens::InEncoder {
                return Err(Error::user("cross-attention restores tokens that the encoder dropped")
                    .at(section.location("kind"))
                    .help("set restoration.style = \"decoder\" or kind = \"linear\""));
            }
            Ok(Box::new(CrossDecoder::new(settings, *geometry, specs)))
        },
    }
}
