//! Noise values drawn on the host.

use rayon::prelude::*;

use crate::random::{Philox, Stream};

/// Standard normal values [batch, per_image], each image's from its own Philox stream, so that
/// they don't depend on how a batch is split.
pub fn normal_values(
    seed: u64,
    step: u64,
    first_sample: u64,
    batch: usize,
    per_image: usize,
    draw: u64,
) -> Vec<f32> {
    let mut values = vec![0.0; batch * per_image];
    values.par_chunks_mut(per_image.max(1)).enumerate().for_each(|(image, out)| {
        // Several tensors of a step draw from one image's stream under distinct seeds.
        let seed = seed ^ draw.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Philox::new(seed, Stream::Noise, step, first_sample + image as u64).fill_normal(out);
    });
    values
}
