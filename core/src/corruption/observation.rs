//! What a strategy that is guided by features looks at.

/// Computed on clean images, with the weights as they are, before the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// Patches [B, L, C*p*p].
    Pixels,
    /// Embedded patches [B, L, D].
    Embedding,
    /// The tokens [B, P + L, D] after a block, counted from 0, or from the last one, -1, if negative.
    Features(i32),
    /// The attention probabilities [B, heads, P + L, P + L] of a block, counted likewise.
    Attention(i32),
}
