//! From the patch grid to another resolution.

use palimpsest_core::params::{Init, ParamSpecs, Params};
use palimpsest_core::{Error, Result, Tensor};

use crate::convolution::{ConvTranspose2d, Norm2d, NormKind, max_pool};

/// What a change of resolution is built for: from a grid of patches of `patch` px to a map of `stride` px.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RescaleSettings {
    /// Pixels of the image for one of the grid.
    pub patch: f64,
    /// Pixels of the image for one of the map.
    pub stride: f64,
    /// Channels of the grid.
    pub input: usize,
    /// Whether each doubling of the resolution halves the channels (ViTDet); without, they stay (BEiT).
    pub narrowing: bool,
    /// The norm between two doublings.
    pub norm: NormKind,
}

/// A change of resolution by a power of two, as ViTDet and BEiT make their pyramids: transposed
/// convolutions to enlarge (for four times two of them, with a norm and GELU between), nothing, or max
/// pooling.
#[derive(Debug, Clone)]
pub enum Rescale {
    /// Four times as high and wide.
    Quadruple(ConvTranspose2d, Norm2d, ConvTranspose2d),
    /// Twice as high and wide.
    Double(ConvTranspose2d),
    /// As it is, or halved so many times.
    Halved(usize),
}

impl Rescale {
    /// Declares the layers; returns them with the channels that come out.
    ///
    /// # Errors
    /// A stride that can't be reached, or channels that can't be halved.
    pub fn new(specs: &mut ParamSpecs, settings: RescaleSettings) -> Result<(Self, usize)> {
        let RescaleSettings { patch, stride, input, narrowing, norm } = settings;
        let init = || Init::TruncatedNormal((1.0 / input as f64).sqrt() as f32);
        let factor = patch / stride;
        let divisor = if narrowing && factor > 1.0 { factor as usize } else { 1 };
        let output = input / divisor;
        let rescale = match factor {
            4.0 | 2.0 if !input.is_multiple_of(divisor) => {
                return Err(Error::user(format!("a width of {input} can't be divided by {divisor}"))
                    .help("use an encoder whose width is a multiple of 4, or leave the finest level out"));
            }
            4.0 => {
                let middle = if narrowing { input / 2 } else { input };
                Self::Quadruple(
                    ConvTranspose2d::new(specs, "up1", input, middle, init()),
                    norm.declare(specs, "norm", middle),
                    ConvTranspose2d::new(specs, "up2", middle, output, init()),
                )
            }
            2.0 => Self::Double(ConvTranspose2d::new(specs, "up", input, output, init())),
            1.0 => Self::Halved(0),
            0.5 => Self::Halved(1),
            0.25 => Self::Halved(2),
            0.125 => Self::Halved(3),
            _ => {
                let reached = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0].map(|f| (patch * f).to_string()).join(", ");
                return Err(Error::user(format!("a stride of {stride} px from patches of {patch} px"))
                    .help(format!("choose strides among {reached}")));
            }
        };
        Ok((rescale, output))
    }

    /// x [B, C, H, W] -> rescaled.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Quadruple(first, norm, second) => {
                second.forward(params, &norm.forward(params, &first.forward(params, x)?)?.gelu()?)
            }
            Self::Double(up) => up.forward(params, x),
            Self::Halved(times) => (0..*times).try_fold(x.clone(), |x, _| max_pool(&x)),
        }
    }
}
