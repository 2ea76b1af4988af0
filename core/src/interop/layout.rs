//! The layouts, by the names that a command line gives them.

use std::fmt;
use std::str::FromStr;

use super::Architecture;
use crate::encoder::PositionKind;
use crate::error::unknown_name;
use crate::{Error, Result};

/// Whose names and shapes weights have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// This project's own, with every parameter of the model.
    Own,
    /// timm's `VisionTransformer` (`vit_*`): the encoder.
    Timm,
    /// timm's `Beit` (`beit_*`), with one relative position bias for all blocks: the encoder.
    Beit,
    /// Hugging Face's `ViTModel`: the encoder.
    HfVit,
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
            Self::HfVit => "hf",
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
        if self != Self::Timm && architecture.geometry.prefix == 0 {
            return Some(("an encoder without a class token", "encoder.class_token=true"));
        }
        None
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
