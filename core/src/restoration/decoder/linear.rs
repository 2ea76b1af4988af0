//! No decoder: the heads read the encoder's patch tokens (SimMIM, the paper: a 1x1 convolution and
//! a pixel shuffle, which is a linear layer on each token).

use crate::params::Params;
use crate::restoration::{Decoder, DecoderEntry, MaskTokens, Restorable};
use crate::settings::Settings;
use crate::tensor::Tensor;
use crate::{Error, Result};

crate::settings! {
    /// Has no parameters.
    pub struct LinearSettings {}
}

struct LinearDecoder {
    width: usize,
    prefix: usize,
    tokens: usize,
}

impl Decoder for LinearDecoder {
    fn width(&self) -> usize {
        self.width
    }

    fn restore(&self, _: &Params, input: &Restorable<'_>) -> Result<Tensor> {
        input.encoded.narrow(1, self.prefix, self.tokens)
    }
}

inventory::submit! {
    DecoderEntry {
        name: "linear",
        summary: "none: a linear head on the encoder's tokens (SimMIM, the paper)",
        fields: LinearSettings::fields,
        build: |section, geometry, style, _| {
            section.read::<LinearSettings>()?;
            if style == MaskTokens::InDecoder {
                return Err(Error::user("a linear head can't restore tokens that the encoder dropped")
                    .at(section.location("kind"))
                    .help("set restoration.style = \"encoder\" or kind = \"transformer\""));
            }
            Ok(Box::new(LinearDecoder {
                width: geometry.dim,
                prefix: geometry.prefix,
                tokens: geometry.tokens(),
            }))
        },
    }
}
