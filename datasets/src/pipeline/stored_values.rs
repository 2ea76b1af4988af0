//! The least and the greatest number that image files store, in the files' units: what `data.range` is chosen by.

use palimpsest_core::data::{Encoded, Image, Samples};
use serde::Serialize;

use crate::decode::{DecodeOptions, decode};
use crate::pipeline::scaling::{Scale, Scaling};

/// The least and the greatest of some numbers, rounded to 32-bit floats; NaN and infinities are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StoredValues {
    /// The least.
    #[serde(rename = "min")]
    pub least: f64,
    /// The greatest.
    #[serde(rename = "max")]
    pub most: f64,
}

impl StoredValues {
    /// Those of the file of an image, which stores numbers of the type `stored`; `image` is what the recipe makes of it, if
    /// anything, and isn't decoded again where it has the file's own numbers.
    pub(crate) fn of(
        encoded: Option<&Encoded>,
        stored: Option<&str>,
        image: Option<&Image>,
        options: DecodeOptions,
    ) -> Option<Self> {
        let as_stored = match (image.map(|image| &image.pixels), stored, options.scaling.scale) {
            (Some(Samples::U8(_)), Some("8-bit"), Scale::TypeRange) => true,
            (Some(Samples::U16(_)), Some("16-bit"), Scale::TypeRange) => true,
            _ => encoded.is_none(),
        };
        if as_stored {
            return Self::of_samples(&image?.pixels);
        }
        let bytes = encoded?.clone().read().ok()?;
        // What was read once is not too large.
        let max_pixels = image.map_or(options.max_pixels, |image| (image.width * image.height) as u64);
        let scaling = Scaling { scale: Scale::Stored, nan: None };
        let image = decode(&bytes, DecodeOptions { max_pixels, scaling, ..options }).ok()?;
        Self::of_samples(&image.pixels)
    }

    fn of_samples(samples: &Samples) -> Option<Self> {
        match samples {
            Samples::U8(values) => Self::among(values.iter().map(|&value| f64::from(value))),
            Samples::U16(values) => Self::among(values.iter().map(|&value| f64::from(value))),
            Samples::F32(values) => Self::among(values.iter().map(|&value| f64::from(value))),
        }
    }

    fn among(values: impl Iterator<Item = f64>) -> Option<Self> {
        let both = values.filter(|value| value.is_finite()).map(|value| Self { least: value, most: value });
        both.reduce(Self::with)
    }

    /// Those of both.
    #[must_use]
    pub(crate) fn with(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }
}
