//! The three types of samples, and what each does alike.

use fast_image_resize::pixels::{F32, U8, U16};
use fast_image_resize::{PixelTrait, Resizer};

use crate::transform::Scratch;

/// A sample of an image.
pub(crate) trait SampleType: Copy + Default + Into<f64> {
    /// The same, to the library that resizes.
    type Pixel: PixelTrait;
    /// The value that 0..1 of an image stands for.
    fn unit(self) -> f32;
    /// The sample that stands for an 8-bit one.
    fn of_8_bit(value: u8) -> Self;
    /// The sample below a value between two, as Pillow cuts and doesn't round.
    fn cut(value: f64) -> Self;
    /// For resizing.
    fn pixel(self) -> Self::Pixel;
    /// As resized.
    fn of_pixel(pixel: Self::Pixel) -> Self;
    /// The resizer, and the buffers of planes before and after.
    fn buffers(scratch: &mut Scratch) -> (&mut Resizer, &mut [Vec<Self::Pixel>; 2]);
}

impl SampleType for u8 {
    fn cut(value: f64) -> Self {
        value as Self
    }
    type Pixel = U8;
    fn unit(self) -> f32 {
        f32::from(self) / 255.0
    }
    fn of_8_bit(value: u8) -> Self {
        value
    }
    fn pixel(self) -> U8 {
        U8::new(self)
    }
    fn of_pixel(pixel: U8) -> Self {
        pixel.0
    }
    fn buffers(scratch: &mut Scratch) -> (&mut Resizer, &mut [Vec<U8>; 2]) {
        (&mut scratch.resizer, &mut scratch.planes_8)
    }
}

impl SampleType for u16 {
    fn cut(value: f64) -> Self {
        value as Self
    }
    type Pixel = U16;
    fn unit(self) -> f32 {
        f32::from(self) / 65_535.0
    }
    fn of_8_bit(value: u8) -> Self {
        257 * Self::from(value)
    }
    fn pixel(self) -> U16 {
        U16::new(self)
    }
    fn of_pixel(pixel: U16) -> Self {
        pixel.0
    }
    fn buffers(scratch: &mut Scratch) -> (&mut Resizer, &mut [Vec<U16>; 2]) {
        (&mut scratch.resizer, &mut scratch.planes_16)
    }
}

impl SampleType for f32 {
    fn cut(value: f64) -> Self {
        value as Self
    }
    type Pixel = F32;
    fn unit(self) -> f32 {
        self
    }
    fn of_8_bit(value: u8) -> Self {
        Self::from(value) / 255.0
    }
    fn pixel(self) -> F32 {
        F32::new(self)
    }
    fn of_pixel(pixel: F32) -> Self {
        pixel.0
    }
    fn buffers(scratch: &mut Scratch) -> (&mut Resizer, &mut [Vec<F32>; 2]) {
        (&mut scratch.resizer, &mut scratch.planes_float)
    }
}
