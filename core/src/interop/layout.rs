//! The layouts, by the names that a command line gives them.

use std::fmt;
use std::str::FromStr;

use super::Architecture;
use crate::encoder::{
    EmbedNorm, MlpKind, NormKind, NormPlacement, PositionKind, QkvBias, RotaryKind, VitSettings,
};
use crate::error::unknown_name;
use crate::{Error, Result};

/// Whose names and shapes weights have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// This project's own, with every parameter of the model.
    Own,
    /// timm's `VisionTransformer` (`vit_*`): the encoder.
    Timm,
    /// timm's `Beit` and `Eva` (`beit_*`, `eva02_*`, `vit_*_dinov3`): the encoder.
    Beit,
    /// Hugging Face's `ViTModel`, `Dinov2Model` and `Dinov2WithRegistersModel`: the encoder.
    HfVit,
    /// Hugging Face's `DINOv3ViTModel`: the encoder, which is read and not written.
    HfDinov3,
    /// Hugging Face's `ViTMAEForPreTraining`: encoder and decoder.
    HfMae,
    /// The original MAE checkpoint's (He et al. 2022): encoder and decoder.
    Mae,
}

impl Layout {
    /// Those that a command line names.
    pub const ALL: [Self; 5] = [Self::Own, Self::Timm, Self::HfVit, Self::HfMae, Self::Mae];

    /// The name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "safetensors",
            Self::Timm | Self::Beit => "timm",
            Self::HfVit | Self::HfDinov3 => "hf",
            Self::HfMae => "hf-mae",
            Self::Mae => "mae",
        }
    }

    /// Whose it is, for messages.
    pub fn owner(self) -> &'static str {
        match self {
            Self::Own => "this program",
            Self::Timm => "timm's vit_*",
            Self::Beit => "timm's beit_*",
            Self::HfVit => "Hugging Face's ViTModel",
            Self::HfDinov3 => "Hugging Face's DINOv3ViTModel",
            Self::HfMae => "Hugging Face's ViTMAEForPreTraining",
            Self::Mae => "the original MAE checkpoint",
        }
    }

    /// Whether it holds a decoder.
    pub(super) fn has_decoder(self) -> bool {
        matches!(self, Self::HfMae | Self::Mae)
    }

    /// The layout for this encoder: timm has encoders with a relative position bias as another model.
    pub(super) fn for_encoder(self, architecture: &Architecture) -> Self {
        if self == Self::Timm && architecture.relative_bias { Self::Beit } else { self }
    }

    /// What the encoder has that the layout has no place for, and the settings without it.
    pub(super) fn lacks(self, architecture: &Architecture) -> Option<(&'static str, &'static str)> {
        if let Some(lacking) = self.lacks_part(&architecture.settings) {
            return Some(lacking);
        }
        let hugging_face_or_mae = matches!(self, Self::HfVit | Self::HfMae | Self::Mae);
        if hugging_face_or_mae && architecture.relative_bias {
            return Some(("a relative position bias", "encoder.relative_bias=false encoder.position=sincos"));
        }
        if self != Self::Beit && architecture.position == PositionKind::None {
            return Some(("an encoder without absolute positions", "encoder.position=sincos"));
        }
        if hugging_face_or_mae && architecture.layer_scale {
            return Some(("LayerScale", "encoder.layer_scale=0"));
        }
        if self != Self::Timm && !architecture.geometry.has_class_token() {
            return Some(("an encoder without a class token", "encoder.class_token=true"));
        }
        None
    }

    /// What of the parts that encoders got after 2021 the layout has no place for, and the settings without it.
    fn lacks_part(self, encoder: &VitSettings) -> Option<(&'static str, &'static str)> {
        let timm = self == Self::Timm;
        let list = [
            (encoder.rotary != RotaryKind::None, "rotary positions", "encoder.rotary=none"),
            (encoder.registers > 0 && !timm, "register tokens", "encoder.registers=0"),
            (encoder.mlp != MlpKind::Gelu, "another MLP than the usual one", "encoder.mlp=gelu"),
            (!encoder.mlp_bias, "an MLP without biases", "encoder.mlp_bias=true"),
            (encoder.mlp_norm, "a norm in the MLP", "encoder.mlp_norm=false"),
            (
                encoder.qkv_bias == QkvBias::QueryValue,
                "queries and values alone with biases",
                "encoder.qkv_bias=all",
            ),
            (
                encoder.qkv_bias == QkvBias::None && !timm,
                "queries, keys and values without biases",
                "encoder.qkv_bias=all",
            ),
            (!encoder.proj_bias, "a projection without a bias", "encoder.proj_bias=true"),
            (encoder.qk_norm && !timm, "normalised queries and keys", "encoder.qk_norm=false"),
            (encoder.attention_norm, "a norm of attention's result", "encoder.attention_norm=false"),
            (encoder.norm != NormKind::Layer, "root mean square norms", "encoder.norm=layer"),
            (
                (encoder.norm_eps - 1e-6).abs() > 1e-12,
                "another epsilon of norms than 1e-6",
                "encoder.norm_eps=1e-6",
            ),
            (
                encoder.norm_placement != NormPlacement::Pre,
                "norms after the branches",
                "encoder.norm_placement=pre",
            ),
            (
                encoder.embed_norm != EmbedNorm::None && !(timm && encoder.embed_norm == EmbedNorm::Tokens),
                "a norm before the first block",
                "encoder.embed_norm=none",
            ),
            (
                encoder.embed_bias == (encoder.embed_norm == EmbedNorm::Tokens),
                "a norm before the first block with a bias of patches, nor either without",
                "encoder.embed_norm=none encoder.embed_bias=true",
            ),
            (encoder.class_norm, "a last norm of the class token's own", "encoder.class_norm=false"),
        ];
        list.into_iter().find(|(lacks, ..)| *lacks).map(|(_, what, settings)| (what, settings))
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|layout| layout.name() == text)
            .ok_or_else(|| unknown_name("format", text, known))
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
