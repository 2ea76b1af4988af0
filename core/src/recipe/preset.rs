//! Presets: each method of the literature as the settings that make it.

use crate::Result;
use crate::error::unknown_name;

/// A method's settings, at the scale of its publication.
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
    ($($name:literal: $summary:literal),* $(,)?) => {
        /// All presets.
        pub fn presets() -> &'static [Preset] {
            &[$(Preset {
                name: $name,
                summary: $summary,
                text: include_str!(concat!("presets/", $name, ".toml")),
            }),*]
        }
    };
}

presets! {
    "paper": "masks and feature noise, restored in the encoder, kept apart (arXiv 2412.19104)",
    "paper-released": "what the paper's released code does",
    "simmim": "masked pixels by L1, mask tokens in the encoder (Xie et al. 2022)",
    "mae": "masked autoencoder: visible tokens only, transformer decoder (He et al. 2022)",
    "diffmae": "masked patches as diffusion-noised pixels in a cross-attention decoder (Wei et al. 2023)",
    "maskdit": "noise on visible pixels and half the tokens dropped (after MaskDiT, Zheng et al. 2023)",
    "can": "masks and pixel noise with noise prediction, without contrast (after CAN, Mishra et al. 2022)",
    "maskfeat": "HOG of masked blocks (Wei et al. 2022)",
    "pixel-dae": "denoising autoencoder on pixels (Vincent et al. 2008)",
}

/// The preset called `name`.
pub(super) fn preset(name: &str) -> Result<&'static Preset> {
    presets()
        .iter()
        .find(|preset| preset.name == name)
        .ok_or_else(|| unknown_name("preset", name, presets().iter().map(|p| p.name)))
}
