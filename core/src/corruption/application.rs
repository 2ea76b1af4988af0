//! What a strategy's `apply` works on.

use super::{CorruptionPlan, NoiseSite, PlanRequest};
use crate::Result;
use crate::tensor::Tensor;

/// Tokens at the noise site, and the plan for them.
pub struct Application<'a> {
    /// The request of the plan.
    pub request: PlanRequest<'a>,
    /// The plan.
    pub plan: &'a CorruptionPlan,
    /// Where the tokens were taken.
    pub site: NoiseSite,
    /// Patches [B, L, C*p*p] on pixels, [B, L, D] on the embedding, [B, `prefix` + K, D] before a
    /// block, K the tokens that the encoder keeps.
    pub tokens: &'a Tensor,
    /// Tokens in front of the patches in `tokens`.
    pub prefix: usize,
    /// The positions of the kept patches, i64 [B, K]; `None` where all L are there.
    pub kept: Option<&'a Tensor>,
    /// The plan's noise on each of `tokens`; `None` without noise in the plan.
    pub noise: Option<&'a TokenNoise>,
}

/// A plan's noise on tokens [B, N, D], drawn: a token z becomes `signal * z + noise`.
pub struct TokenNoise {
    /// The factor of the signal, [B, N, 1].
    pub signal: Tensor,
    /// Standard deviation times eps, [B, N, D].
    pub noise: Tensor,
}

impl TokenNoise {
    /// Noised tokens.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn on(&self, tokens: &Tensor) -> Result<Tensor> {
        tokens.mul(&self.signal)?.add(&self.noise)
    }
}
