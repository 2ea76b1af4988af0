//! What a strategy's `apply` works on.

use super::{CorruptionPlan, PlanRequest};
use crate::tensor::Tensor;

/// Tokens at the injection point, and the plan for them.
pub struct Application<'a> {
    /// The request of the plan.
    pub request: PlanRequest<'a>,
    /// The plan; it tells where the injection is.
    pub plan: &'a CorruptionPlan,
    /// Patches [B, L, C*p*p] on pixels, [B, L, D] on the embedding, [B, `prefix` + K, D] before a
    /// block, K the tokens that the encoder keeps.
    pub tokens: &'a Tensor,
    /// Tokens in front of the patches in `tokens`.
    pub prefix: usize,
    /// The positions of the kept patches, i64 [B, K]; `None` where all L are there.
    pub kept: Option<&'a Tensor>,
    /// The plan's gain for each of `tokens`, [B, N, 1], and its noise, standard deviation times eps,
    /// [B, N, D]; `None` without noise in the plan.
    pub noise: Option<[&'a Tensor; 2]>,
}
