//! What [`Apply::apply`](crate::Apply::apply) works on.

use crate::Result;
use crate::plan::Role;
use crate::request::PlanRequest;
use crate::tensor::{Ops, Tensor};

/// Where the injection happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Injection {
    /// On the pixels of the patches.
    Pixels,
    /// On the embedded patches, before positions are added.
    Embedding,
    /// On the tokens that enter a block.
    Block,
}

/// The former name of [`Injection`].
#[deprecated(note = "renamed to `Injection`")]
pub type Place = Injection;

/// What [`Apply::apply`](crate::Apply::apply) works on; it lives as long as the call.
#[derive(Debug, Clone, Copy)]
pub struct Application<'call> {
    pub(crate) ops: Ops<'call>,
    pub(crate) request: &'call PlanRequest<'call>,
    pub(crate) roles: &'call [Role],
    pub(crate) plan_gain: &'call [f32],
    pub(crate) plan_noise: &'call [f32],
    pub(crate) injection: Injection,
    pub(crate) prefix: usize,
    pub(crate) tokens: Tensor<'call>,
    pub(crate) kept: Option<Tensor<'call>>,
    pub(crate) gain: Option<Tensor<'call>>,
    pub(crate) noise: Option<Tensor<'call>>,
}

impl<'call> Application<'call> {
    /// The tokens to corrupt, [B, N, W]: patches [B, L, C p p] on pixels, [B, L, D] on the embedding,
    /// [B, prefix + K, D] before a block, K the tokens that the encoder keeps.
    pub fn tokens(&self) -> Tensor<'call> {
        self.tokens
    }

    /// Tokens in front of the patches in [`tokens`](Self::tokens).
    pub fn prefix(&self) -> usize {
        self.prefix
    }

    /// The positions of the kept patches, i64 [B, K]; none where all L are there.
    pub fn kept(&self) -> Option<Tensor<'call>> {
        self.kept
    }

    /// Where the injection happens.
    pub fn injection(&self) -> Injection {
        self.injection
    }

    /// The former name of [`Application::injection`].
    #[deprecated(note = "renamed to `injection`")]
    pub fn place(&self) -> Injection {
        self.injection()
    }

    /// The request that the plan was made for.
    pub fn request(&self) -> &'call PlanRequest<'call> {
        self.request
    }

    /// The plan's role of each token, [B, L], on the host.
    pub fn roles(&self) -> &'call [Role] {
        self.roles
    }

    /// The plan's factor of each token's signal, [B, L], on the host.
    pub fn plan_gain(&self) -> &'call [f32] {
        self.plan_gain
    }

    /// The plan's standard deviation of each token's noise, [B, L], on the host.
    pub fn plan_noise(&self) -> &'call [f32] {
        self.plan_noise
    }

    /// The plan's gain for each of [`tokens`](Self::tokens), [B, N, 1]; none without noise in the plan.
    pub fn gain(&self) -> Option<Tensor<'call>> {
        self.gain
    }

    /// The plan's noise for each of [`tokens`](Self::tokens), standard deviation times eps, [B, N, W]; none
    /// without noise in the plan.
    pub fn noise(&self) -> Option<Tensor<'call>> {
        self.noise
    }

    /// The tokens with the plan's noise on them, as the host does it: `gain * z + noise`.
    ///
    /// # Errors
    /// What an operation answers.
    pub fn noised(&self) -> Result<Tensor<'call>> {
        let mut tokens = self.tokens;
        if let Some(gain) = self.gain {
            tokens = tokens.mul(gain)?;
        }
        if let Some(noise) = self.noise {
            tokens = tokens.add(noise)?;
        }
        Ok(tokens)
    }

    /// The operations that make new tensors.
    pub fn ops(&self) -> Ops<'call> {
        self.ops
    }
}
