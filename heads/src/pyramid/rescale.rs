//! From the patch grid to another resolution.

use palimpsest_core::error::unknown_name;
use palimpsest_core::params::{Init, ParamSpecs, Params};
use palimpsest_core::{Error, Result, Tensor};

use crate::convolution::{ConvTranspose2d, Norm2d, NormKind, max_pool};

/// A change of resolution by 4, 2, 1 or 1/2, as ViTDet and BEiT make their pyramids: transposed
/// convolutions to enlarge (two of them with a norm and GELU between), nothing, or max pooling.
#[derive(Debug, Clone)]
pub enum Rescale {
    /// Four times as high and wide.
    Quadruple(ConvTranspose2d, Norm2d, ConvTranspose2d),
    /// Twice as high and wide.
    Double(ConvTranspose2d),
    /// As it is.
    Same,
    /// Half as high and wide.
    Half,
}

impl Rescale {
    /// The factors that there are.
    pub const FACTORS: [f64; 4] = [4.0, 2.0, 1.0, 0.5];

    /// Declares the layers for a factor on `input` channels; returns them with the channels that come
    /// out. With `narrowing`, each doubling of the resolution halves the channels (ViTDet); without,
    /// they stay (BEiT).
    ///
    /// # Errors
    /// Another factor, or channels that can't be halved.
    pub fn new(
        specs: &mut ParamSpecs,
        factor: f64,
        input: usize,
        narrowing: bool,
        norm: NormKind,
    ) -> Result<(Self, usize)> {
        let init = || Init::TruncatedNormal((1.0 / input as f64).sqrt() as f32);
        let divisor = if narrowing { factor.max(1.0) as usize } else { 1 };
        if !input.is_multiple_of(divisor) {
            return Err(Error::user(format!("a width of {input} can't be divided by {divisor}"))
                .mend("use an encoder whose width is a multiple of 4, or leave the finest level out"));
        }
        let output = input / divisor;
        let rescale = match factor {
            4.0 => {
                let middle = if narrowing { input / 2 } else { input };
                Self::Quadruple(
                    ConvTranspose2d::new(specs, "up1", input, middle, init()),
                    norm.declare(specs, "norm", middle),
                    ConvTranspose2d::new(specs, "up2", middle, output, init()),
                )
            }
            2.0 => Self::Double(ConvTranspose2d::new(specs, "up", input, output, init())),
            1.0 => Self::Same,
            0.5 => Self::Half,
            _ => {
                let known = Self::FACTORS.map(|f| f.to_string());
                return Err(unknown_name("scale", &factor.to_string(), known.iter().map(String::as_str)));
            }
        };
        Ok((rescale, output))
    }

    /// x [B, C, H, W] -> rescaled.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Quadruple(first, norm, second) => {
                second.forward(params, &norm.forward(params, &first.forward(params, x)?)?.gelu()?)
            }
            Self::Double(up) => up.forward(params, x),
            Self::Same => Ok(x.clone()),
            Self::Half => max_pool(x),
        }
    }
}
