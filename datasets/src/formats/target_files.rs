//! `[data.reader]` of readers of image files with targets.

use crate::decode::{DecodeOptions, Exif};
use crate::spec::DataSpec;

palimpsest_core::settings! {
    /// `[data.reader]` of readers of image files with targets.
    pub struct TargetFiles {
        /// Whether images are turned upright by their EXIF orientation ("apply"), or taken as stored ("ignore"),
        /// which is right where boxes and label maps were drawn on the stored pixels.
        exif: Exif = Exif::Apply;
        /// Images with more pixels are refused.
        max_pixels: u64 = 100_000_000, in 1u64..=1_000_000_000_000;
    }
}

palimpsest_core::settings! {
    /// `[data.reader]` of readers of image files with targets that may have to be told their classes.
    pub struct NamedTargetFiles {
        /// The names of the classes, in the order of the labels; [] for those that the files tell.
        classes: Vec<String> = Vec::new();
        /// Whether images are turned upright by their EXIF orientation ("apply"), or taken as stored ("ignore"),
        /// which is right where boxes and label maps were drawn on the stored pixels.
        exif: Exif = Exif::Apply;
        /// Images with more pixels are refused.
        max_pixels: u64 = 100_000_000, in 1u64..=1_000_000_000_000;
    }
}

impl TargetFiles {
    /// How images are decoded.
    pub(crate) fn decode(&self, spec: &DataSpec) -> DecodeOptions {
        spec.decode(self.max_pixels).with_exif(self.exif)
    }
}

impl NamedTargetFiles {
    /// How images are decoded.
    pub(crate) fn decode(&self, spec: &DataSpec) -> DecodeOptions {
        spec.decode(self.max_pixels).with_exif(self.exif)
    }
}
