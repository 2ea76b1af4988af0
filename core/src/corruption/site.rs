//! Where noise enters a model.

use super::{Combination, Corruption, CorruptionPlan, Injection, NoiseSettings};
use crate::restoration::MaskTokens;
use crate::{Error, Result};

/// Where noise, or a strategy's operations, enter: resolved once, when a model is built, from `[noise]`, the
/// strategy and the style of restoration. Whatever depends on it asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseSite {
    /// Nowhere: the recipe has no noise, and its strategy changes no token.
    Nowhere,
    /// On the pixels of the patches, for encoder, decoder or both, as the style says.
    Pixels(MaskTokens),
    /// On the embedded patches, before positions are added.
    Embedding,
    /// On the tokens that enter block k, counted from 0.
    Block(usize),
}

impl NoiseSite {
    /// The site of a model with `depth` blocks.
    ///
    /// # Errors
    /// Two places in one recipe; a block that the encoder hasn't; noise in place of masks within an encoder
    /// that drops masked tokens. The key at fault is `at`.
    pub fn resolve(
        strategy: &dyn Corruption,
        noise: Option<&NoiseSettings>,
        style: MaskTokens,
        depth: usize,
    ) -> Result<Self> {
        let at = noise.map(|noise| noise.at);
        let substitutive = noise.is_some_and(|noise| noise.combination == Combination::Substitutive);
        match strategy.injection(at)?.or(at) {
            None => Ok(Self::Nowhere),
            Some(Injection::Pixels) => Ok(Self::Pixels(style)),
            Some(Injection::Block(k)) if k >= depth => {
                Err(Error::user(format!("block {k} is not among the {depth} blocks"))
                    .about("at")
                    .help(format!("choose block:0 to block:{}", depth - 1)))
            }
            Some(_) if style == MaskTokens::InDecoder && substitutive => {
                Err(Error::user("an encoder that drops masked tokens can't noise them")
                    .about("at")
                    .help("set noise.at = \"pixels\" or restoration.style = \"encoder\""))
            }
            Some(Injection::Embedding) => Ok(Self::Embedding),
            Some(Injection::Block(k)) => Ok(Self::Block(k)),
        }
    }

    /// Whether it is on the pixels, so that patches are noised before anything is embedded.
    pub fn on_pixels(self) -> bool {
        matches!(self, Self::Pixels(_))
    }

    /// The block whose input is noised, if it is one's.
    pub fn block(self) -> Option<usize> {
        match self {
            Self::Block(k) => Some(k),
            Self::Nowhere | Self::Pixels(_) | Self::Embedding => None,
        }
    }

    /// The first block that noised tokens enter.
    pub fn first_block(self) -> usize {
        self.block().unwrap_or(0)
    }

    /// Whether the encoder is given the noised patches. Noise that a plan puts in place of masks is for the
    /// decoder alone where the encoder drops masked tokens (DiffMAE).
    pub fn encoder_sees_patches(self, plan: &CorruptionPlan) -> bool {
        match self {
            Self::Pixels(style) => style == MaskTokens::InEncoder || !plan.substitutive,
            Self::Nowhere | Self::Embedding | Self::Block(_) => false,
        }
    }

    /// Whether the decoder is given the noised patches: those that a plan puts in place of masks.
    pub fn decoder_sees_patches(self, plan: &CorruptionPlan) -> bool {
        self.on_pixels() && plan.substitutive
    }
}

impl From<NoiseSite> for Injection {
    /// The site in the words of recipes and of the C interface. They have none for a model without noise; there
    /// it reads as the embedding, where nothing is added then.
    fn from(site: NoiseSite) -> Self {
        match site {
            NoiseSite::Pixels(_) => Self::Pixels,
            NoiseSite::Embedding | NoiseSite::Nowhere => Self::Embedding,
            NoiseSite::Block(k) => Self::Block(k),
        }
    }
}
