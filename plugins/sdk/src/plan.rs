//! A corruption as a value: what becomes of each token of a batch.

use palimpsest_abi::corruption::{SUBSTITUTIVE, USES_SOURCE};
pub use palimpsest_types::Role;

use crate::random::{Philox, Stream};
use crate::request::PlanRequest;
use crate::strategy::Corruption;
use crate::{Error, Result};

/// A plan to write, for B images of L tokens. It begins as one that leaves every token alone.
///
/// A token z becomes `gain * z + noise * eps`, eps standard normal, drawn by the host.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(crate) request: &'a PlanRequest<'a>,
    pub(crate) roles: &'a mut [Role],
    pub(crate) gain: &'a mut [f32],
    pub(crate) noise: &'a mut [f32],
    pub(crate) source: &'a mut [u32],
    pub(crate) flags: u32,
}

impl<'a> Plan<'a> {
    /// Over buffers of `request`'s extents, which hold a plan that leaves every token alone.
    pub(crate) fn new(
        request: &'a PlanRequest<'a>,
        roles: &'a mut [Role],
        gain: &'a mut [f32],
        noise: &'a mut [f32],
        source: &'a mut [u32],
    ) -> Self {
        Self { request, roles, gain, noise, source, flags: 0 }
    }

    /// Images in the batch, B.
    pub fn batch(&self) -> usize {
        self.request.batch
    }

    /// Tokens in an image, L.
    pub fn tokens(&self) -> usize {
        self.request.tokens
    }

    /// Each image's part of the plan, in order.
    pub fn images(&mut self) -> impl ExactSizeIterator<Item = Image<'_>> {
        // An image without tokens still is an image.
        let (request, tokens) = (self.request, self.request.tokens);
        let (mut roles, mut gain, mut noise) = (&mut *self.roles, &mut *self.gain, &mut *self.noise);
        (0..request.batch).map(move |index| Image {
            request,
            index,
            roles: cut(&mut roles, tokens),
            gain: cut(&mut gain, tokens),
            noise: cut(&mut noise, tokens),
        })
    }

    /// One image's part of the plan.
    ///
    /// # Panics
    /// Outside the batch.
    #[track_caller]
    pub fn image(&mut self, index: usize) -> Image<'_> {
        let (batch, tokens) = (self.request.batch, self.request.tokens);
        assert!(index < batch, "image {index} of a batch of {batch}");
        let range = index * tokens..(index + 1) * tokens;
        Image {
            request: self.request,
            index,
            roles: &mut self.roles[range.clone()],
            gain: &mut self.gain[range.clone()],
            noise: &mut self.noise[range],
        }
    }

    /// The role of each token, [B, L].
    pub fn roles(&self) -> &[Role] {
        self.roles
    }

    /// The factor of each token's signal, [B, L].
    pub fn gain(&self) -> &[f32] {
        self.gain
    }

    /// The standard deviation of each token's noise, [B, L].
    pub fn noise(&self) -> &[f32] {
        self.noise
    }

    /// Takes a token from another place before anything else happens: position `token` of image
    /// `image` gets what `from` (an image of the batch and a position) holds in the clean batch. From another image
    /// it needs [`Corruption::MIXES`].
    ///
    /// # Panics
    /// Outside the batch.
    #[track_caller]
    pub fn take(&mut self, image: usize, token: usize, from: (usize, usize)) {
        let to = self.place(image, token);
        let from = self.place(from.0, from.1);
        self.flags |= USES_SOURCE;
        self.source[to] = from as u32;
    }

    /// Whether masked tokens are left as [`take`](Self::take) and the noise made them, instead of
    /// being replaced by the mask token.
    pub fn set_substitutive(&mut self, substitutive: bool) {
        if substitutive {
            self.flags |= SUBSTITUTIVE;
        } else {
            self.flags &= !SUBSTITUTIVE;
        }
    }

    #[track_caller]
    fn place(&self, image: usize, token: usize) -> usize {
        let (batch, tokens) = (self.request.batch, self.request.tokens);
        assert!(
            image < batch && token < tokens,
            "token {token} of image {image} in a batch of {batch} x {tokens}"
        );
        image * tokens + token
    }

    /// Holds the plan to what its strategy promises in constants.
    pub(crate) fn check<T: Corruption>(&self) -> Result<()> {
        let tokens = self.request.tokens.max(1);
        let broken = |what: String, help: &str| Err(Error::failure(what).at(T::ID).help(help));
        if T::EQUAL_COUNTS {
            let mut counts = self.roles.chunks(tokens).map(masked);
            let first = counts.next().unwrap_or_default();
            if let Some((image, count)) = (1..).zip(counts).find(|&(_, count)| count != first) {
                return broken(
                    format!(
                        "image {image} has {count} masked tokens and image 0 has {first}, against EQUAL_COUNTS"
                    ),
                    "mask equal numbers, or remove EQUAL_COUNTS",
                );
            }
        }
        // Without an early end, so that it is a few instructions for many tokens.
        if !T::INJECTS && self.noise.iter().fold(false, |noisy, &s| noisy | (s != 0.0)) {
            return broken("the plan has noise, without INJECTS".to_owned(), "set INJECTS to true");
        }
        let strays = |(to, &from): (usize, &u32)| to / tokens != from as usize / tokens;
        if !T::MIXES && self.flags & USES_SOURCE != 0 && self.source.iter().enumerate().any(strays) {
            return broken(
                "a token is taken from another image, without MIXES".to_owned(),
                "set MIXES to true",
            );
        }
        Ok(())
    }
}

fn masked(roles: &[Role]) -> usize {
    roles.iter().filter(|&&role| role == Role::Masked).count()
}

/// Cuts the first `len` off.
fn cut<'a, T>(rest: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    let (first, behind) = std::mem::take(rest).split_at_mut(len);
    *rest = behind;
    first
}

/// One image's part of a plan.
#[derive(Debug)]
pub struct Image<'a> {
    request: &'a PlanRequest<'a>,
    index: usize,
    roles: &'a mut [Role],
    gain: &'a mut [f32],
    noise: &'a mut [f32],
}

impl<'a> Image<'a> {
    /// Its place in the batch.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its number, counted over the run.
    pub fn sample(&self) -> u64 {
        self.request.first_sample.wrapping_add(self.index as u64)
    }

    /// Its tokens, L.
    pub fn tokens(&self) -> usize {
        self.roles.len()
    }

    /// Its random numbers for masks: each call begins the same stream anew.
    pub fn random(&self) -> Philox {
        self.random_from(Stream::Mask)
    }

    /// Its random numbers in a stream; each call begins it anew.
    pub fn random_from(&self, stream: Stream) -> Philox {
        self.request.random(self.index, stream)
    }

    /// Its scores, \[L\], for a strategy that observes.
    pub fn scores(&self) -> Option<&'a [f32]> {
        self.request.scores_of(self.index)
    }

    /// The role of each token, \[L\].
    pub fn roles(&self) -> &[Role] {
        self.roles
    }

    /// The role of each token, \[L\], to write.
    pub fn roles_mut(&mut self) -> &mut [Role] {
        self.roles
    }

    /// The factor of each token's signal, \[L\], to write; 1 without noise.
    pub fn gain_mut(&mut self) -> &mut [f32] {
        self.gain
    }

    /// The standard deviation of each token's noise, \[L\], to write; 0 without noise.
    pub fn noise_mut(&mut self) -> &mut [f32] {
        self.noise
    }

    /// How many tokens are masked.
    pub fn masked(&self) -> usize {
        masked(self.roles)
    }

    /// Masks a token.
    ///
    /// # Panics
    /// Outside the image.
    #[track_caller]
    pub fn mask(&mut self, token: usize) {
        self.within(token);
        self.roles[token] = Role::Masked;
    }

    /// Makes a token `gain * z + std * eps`. A visible token becomes a noised one; a masked one
    /// stays masked, and its noise shows where the plan is substitutive. Needs [`Corruption::INJECTS`].
    ///
    /// # Panics
    /// Outside the image, or with a gain or a deviation that is not finite or a negative deviation.
    #[track_caller]
    pub fn add_noise(&mut self, token: usize, gain: f32, std: f32) {
        self.within(token);
        assert!(gain.is_finite(), "a gain of {gain}");
        assert!(std.is_finite() && std >= 0.0, "noise of standard deviation {std}");
        if self.roles[token] == Role::Visible {
            self.roles[token] = Role::Noised;
        }
        self.gain[token] = gain;
        self.noise[token] = std;
    }

    #[track_caller]
    fn within(&self, token: usize) {
        assert!(token < self.roles.len(), "token {token} of an image with {}", self.roles.len());
    }
}
