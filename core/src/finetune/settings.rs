//! The `[train]` table of fine-tuning.

use std::fmt;
use std::str::FromStr;

use crate::error::unknown_name;
use crate::recipe::Precision;
use crate::{Error, Result};

/// How much of the encoder is trained beside the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Tuned {
    /// Nothing.
    Frozen,
    /// The last blocks, and the final norm.
    Last(usize),
    /// Everything.
    Full,
}

impl FromStr for Tuned {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "frozen" => Ok(Self::Frozen),
            "full" => Ok(Self::Full),
            _ => match text.strip_prefix("last:").and_then(|n| n.parse().ok()) {
                Some(blocks) if blocks > 0 => Ok(Self::Last(blocks)),
                _ => Err(unknown_name("part of the encoder", text, ["frozen", "full", "last:1", "last:4"])),
            },
        }
    }
}

impl fmt::Display for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frozen => f.write_str("frozen"),
            Self::Last(blocks) => write!(f, "last:{blocks}"),
            Self::Full => f.write_str("full"),
        }
    }
}

impl From<Tuned> for String {
    fn from(tuned: Tuned) -> Self {
        tuned.to_string()
    }
}

impl TryFrom<String> for Tuned {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

crate::settings! {
    /// `[train]`: the length and the means of training a head.
    pub struct FinetuneSettings {
        /// What is trained of the encoder: frozen (nothing), last:N (the last N blocks and the final norm)
        /// or full.
        tune: Tuned = Tuned::Full;
        /// Passes over the training images.
        epochs: f64 = 100.0, in 0.0..=1e6;
        /// Optimiser steps, in place of epochs; 0 goes by epochs.
        steps: usize = 0, in 0..=1_000_000_000;
        /// Images in an optimiser step.
        batch: usize = 256, in 1..=1_000_000;
        /// Parts that a batch is split into; their gradients are summed.
        accumulate: usize = 1, in 1..=65536;
        /// The learning rate of each layer is this times that of the layer above; 1 for one rate.
        layer_decay: f64 = 1.0, in 0.01..=1.0;
        /// Drop-path rate of the encoder's last block; earlier ones have less.
        drop_path: f64 = 0.0, in 0.0..=0.9;
        /// Decay of an average of the weights, which is scored and saved in their place; 0 for none.
        ema: f64 = 0.0, in 0.0..=0.999_999_9;
        /// Blocks that are recomputed together in the backward pass to save memory; 0 for none.
        checkpoint_blocks: usize = 0, in 0..=1024;
        /// With several processes: sums in the order of the ranks, so that N of them give the bits of one with
        /// accumulate = N.
        deterministic: bool = false;
        /// f32, or bf16 for matrix products and attention over f32 weights.
        precision: Precision = Precision::F32;
        /// Seed of the head's initial weights, the order of the images, and their augmentation.
        seed: u64 = 0;
    }
}
