//! Which blocks give their attention probabilities, and how they were got.

use std::ops::Range;

use crate::tensor::Tensor;

/// Where attention probabilities are wanted. Everywhere else attention stays fused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttentionTap {
    /// Blocks whose probabilities an objective differentiates through.
    pub differentiate: Option<Range<usize>>,
    /// Blocks whose probabilities are only looked at: attention stays fused beside them, and no
    /// gradient is recorded.
    pub observe: Option<Range<usize>>,
}

/// The attention probabilities of one block.
#[derive(Debug, Clone)]
pub struct Probabilities {
    /// The block, counted from 0.
    pub block: usize,
    /// [B, heads, N, N], rows sum to 1.
    pub values: Tensor,
}

/// What a block does about its attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tapped {
    No,
    Differentiate,
    Observe,
}

impl AttentionTap {
    pub(super) fn of(&self, block: usize) -> Tapped {
        let has = |range: &Option<Range<usize>>| range.as_ref().is_some_and(|r| r.contains(&block));
        match (has(&self.differentiate), has(&self.observe)) {
            (true, _) => Tapped::Differentiate,
            (false, true) => Tapped::Observe,
            (false, false) => Tapped::No,
        }
    }
}
