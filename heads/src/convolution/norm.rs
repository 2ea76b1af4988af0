//! Normalisation of feature maps by statistics of one image: batches of dense tasks are small, and
//! one process sees only its own part of them.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use palimpsest_core::params::{Init, ParamId, ParamSpecs, Params};
use palimpsest_core::{Result, Tensor};

/// A layer norm over the channels of each pixel, as ViTDet has it.
#[derive(Debug, Clone)]
pub struct LayerNorm2d {
    gain: ParamId,
    bias: ParamId,
}

impl LayerNorm2d {
    const EPS: f64 = 1e-6;

    /// Declares `name.weight` and `name.bias`, \[channels\].
    pub fn new(specs: &mut ParamSpecs, name: &str, channels: usize) -> Self {
        let [gain, bias] = affine(specs, name, channels);
        Self { gain, bias }
    }

    /// x [B, C, H, W] -> the same shape.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        x.permute(&[0, 2, 3, 1])?
            .layer_norm(&params[self.gain], &params[self.bias], Self::EPS)?
            .permute(&[0, 3, 1, 2])
    }
}

/// Group norm (Wu & He 2018): over each group of channels of an image, pixels included.
#[derive(Debug, Clone)]
pub struct GroupNorm {
    gain: ParamId,
    bias: ParamId,
    groups: usize,
}

impl GroupNorm {
    const EPS: f64 = 1e-5;

    /// The usual number of groups, 32, or fewer that divide the channels into groups of `least` or more.
    pub fn groups(channels: usize, least: usize) -> usize {
        (1..=(channels / least).min(32)).rev().find(|&groups| channels.is_multiple_of(groups)).unwrap_or(1)
    }

    /// Declares `name.weight` and `name.bias`, \[channels\], which `groups` must divide.
    pub fn new(specs: &mut ParamSpecs, name: &str, channels: usize, groups: usize) -> Self {
        assert!(channels.is_multiple_of(groups), "{groups} groups of {channels} channels");
        let [gain, bias] = affine(specs, name, channels);
        Self { gain, bias, groups }
    }

    /// x [B, C, H, W] -> the same shape.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let [b, c, h, w] = x.shape().array()?;
        let width = c / self.groups * h * w;
        let device = params.device();
        let (one, zero) = (device.full([width], 1.0, x.dtype())?, device.full([width], 0.0, x.dtype())?);
        x.reshape([b * self.groups, width])?
            .layer_norm(&one, &zero, Self::EPS)?
            .reshape([b, c, h, w])?
            .mul(&params[self.gain].reshape([1, c, 1, 1])?)?
            .add(&params[self.bias].reshape([1, c, 1, 1])?)
    }
}

/// Either.
#[derive(Debug, Clone)]
pub enum Norm2d {
    /// Over the channels of each pixel.
    Layer(LayerNorm2d),
    /// Over groups of channels of an image.
    Group(GroupNorm),
}

impl Norm2d {
    /// x [B, C, H, W] -> the same shape.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Layer(norm) => norm.forward(params, x),
            Self::Group(norm) => norm.forward(params, x),
        }
    }
}

fn affine(specs: &mut ParamSpecs, name: &str, channels: usize) -> [ParamId; 2] {
    specs.scope(name, |specs| {
        [("weight", 1.0), ("bias", 0.0)]
            .map(|(name, start)| specs.declare(name, [channels], Init::Constant(start), false))
    })
}
