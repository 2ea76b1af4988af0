//! What each layout calls the parameters of an encoder and a decoder. Sources: timm's
//! `vision_transformer.py` and `beit.py`, Hugging Face's `modeling_vit.py` and `modeling_vit_mae.py` as their published
//! files name things, and `models_mae.py` of the MAE repository.

use super::form::Form;
use super::{Architecture, DecoderShape, Layout};
use crate::encoder::{MlpKind, PositionKind, sincos_2d};

/// One of our parameters, or fixed tables, in another layout.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) own: Own,
    pub(super) theirs: Vec<String>,
    pub(super) form: Form,
    pub(super) part: Part,
}

/// What stands for a parameter here.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Own {
    /// A parameter.
    Parameter(String),
    /// A learned position table.
    Positions(String),
    /// A fixed position table [1, P + L, width], which other libraries store.
    Fixed { table: Vec<f32>, width: usize },
}

/// Where a parameter belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Encoder,
    Decoder,
    /// Mask token, prediction heads, timestep embedding: a file may have some and not others.
    Rest,
}

impl Own {
    /// The parameter's name, where it is one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Parameter(name) | Self::Positions(name) => Some(name),
            Self::Fixed { .. } => None,
        }
    }
}

impl Entry {
    /// Whether it is the bias of the projection to queries, keys and values, which some encoders have none of.
    pub(super) fn is_qkv_bias(&self) -> bool {
        self.own.name().is_some_and(|name| name.ends_with(".attn.qkv.bias"))
    }
}

/// Every parameter that the layout stores of this architecture.
pub(super) fn entries(layout: Layout, architecture: &Architecture) -> Vec<Entry> {
    let mut list = encoder(layout, architecture);
    if let Some(decoder) = architecture.decoder.as_ref().filter(|_| layout.has_decoder()) {
        list.extend(decoder_entries(layout, architecture, decoder));
    }
    list
}

fn entry(part: Part, own: impl Into<String>, theirs: impl Into<String>, form: Form) -> Entry {
    Entry { own: Own::Parameter(own.into()), theirs: vec![theirs.into()], form, part }
}

/// Weight and bias of a layer.
fn layer(part: Part, own: &str, theirs: &str, forms: [Form; 2]) -> [Entry; 2] {
    let both = |what: &str, form| entry(part, format!("{own}.{what}"), format!("{theirs}.{what}"), form);
    [both("weight", forms[0]), both("bias", forms[1])]
}

const PLAIN: [Form; 2] = [Form::Same, Form::Same];

/// The encoder's parameters, and its fixed table of positions.
fn encoder(layout: Layout, architecture: &Architecture) -> Vec<Entry> {
    let part = Part::Encoder;
    let mut list = vec![];
    if architecture.position == PositionKind::Sincos {
        let theirs = match layout {
            Layout::HfVit | Layout::HfMae => format!("{}embeddings.position_embeddings", hf_prefix(layout)),
            _ => "pos_embed".to_owned(),
        };
        let own = fixed(architecture.geometry.dim, architecture);
        list.push(Entry { own, theirs: vec![theirs], form: Form::Same, part });
    }
    list.extend(architecture.parameters.iter().map(|name| {
        let (theirs, form) = match layout {
            Layout::Own | Layout::Timm | Layout::Mae => (vec![name.clone()], Form::Same),
            Layout::Beit => beit(name),
            Layout::HfVit | Layout::HfMae => {
                let (theirs, form) = hf(name, architecture);
                (theirs.into_iter().map(|name| format!("{}{name}", hf_prefix(layout))).collect(), form)
            }
            Layout::HfDinov3 => hf_dinov3(name, architecture),
        };
        let geometry = &architecture.geometry;
        let own =
            if name == "pos_embed" { Own::Positions(name.clone()) } else { Own::Parameter(name.clone()) };
        let form = match name.as_str() {
            "patch_embed.proj.weight" => Form::Kernel { channels: geometry.channels, patch: geometry.patch },
            _ => form,
        };
        Entry { own, theirs, form, part }
    }));
    list
}

/// A name in timm's `Beit` and `Eva`, whose keys have no bias.
fn beit(name: &str) -> (Vec<String>, Form) {
    if let Some(block) = name.strip_suffix(".attn.qkv.bias") {
        return (["q_bias", "v_bias"].map(|what| format!("{block}.attn.{what}")).into(), Form::QueryAndValue);
    }
    let theirs = name.replace(".ls1.gamma", ".gamma_1").replace(".ls2.gamma", ".gamma_2");
    (vec![theirs], Form::Same)
}

/// The block's number and what follows it, of a name within a block.
fn within_block(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("blocks.")?.split_once('.')
}

/// A name in Hugging Face's `ViTModel`, with the parts that DINOv2's classes have.
fn hf(name: &str, architecture: &Architecture) -> (Vec<String>, Form) {
    const OUTSIDE: [(&str, &str); 6] = [
        ("cls_token", "embeddings.cls_token"),
        ("reg_token", "embeddings.register_tokens"),
        ("pos_embed", "embeddings.position_embeddings"),
        ("patch_embed.proj.", "embeddings.patch_embeddings.projection."),
        (
            "rel_pos_bias.relative_position_bias_table",
            "encoder.relative_position_bias.relative_position_bias_table",
        ),
        ("norm.", "layernorm."),
    ];
    const INSIDE: [(&str, &str); 7] = [
        ("norm1.", "layernorm_before."),
        ("attn.proj.", "attention.output.dense."),
        ("norm2.", "layernorm_after."),
        ("mlp.fc1.", "intermediate.dense."),
        ("mlp.fc2.", "output.dense."),
        ("ls1.gamma", "layer_scale1.lambda1"),
        ("ls2.gamma", "layer_scale2.lambda1"),
    ];
    const GATED: [(&str, &str); 2] = [("mlp.fc1.", "mlp.weights_in."), ("mlp.fc2.", "mlp.weights_out.")];
    let Some((block, inside)) = within_block(name) else {
        return (vec![renamed(name, &OUTSIDE)], Form::Same);
    };
    let block = format!("encoder.layer.{block}");
    if let Some(what) = inside.strip_prefix("attn.qkv.") {
        let third = |name| format!("{block}.attention.attention.{name}.{what}");
        return (["query", "key", "value"].map(third).into(), Form::Thirds);
    }
    let gated = architecture.settings.mlp == MlpKind::Swiglu && inside.starts_with("mlp.");
    let inside = if gated { renamed(inside, &GATED) } else { renamed(inside, &INSIDE) };
    (vec![format!("{block}.{inside}")], Form::Same)
}

/// A name in Hugging Face's `DINOv3ViTModel`.
fn hf_dinov3(name: &str, architecture: &Architecture) -> (Vec<String>, Form) {
    const OUTSIDE: [(&str, &str); 3] = [
        ("cls_token", "embeddings.cls_token"),
        ("reg_token", "embeddings.register_tokens"),
        ("patch_embed.proj.", "embeddings.patch_embeddings."),
    ];
    const INSIDE: [(&str, &str); 7] = [
        ("attn.q_bias", "attention.q_proj.bias"),
        ("attn.v_bias", "attention.v_proj.bias"),
        ("attn.proj.", "attention.o_proj."),
        ("mlp.fc1.", "mlp.up_proj."),
        ("mlp.fc2.", "mlp.down_proj."),
        ("ls1.gamma", "layer_scale1.lambda1"),
        ("ls2.gamma", "layer_scale2.lambda1"),
    ];
    let Some((block, inside)) = within_block(name) else {
        return (vec![renamed(name, &OUTSIDE)], Form::Same);
    };
    let block = format!("layer.{block}");
    if let Some(what) = inside.strip_prefix("attn.qkv.") {
        let third = |name| format!("{block}.attention.{name}_proj.{what}");
        return (["q", "k", "v"].map(third).into(), Form::Thirds);
    }
    if let Some(what) =
        inside.strip_prefix("mlp.fc1.").filter(|_| architecture.settings.mlp == MlpKind::Swiglu)
    {
        return (
            ["gate_proj", "up_proj"].map(|name| format!("{block}.mlp.{name}.{what}")).into(),
            Form::Halves,
        );
    }
    (vec![format!("{block}.{}", renamed(inside, &INSIDE))], Form::Same)
}

/// A name by a list of beginnings and what they are elsewhere.
fn renamed(name: &str, list: &[(&str, &str)]) -> String {
    let found = list.iter().find_map(|(own, theirs)| Some(format!("{theirs}{}", name.strip_prefix(own)?)));
    found.unwrap_or_else(|| name.to_owned())
}

fn hf_prefix(layout: Layout) -> &'static str {
    if layout == Layout::HfMae { "vit." } else { "" }
}

fn fixed(width: usize, architecture: &Architecture) -> Own {
    let geometry = &architecture.geometry;
    let table =
        sincos_2d(width, (geometry.grid_h(), geometry.grid_w()), usize::from(geometry.has_class_token()));
    Own::Fixed { table, width }
}

/// A block under the names that timm and MAE have.
fn timm_block(part: Part, own: &str, theirs: &str) -> Vec<Entry> {
    ["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"]
        .iter()
        .flat_map(|name| layer(part, &format!("{own}.{name}"), &format!("{theirs}.{name}"), PLAIN))
        .collect()
}

/// A block under Hugging Face's names, with queries, keys and values apart.
fn hf_block(part: Part, own: &str, theirs: &str) -> Vec<Entry> {
    const LAYERS: [(&str, &str); 5] = [
        ("norm1", "layernorm_before"),
        ("attn.proj", "attention.output.dense"),
        ("norm2", "layernorm_after"),
        ("mlp.fc1", "intermediate.dense"),
        ("mlp.fc2", "output.dense"),
    ];
    let mut list: Vec<Entry> = LAYERS
        .iter()
        .flat_map(|(ours, name)| layer(part, &format!("{own}.{ours}"), &format!("{theirs}.{name}"), PLAIN))
        .collect();
    for what in ["weight", "bias"] {
        let third = |name| format!("{theirs}.attention.attention.{name}.{what}");
        list.push(Entry {
            own: Own::Parameter(format!("{own}.attn.qkv.{what}")),
            theirs: ["query", "key", "value"].map(third).into(),
            form: Form::Thirds,
            part,
        });
    }
    list
}

fn decoder_entries(layout: Layout, architecture: &Architecture, decoder: &DecoderShape) -> Vec<Entry> {
    let geometry = &architecture.geometry;
    let part = Part::Decoder;
    let prefix = if layout == Layout::HfMae { "decoder." } else { "" };
    let rows = Form::PixelRows { channels: geometry.channels, patch: geometry.patch };
    let mask_token = if layout == Layout::HfMae { "decoder.mask_token" } else { "mask_token" };
    let mut list = vec![
        entry(part, "decoder.mask_token", mask_token, Form::Same),
        Entry {
            own: fixed(decoder.dim, architecture),
            theirs: vec![format!("{prefix}decoder_pos_embed")],
            form: Form::Same,
            part,
        },
    ];
    list.extend(layer(part, "decoder.embed", &format!("{prefix}decoder_embed"), PLAIN));
    for i in 0..decoder.depth {
        let own = format!("decoder.blocks.{i}");
        list.extend(match layout {
            Layout::HfMae => hf_block(part, &own, &format!("decoder.decoder_layers.{i}")),
            _ => timm_block(part, &own, &format!("decoder_blocks.{i}")),
        });
    }
    list.extend(layer(part, "decoder.norm", &format!("{prefix}decoder_norm"), PLAIN));
    let head = format!("heads.{}", decoder.head);
    list.extend(layer(part, &head, &format!("{prefix}decoder_pred"), [rows, rows]));
    list
}
