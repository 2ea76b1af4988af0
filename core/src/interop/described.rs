//! What a file's names and shapes say of its encoder: in a recipe's settings, where they differ, and which parts it
//! has that encoders here have not.

use std::collections::BTreeSet;

use super::{Architecture, Layout, Source};
use crate::encoder::{EmbedNorm, MlpKind, NormKind, PositionKind, QkvBias, RotaryKind, sincos_2d};
use crate::tensor::HostTensor;
use crate::{Error, Result};

/// Half floats round sines to 5e-4; another table differs by far more.
const ROUNDING: f32 = 1e-3;

/// The largest difference between a stored table and the sine-cosine one.
pub(super) fn from_sincos(stored: &HostTensor, table: &[f32]) -> f32 {
    let values = stored.clone().into_f32();
    let worst = values.iter().zip(table).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if worst.is_nan() { f32::INFINITY } else { worst }
}

/// Whether a difference is rounding alone.
pub(super) fn is_rounding(difference: f32) -> bool {
    difference <= ROUNDING
}

/// Where a layout keeps what tells an encoder's sizes.
struct Names {
    prefix: &'static str,
    class_token: &'static str,
    positions: &'static str,
    kernel: &'static str,
    blocks: &'static str,
    hidden: &'static str,
    narrowed: &'static str,
    norm: &'static str,
    gains: [&'static str; 2],
    relative: &'static str,
}

const TIMM: Names = Names {
    prefix: "",
    class_token: "cls_token",
    positions: "pos_embed",
    kernel: "patch_embed.proj.weight",
    blocks: "blocks.",
    hidden: "mlp.fc1.weight",
    narrowed: "mlp.fc2.weight",
    norm: "norm.weight",
    gains: [".ls1.gamma", ".gamma_1"],
    relative: "rel_pos_bias.relative_position_bias_table",
};

const HUGGING_FACE: Names = Names {
    prefix: "",
    class_token: "embeddings.cls_token",
    positions: "embeddings.position_embeddings",
    kernel: "embeddings.patch_embeddings.projection.weight",
    blocks: "encoder.layer.",
    hidden: "intermediate.dense.weight",
    narrowed: "output.dense.weight",
    norm: "layernorm.weight",
    gains: [".layer_scale1.lambda1", ".layer_scale1.lambda1"],
    relative: "encoder.relative_position_bias.relative_position_bias_table",
};

const DINOV3: Names = Names {
    kernel: "embeddings.patch_embeddings.weight",
    blocks: "layer.",
    hidden: "mlp.up_proj.weight",
    narrowed: "mlp.down_proj.weight",
    norm: "norm.weight",
    ..HUGGING_FACE
};

impl Names {
    fn of(layout: Layout) -> Self {
        match layout {
            Layout::Own | Layout::Timm | Layout::Beit | Layout::Mae => TIMM,
            Layout::HfVit => HUGGING_FACE,
            Layout::HfDinov3 => DINOV3,
            Layout::HfMae => Self { prefix: "vit.", ..HUGGING_FACE },
        }
    }
}

/// A file's encoder.
pub(super) struct Described<'a> {
    source: &'a Source,
    names: Names,
}

impl<'a> Described<'a> {
    pub(super) fn of(source: &'a Source) -> Self {
        Self { source, names: Names::of(source.layout) }
    }

    fn tensor(&self, name: &str) -> Option<&'a HostTensor> {
        self.source.tensors.get(&format!("{}{name}", self.names.prefix))
    }

    fn any(&self, holds: impl Fn(&str) -> bool) -> Option<&'a str> {
        self.source
            .tensors
            .iter()
            .find(|(name, t)| t.shape().count() > 0 && holds(name))
            .map(|(name, _)| &**name)
    }

    /// A tensor of the first block.
    fn in_block(&self, name: &str) -> Option<&'a HostTensor> {
        self.tensor(&format!("{}0.{name}", self.names.blocks))
    }

    fn depth(&self) -> usize {
        let blocks = format!("{}{}", self.names.prefix, self.names.blocks);
        let numbers =
            self.source.tensors.keys().filter_map(|name| name.strip_prefix(&blocks)?.split('.').next());
        numbers.collect::<BTreeSet<_>>().len()
    }

    /// Refuses what an encoder of this file computes and none here does.
    ///
    /// # Errors
    /// Names the part.
    pub(super) fn refuse_unknown_parts(&self) -> Result<()> {
        const PARTS: [(&[&str], &str); 5] = [
            (&["layers.0.blocks.", "stages.0."], "stages of several widths"),
            (&["dist_token", "distillation_token"], "a distillation token (DeiT)"),
            (&["pre_layrnorm."], "a norm before the first block (CLIP)"),
            (&["attn.relative_position_bias_table", "attention.relative_position_bias."], OF_EACH),
            (&[".rel_pos_h", ".rel_pos.", "rel_pos_mlp"], "relative positions that each block computes"),
        ];
        const OF_EACH: &str = "a relative position bias of its own for each block";
        if self.source.layout == Layout::Own {
            return Ok(());
        }
        let refuse = |what: &str, name: &str| {
            Err(Error::user(format!("its encoder has {what} (`{name}`), and none here has"))
                .at(self.source.path.display())
                .help("start from an encoder without"))
        };
        for (parts, what) in PARTS {
            if let Some(name) = self.any(|name| parts.iter().any(|part| name.contains(part))) {
                return refuse(what, name);
            }
        }
        let after_pooling = |name: &str| name.starts_with("fc_norm.") || name == "pooler.layernorm.weight";
        if self.tensor(self.names.norm).is_none()
            && let Some(name) = self.any(after_pooling)
        {
            return refuse("a norm after mean pooling in place of its last one", name);
        }
        let kernel = self.tensor(self.names.kernel).map(|t| t.shape().to_vec()).unwrap_or_default();
        if kernel.len() != 4 || kernel[2] != kernel[3] {
            return refuse(&format!("patches of shape {kernel:?}"), self.names.kernel);
        }
        if let (Some(name), true) = (
            self.any(|name| name == "norm_pre.weight"),
            self.any(|name| name.starts_with("attn_pool.")).is_some(),
        ) {
            return refuse("rotary positions beside a table (Perception Encoder)", name);
        }
        let tables = [self.names.positions, self.names.relative];
        if tables.iter().all(|name| self.tensor(name).is_none()) && self.rotary() == Some(RotaryKind::None) {
            return Err(Error::user(
                "holds no positions: its encoder computes them in a way that none here has",
            )
            .at(self.source.path.display())
            .help("start from an encoder with a position table, or from DINOv3"));
        }
        Ok(())
    }

    /// How many register tokens it has.
    fn registers(&self) -> usize {
        let tokens = ["reg_token", "embeddings.register_tokens"].iter().find_map(|name| self.tensor(name));
        tokens.and_then(|tokens| tokens.shape().get(1).copied()).unwrap_or(0)
    }

    /// Whether the MLP is gated: its first layer, or its two, are twice as wide as the second is long.
    fn is_gated(&self) -> bool {
        let gate = ["mlp.gate_proj.weight", "mlp.weights_in.weight"]
            .iter()
            .any(|name| self.in_block(name).is_some());
        let (wide, narrow) = (self.in_block(self.names.hidden), self.in_block(self.names.narrowed));
        let twice = wide.zip(narrow).is_some_and(|(wide, narrow)| {
            wide.shape().first().copied() == narrow.shape().get(1).map(|hidden| 2 * hidden)
        });
        gate || twice
    }

    /// Whose rotary positions the encoder has, as far as names tell: one with class token and registers and without any table has
    /// DINOv3's, and timm's `Eva` with a table and a gated MLP has EVA-02's. None for this program's own files, whose recipe
    /// tells it.
    fn rotary(&self) -> Option<RotaryKind> {
        let table = self.tensor(self.names.positions).is_some();
        let relative = self.tensor(self.names.relative).is_some();
        Some(match self.source.layout {
            Layout::Own => return None,
            _ if !table
                && !relative
                && self.registers() > 0
                && self.tensor(self.names.class_token).is_some() =>
            {
                RotaryKind::Dinov3
            }
            Layout::Beit if self.is_gated() && !relative => RotaryKind::Eva02,
            _ => RotaryKind::None,
        })
    }

    /// What of positions the names can't tell, where a recipe has it otherwise.
    pub(super) fn wrong_rotary(&self, recipe: &Architecture) -> Option<String> {
        let (theirs, ours) = (self.rotary()?, recipe.settings.rotary);
        let whose = |kind| match kind {
            RotaryKind::None => "no rotary positions",
            RotaryKind::Dinov3 => "DINOv3's rotary positions",
            RotaryKind::Eva02 => "EVA-02's rotary positions",
        };
        (theirs != ours)
            .then(|| format!("its encoder has {}, and the recipe's {}", whose(theirs), whose(ours)))
    }

    /// What to set where an EVA-02 encoder's positions would be counted in another grid than its table is for.
    pub(super) fn rotary_grid(&self, recipe: &Architecture) -> Option<String> {
        let side = side(self.tensor(self.names.positions)?, usize::from(recipe.geometry.has_class_token()))?;
        let own = recipe.settings.rotary == RotaryKind::Eva02 && recipe.settings.rotary_grid == 0;
        (own && side != recipe.geometry.grid_h()).then(|| {
            format!(
                "EVA-02's rotary positions are counted in the recipe's own grid, {} patches wide: for its features set \
                encoder.rotary_grid to that of its first pre-training, which weights don't tell ({side} by its table)",
                recipe.geometry.grid_w()
            )
        })
    }

    /// What norms of the file's encoder add to the variance, where that is known.
    pub(super) fn norm_eps(&self) -> Option<f64> {
        let dinov3 = self.rotary() == Some(RotaryKind::Dinov3);
        self.source.config.norm_eps.or(dinov3.then_some(1e-5))
    }

    /// The settings under which a recipe's encoder has the file's sizes and parts, as far as they differ.
    pub(super) fn settings(&self, recipe: &Architecture, resample: bool) -> Vec<String> {
        let mut list = vec![];
        let ours = &recipe.geometry;
        let own = self.source.layout == Layout::Own;
        let mut differs = |key: &str, theirs: String, same: bool| {
            if !same {
                list.push(format!("{key}={theirs}"));
            }
        };
        let kernel = self.tensor(self.names.kernel).map(|t| t.shape().to_vec()).unwrap_or_default();
        let dim = kernel.first().copied().unwrap_or(ours.dim);
        let patch = match kernel[..] {
            [_, channels, patch, _] => {
                differs("data.channels", channels.to_string(), channels == ours.channels);
                differs("encoder.patch", patch.to_string(), patch == ours.patch);
                patch
            }
            _ => ours.patch,
        };
        differs("encoder.dim", dim.to_string(), dim == ours.dim);
        differs("encoder.depth", self.depth().to_string(), self.depth() == ours.depth);
        let relative = self.tensor(self.names.relative);
        let told = relative.and_then(|table| table.shape().get(1).copied()).or(self.source.config.heads);
        // Weights alone don't tell them; those of published encoders are 64 wide.
        let heads = told.or((dim != ours.dim && dim % 64 == 0).then_some(dim / 64)).unwrap_or(ours.heads);
        differs("encoder.heads", heads.to_string(), heads == ours.heads);
        let narrowed =
            ["mlp.weights_out.weight", self.names.narrowed].iter().find_map(|name| self.in_block(name));
        if let Some(hidden) = narrowed.and_then(|t| t.shape().get(1).copied()) {
            let (theirs, ratio) = (hidden as f64 / dim as f64, recipe.hidden as f64 / ours.dim as f64);
            differs("encoder.mlp_ratio", theirs.to_string(), (theirs - ratio).abs() < 1.0 / dim as f64);
        }
        let class_token = self.tensor(self.names.class_token).is_some();
        differs("encoder.class_token", class_token.to_string(), class_token == ours.has_class_token());
        self.parts(recipe, &mut differs);
        let gains = self.any(|name| self.names.gains.iter().any(|gain| name.ends_with(gain))).is_some();
        differs(
            "encoder.layer_scale",
            (if gains { "0.1" } else { "0" }).to_owned(),
            gains == recipe.layer_scale,
        );
        differs(
            "encoder.relative_bias",
            relative.is_some().to_string(),
            relative.is_some() == recipe.relative_bias,
        );
        let prefix = usize::from(class_token);
        let table = self.tensor(self.names.positions);
        let side = table.and_then(|table| side(table, prefix)).or_else(|| relative.and_then(relative_side));
        let same_grid = side.is_none_or(|side| [ours.height, ours.width] == [side * patch; 2]);
        let fixed = table.is_some_and(|table| is_fixed(table, side, prefix));
        let position = match (table, recipe.position) {
            // This program's sine-cosine tables are in no file.
            (None, PositionKind::Learned) if own => PositionKind::Sincos,
            (None, kept) if own => kept,
            (None, _) => PositionKind::None,
            (Some(_), PositionKind::Learned) => PositionKind::Learned,
            (Some(_), _) if fixed && same_grid => PositionKind::Sincos,
            (Some(_), _) => PositionKind::Learned,
        };
        if let (Some(side), false, false) = (side, same_grid, resample) {
            let divides = ours.height.is_multiple_of(patch) && ours.width.is_multiple_of(patch);
            list.push(if divides {
                "init_positions=resample".to_owned()
            } else {
                format!("data.image_size={}", side * patch)
            });
        }
        if position != recipe.position {
            let name = match position {
                PositionKind::None => "none",
                PositionKind::Sincos => "sincos",
                PositionKind::Learned => "learned",
            };
            list.push(format!("encoder.position={name}"));
        }
        list
    }
}

impl Described<'_> {
    /// The parts that encoders got after 2021.
    fn parts(&self, recipe: &Architecture, differs: &mut impl FnMut(&str, String, bool)) {
        if self.source.layout == Layout::Own {
            return;
        }
        let ours = &recipe.settings;
        let has = |parts: &[&str]| self.any(|name| parts.iter().any(|part| name.ends_with(part))).is_some();
        let registers = self.registers();
        differs("encoder.registers", registers.to_string(), registers == ours.registers);
        if let Some(kind) = self.rotary() {
            let name = match kind {
                RotaryKind::None => "none",
                RotaryKind::Dinov3 => "dinov3",
                RotaryKind::Eva02 => "eva02",
            };
            differs("encoder.rotary", name.to_owned(), kind == ours.rotary);
        }
        let gated = self.is_gated();
        differs(
            "encoder.mlp",
            (if gated { "swiglu" } else { "gelu" }).to_owned(),
            gated == (ours.mlp == MlpKind::Swiglu),
        );
        let mut flag = |key: &str, theirs: bool, own: bool| differs(key, theirs.to_string(), theirs == own);
        flag(
            "encoder.mlp_bias",
            has(&["mlp.fc1.bias", "intermediate.dense.bias", "mlp.weights_in.bias", "mlp.up_proj.bias"]),
            ours.mlp_bias,
        );
        flag(
            "encoder.proj_bias",
            has(&["attn.proj.bias", "attention.output.dense.bias", "attention.o_proj.bias"]),
            ours.proj_bias,
        );
        let kernel = self.names.kernel.trim_end_matches("weight");
        flag("encoder.embed_bias", self.tensor(&format!("{kernel}bias")).is_some(), ours.embed_bias);
        flag("encoder.mlp_norm", has(&["mlp.norm.weight"]), ours.mlp_norm);
        flag("encoder.attention_norm", has(&["attn.norm.weight"]), ours.attention_norm);
        flag("encoder.qk_norm", has(&["attn.q_norm.weight"]), ours.qk_norm);
        flag("encoder.class_norm", has(&["cls_norm.weight"]), ours.class_norm);
        let rms = !has(&["norm1.bias", "layernorm_before.bias"]);
        differs(
            "encoder.norm",
            (if rms { "rms" } else { "layer" }).to_owned(),
            rms == (ours.norm == NormKind::Rms),
        );
        let embed_norm = if has(&["norm_pre.weight"]) {
            EmbedNorm::Tokens
        } else if has(&["patch_embed.norm.weight"]) {
            EmbedNorm::Patches
        } else {
            EmbedNorm::None
        };
        let name = match embed_norm {
            EmbedNorm::None => "none",
            EmbedNorm::Patches => "patches",
            EmbedNorm::Tokens => "tokens",
        };
        differs("encoder.embed_norm", name.to_owned(), embed_norm == ours.embed_norm);
        // A bias of the keys that is missing matters to rotary positions alone; else zeros stand for it.
        let turned = self.rotary().is_some_and(|kind| kind != RotaryKind::None);
        let queries = has(&["attn.q_bias", "attention.q_proj.bias"]);
        let all = has(&["attn.qkv.bias", "attention.k_proj.bias"]);
        let bias = match (queries, all) {
            (_, true) => QkvBias::All,
            (true, false) => QkvBias::QueryValue,
            (false, false) => QkvBias::None,
        };
        if turned {
            let name = match bias {
                QkvBias::All => "all",
                QkvBias::QueryValue => "query-value",
                QkvBias::None => "none",
            };
            differs("encoder.qkv_bias", name.to_owned(), bias == ours.qkv_bias);
        }
        if let Some(eps) = self.norm_eps().filter(|_| turned) {
            differs("encoder.norm_eps", format!("{eps:e}"), (eps / ours.norm_eps - 1.0).abs() < 1e-6);
        }
    }
}

/// The side of the square grid that a table of relative positions is for.
fn relative_side(table: &HostTensor) -> Option<usize> {
    let distances = table.shape().first()?.checked_sub(3)?.isqrt();
    (distances % 2 == 1).then_some(distances.div_ceil(2))
}

/// The side of a table's square grid of patches, behind a class token or not.
pub(super) fn side(table: &HostTensor, prefix: usize) -> Option<usize> {
    let &[1, rows, _] = table.shape().dims() else { return None };
    let square = |count: usize| (count > 0 && count.isqrt().pow(2) == count).then(|| count.isqrt());
    rows.checked_sub(prefix).and_then(square).or_else(|| square(rows))
}

fn is_fixed(table: &HostTensor, side: Option<usize>, prefix: usize) -> bool {
    let (Some(side), &[1, rows, width]) = (side, table.shape().dims()) else { return false };
    width % 4 == 0
        && rows == prefix + side * side
        && is_rounding(from_sincos(table, &sincos_2d(width, (side, side), prefix)))
}
