//! Roles of tokens.

/// What becomes of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Role {
    /// The encoder sees it as it is.
    #[default]
    Visible = 0,
    /// Hidden, and to be restored: replaced by the mask token, dropped, or (substitutive) replaced by a noised token.
    Masked = 1,
    /// Visible, with noise on it.
    Noised = 2,
}
