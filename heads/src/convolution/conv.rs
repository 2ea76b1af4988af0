//! Convolution.

use palimpsest_core::params::{Init, ParamId, ParamSpecs, Params};
use palimpsest_core::{Result, Tensor};

/// The extents of a convolution: channels in and out, and its kernel's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvExtents {
    /// Channels in.
    pub input: usize,
    /// Channels out.
    pub output: usize,
    /// The side of the kernel, odd.
    pub kernel: usize,
}

/// A convolution of stride 1 with an odd kernel, padded so that height and width stay.
#[derive(Debug, Clone)]
pub struct Conv2d {
    weight: ParamId,
    bias: Option<ParamId>,
    kernel: usize,
}

impl Conv2d {
    /// Declares `name.weight` [output, input, kernel, kernel] and, if a start is given, `name.bias` \[output\].
    pub fn new(
        specs: &mut ParamSpecs,
        name: &str,
        extents: ConvExtents,
        init: Init,
        bias: Option<f32>,
    ) -> Self {
        let ConvExtents { input, output, kernel } = extents;
        specs.scope(name, |specs| Self {
            weight: specs.declare("weight", [output, input, kernel, kernel], init, true),
            bias: bias.map(|start| specs.declare("bias", [output], Init::Constant(start), false)),
            kernel,
        })
    }

    /// x [B, input, H, W] -> [B, output, H, W], multiplied in the compute type and returned in x's.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let compute = params.compute();
        let weight = params[self.weight].cast(compute)?;
        let y = x.cast(compute)?.conv2d(&weight, 1, self.kernel / 2)?.cast(x.dtype())?;
        match self.bias {
            Some(bias) => y.add(&params[bias].reshape([1, weight.shape()[0], 1, 1])?),
            None => Ok(y),
        }
    }
}
