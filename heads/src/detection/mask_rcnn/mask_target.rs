//! What a mask head is trained to say: an object's mask as a region sees it.

use palimpsest_targets::Rle;

use super::roi_align::corners;
use crate::detection::BoxXyxy;

/// `size` x `size` values 0 and 1: the mean of samples about a pixel apart is at least a half, as
/// Detectron2's `BitMasks.crop_and_resize` decides.
pub fn mask_target(mask: &Rle, edges: &BoxXyxy, size: usize) -> Vec<f64> {
    let (width, height, pixels) = (mask.width(), mask.height(), mask.decode());
    let [left, top, _, _] = edges.0.map(|v| v - 0.5);
    let step = |extent: f64| extent / size as f64;
    let (across, down) = (step(edges.width()), step(edges.height()));
    let samples = |step: f64| (step.ceil() as usize).max(1);
    let (columns, rows) = (samples(across), samples(down));
    let value = |y: f64, x: f64| -> f64 {
        corners([y, x], [height, width]).iter().map(|&(at, share)| f64::from(pixels[at]) * share).sum()
    };
    let mut target = Vec::with_capacity(size * size);
    for bin in 0..size * size {
        let (row, column) = (bin / size, bin % size);
        let mut sum = 0.0;
        for i in 0..rows {
            for j in 0..columns {
                let y = top + down * (row as f64 + (i as f64 + 0.5) / rows as f64);
                let x = left + across * (column as f64 + (j as f64 + 0.5) / columns as f64);
                sum += value(y, x);
            }
        }
        target.push(f64::from(u8::from(sum / (rows * columns) as f64 >= 0.5)));
    }
    target
}
