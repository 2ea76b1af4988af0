//! The operations, and what a magnitude means to each.

use palimpsest_core::data::Image8;

use super::{MOST, affine, enhance, lookup};

/// An operation of timm's `_RAND_INCREASING_TRANSFORMS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Each channel stretched to 0..255.
    AutoContrast,
    /// Each channel's histogram made flat.
    Equalize,
    /// 255 - v
    Invert,
    /// Up to 30 degrees about the middle.
    Rotate,
    /// 4 down to 0 bits kept.
    Posterize,
    /// Values from a threshold of 256 down to 0 on inverted.
    Solarize,
    /// Up to 110 added to values below 128.
    SolarizeAdd,
    /// Saturation by a factor of 0.1 to 1.9.
    Color,
    /// Contrast by a factor of 0.1 to 1.9.
    Contrast,
    /// Brightness by a factor of 0.1 to 1.9.
    Brightness,
    /// Sharpness by a factor of 0.1 to 1.9.
    Sharpness,
    /// Sheared by up to 0.3 across.
    ShearX,
    /// Sheared by up to 0.3 down.
    ShearY,
    /// Moved by up to 0.45 of the width.
    TranslateX,
    /// Moved by up to 0.45 of the height.
    TranslateY,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::AutoContrast,
        Self::Equalize,
        Self::Invert,
        Self::Rotate,
        Self::Posterize,
        Self::Solarize,
        Self::SolarizeAdd,
        Self::Color,
        Self::Contrast,
        Self::Brightness,
        Self::Sharpness,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
    ];

    /// Applies it at a magnitude of 0 to 10; `negative` turns the direction where there are two.
    #[must_use]
    pub fn apply(self, image: &Image8, magnitude: f64, negative: bool) -> Image8 {
        let share = magnitude / MOST;
        let signed = if negative { -share } else { share };
        let factor = (1.0 + 0.9 * signed).max(0.1);
        let (width, height) = (image.width as f64, image.height as f64);
        match self {
            Self::AutoContrast => lookup::auto_contrast(image),
            Self::Equalize => lookup::equalize(image),
            Self::Invert => lookup::each(image, |v| 255 - v),
            Self::Rotate => affine::rotated(image, 30.0 * signed),
            Self::Posterize => lookup::posterize(image, 4 - (4.0 * share) as u32),
            Self::Solarize => lookup::solarize(image, 256 - ((256.0 * share) as u32).min(256)),
            Self::SolarizeAdd => lookup::solarize_add(image, ((110.0 * share) as u32).min(128)),
            Self::Color => enhance::color(image, factor),
            Self::Contrast => enhance::contrast(image, factor),
            Self::Brightness => enhance::brightness(image, factor),
            Self::Sharpness => enhance::sharpness(image, factor),
            Self::ShearX => affine::transform(image, [1.0, 0.3 * signed, 0.0, 0.0, 1.0, 0.0]),
            Self::ShearY => affine::transform(image, [1.0, 0.0, 0.0, 0.3 * signed, 1.0, 0.0]),
            Self::TranslateX => affine::transform(image, [1.0, 0.0, 0.45 * signed * width, 0.0, 1.0, 0.0]),
            Self::TranslateY => affine::transform(image, [1.0, 0.0, 0.0, 0.0, 1.0, 0.45 * signed * height]),
        }
    }
}
