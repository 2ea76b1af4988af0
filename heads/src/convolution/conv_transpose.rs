//! Transposed convolution that doubles height and width.

use palimpsest_core::params::{Init, ParamId, ParamSpecs, Params};
use palimpsest_core::{Result, Tensor};

/// PyTorch's `ConvTranspose2d(input, output, kernel_size=2, stride=2)`: every pixel becomes 2 x 2, and
/// none of them overlap, so that it is a product and a change of layout.
#[derive(Debug, Clone)]
pub struct ConvTranspose2d {
    weight: ParamId,
    bias: ParamId,
    output: usize,
}

impl ConvTranspose2d {
    /// Declares `name.weight` [input, output, 2, 2] and `name.bias` \[output\].
    pub fn new(specs: &mut ParamSpecs, name: &str, input: usize, output: usize, init: Init) -> Self {
        specs.scope(name, |specs| Self {
            weight: specs.declare("weight", [input, output, 2, 2], init, true),
            bias: specs.declare("bias", [output], Init::Constant(0.0), false),
            output,
        })
    }

    /// x [B, input, H, W] -> [B, output, 2 H, 2 W].
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let [b, input, h, w] = x.shape().array()?;
        let (output, compute) = (self.output, params.compute());
        let weight = params[self.weight].cast(compute)?.reshape([input, output * 4])?;
        let pixels = x.cast(compute)?.permute(&[0, 2, 3, 1])?.reshape([b * h * w, input])?;
        pixels
            .matmul(&weight)?
            .cast(x.dtype())?
            .reshape([b, h, w, output, 2, 2])?
            .permute(&[0, 3, 1, 4, 2, 5])?
            .reshape([b, output, 2 * h, 2 * w])?
            .add(&params[self.bias].reshape([1, output, 1, 1])?)
    }
}
