//! Presets: each method of the literature as the settings that make it, and how heads are fitted at a scale.

use crate::Result;
use crate::error::unknown_name;

/// A method's settings, at the scale of its publication; or those of heads.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// The name in recipes.
    pub name: &'static str,
    /// One line for people: the first comment of its text.
    pub summary: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

macro_rules! presets {
    ($(#[$meta:meta])* $function:ident in $folder:literal: $($name:literal: $summary:literal),* $(,)?) => {
        $(#[$meta])*
        pub fn $function() -> &'static [Preset] {
            &[$(Preset {
                name: $name,
                summary: $summary,
                text: include_str!(concat!($folder, $name, ".toml")),
            }),*]
        }
    };
}

presets! {
    /// All presets of methods: `preset = "NAME"`.
    presets in "presets/":
    "paper": "masks and feature noise, restored in the encoder, kept apart (arXiv 2412.19104)",
    "paper-released": "what the paper's released code does",
    "simmim": "masked pixels by L1, mask tokens in the encoder (Xie et al. 2022)",
    "mae": "masked autoencoder: visible tokens only, transformer decoder (He et al. 2022)",
    "diffmae": "masked patches as diffusion-noised pixels in a cross-attention decoder (Wei et al. 2023)",
    "maskdit": "noise on visible pixels and half the tokens dropped (after MaskDiT, Zheng et al. 2023)",
    "can": "masks and pixel noise with noise prediction, without contrast (after CAN, Mishra et al. 2022)",
    "maskfeat": "HOG of masked blocks (Wei et al. 2022)",
    "pixel-dae": "denoising autoencoder on pixels (Vincent et al. 2008)",
    "pixmim": "MAE on low-pass filtered pixels, from gentler crops (Liu et al. 2023)",
    "dbot": "masked features of a finished run, stage after stage (Liu et al. 2022)",
    "data2vec-image": "masked features of the average of one's own weights (Baevski et al. 2022)",
    "distill": "all features of a public encoder (feature distillation, Wei et al. 2022)",
}

presets! {
    /// All presets of how heads are fitted: `[head] preset = "NAME"`.
    head_presets in "presets/head/":
    "small": "a small encoder and a small data set, on a few processor cores",
}

/// The one called `name` of these presets; `what` says what they are.
pub(super) fn find(what: &str, presets: &'static [Preset], name: &str) -> Result<&'static Preset> {
    presets
        .iter()
        .find(|preset| preset.name == name)
        .ok_or_else(|| unknown_name(what, name, presets.iter().map(|p| p.name)))
}
