//! What each layout calls the parameters of an encoder and a decoder. Sources: timm's
//! `vision_transformer.py` and `beit.py`, Hugging Face's `modeling_vit.py` and `modeling_vit_mae.py` as their published
//! files name things, and `models_mae.py` of the MAE repository.

use super::form::Form;
use super::{Architecture, DecoderShape, Layout};
use crate::encoder::{PositionKind, sincos_2d};

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

fn encoder(layout: Layout, architecture: &Architecture) -> Vec<Entry> {
    let geometry = &architecture.geometry;
    let part = Part::Encoder;
    let kernel = Form::Kernel { channels: geometry.channels, patch: geometry.patch };
    let (embeddings, patches, cls, positions, norm) = match layout {
        Layout::Own | Layout::Timm | Layout::Beit | Layout::Mae => {
            (String::new(), "patch_embed.proj", "cls_token", "pos_embed", "norm".to_owned())
        }
        Layout::HfVit | Layout::HfMae => {
            let prefix = hf_prefix(layout);
            (
                format!("{prefix}embeddings."),
                "patch_embeddings.projection",
                "cls_token",
                "position_embeddings",
                format!("{prefix}layernorm"),
            )
        }
    };
    let mut list = vec![];
    if geometry.prefix > 0 {
        list.push(entry(part, "cls_token", format!("{embeddings}{cls}"), Form::Same));
    }
    let theirs = vec![format!("{embeddings}{positions}")];
    let own = match architecture.position {
        PositionKind::None => None,
        PositionKind::Learned => Some(Own::Positions("pos_embed".to_owned())),
        PositionKind::Sincos => Some(fixed(geometry.dim, architecture)),
    };
    list.extend(own.map(|own| Entry { own, theirs, form: Form::Same, part }));
    list.extend(layer(part, "patch_embed.proj", &format!("{embeddings}{patches}"), [kernel, Form::Same]));
    for i in 0..geometry.depth {
        let own = format!("blocks.{i}");
        let (theirs, gains) = match layout {
            Layout::HfVit | Layout::HfMae => {
                let theirs = format!("{}encoder.layer.{i}", hf_prefix(layout));
                list.extend(hf_block(part, &own, &theirs));
                // ViTModel has none; these are Dinov2Model's.
                (theirs, ["layer_scale1.lambda1", "layer_scale2.lambda1"])
            }
            Layout::Beit => {
                list.extend(beit_block(part, &own));
                (own.clone(), ["gamma_1", "gamma_2"])
            }
            Layout::Own | Layout::Timm | Layout::Mae => {
                list.extend(timm_block(part, &own, &own));
                (own.clone(), ["ls1.gamma", "ls2.gamma"])
            }
        };
        if architecture.layer_scale {
            list.extend(["ls1", "ls2"].iter().zip(gains).map(|(gain, name)| {
                entry(part, format!("{own}.{gain}.gamma"), format!("{theirs}.{name}"), Form::Same)
            }));
        }
    }
    if architecture.relative_bias {
        let own = "rel_pos_bias.relative_position_bias_table";
        let theirs = match layout {
            Layout::HfVit | Layout::HfMae => {
                format!("{}encoder.relative_position_bias.relative_position_bias_table", hf_prefix(layout))
            }
            _ => own.to_owned(),
        };
        list.push(entry(part, own, theirs, Form::Same));
    }
    list.extend(layer(part, "norm", &norm, PLAIN));
    list
}

fn hf_prefix(layout: Layout) -> &'static str {
    if layout == Layout::HfMae { "vit." } else { "" }
}

fn fixed(width: usize, architecture: &Architecture) -> Own {
    let geometry = &architecture.geometry;
    let table = sincos_2d(width, (geometry.grid_h(), geometry.grid_w()), geometry.prefix);
    Own::Fixed { table, width }
}

/// A block under the names that timm and MAE have.
fn timm_block(part: Part, own: &str, theirs: &str) -> Vec<Entry> {
    ["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"]
        .iter()
        .flat_map(|name| layer(part, &format!("{own}.{name}"), &format!("{theirs}.{name}"), PLAIN))
        .collect()
}

/// A block under the names of timm's `Beit`, whose keys have no bias.
fn beit_block(part: Part, name: &str) -> Vec<Entry> {
    let bias = format!("{name}.attn.qkv.bias");
    let mut list = timm_block(part, name, name);
    for entry in list.iter_mut().filter(|entry| entry.theirs[0] == bias) {
        entry.theirs = ["q_bias", "v_bias"].map(|what| format!("{name}.attn.{what}")).into();
        entry.form = Form::QueryAndValue;
    }
    list
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
