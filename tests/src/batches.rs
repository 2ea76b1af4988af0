//! Batches of seeded random images.

use palimpsest_core::data::Batch;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::tensor::HostTensor;

/// `images` images of standard normal pixels; image i depends on `seed` and `first_sample + i`.
pub fn noise(images: usize, [c, h, w]: [usize; 3], seed: u64, first_sample: u64) -> Batch {
    let mut pixels = vec![0.0; images * c * h * w];
    for (i, image) in pixels.chunks_mut(c * h * w).enumerate() {
        Philox::new(seed, Stream::Test, 0, first_sample + i as u64).fill_normal(image);
    }
    Batch {
        pixels: pixels.into(),
        shape: [images, c, h, w],
        labels: vec![-1; images],
        indices: (0..images).collect(),
        first_sample,
    }
}

/// Images [B, C, H, W] of a golden file, without labels, from sample 0 on.
///
/// # Panics
/// If they have another rank.
pub fn of(images: &HostTensor) -> Batch {
    let shape: [usize; 4] = images.shape().array().expect("images");
    let (labels, indices) = (vec![-1; shape[0]], (0..shape[0]).collect());
    Batch { pixels: images.clone().into_f32().into(), shape, labels, indices, first_sample: 0 }
}

/// The batches of `steps` steps, one after another.
pub fn series(steps: usize, images: usize, shape: [usize; 3], seed: u64) -> Vec<Batch> {
    (0..steps).map(|step| noise(images, shape, seed, (step * images) as u64)).collect()
}
