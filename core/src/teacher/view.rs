//! How a teacher sees the student's images: with the mean and deviation that it was trained with, and in patches of its own.

use crate::Result;
use crate::encoder::{patchify, unpatchify};
use crate::geometry::Geometry;
use crate::tensor::{DeviceHandle, Tensor};

/// From patches of the student to those of a teacher with the same grid.
#[derive(Debug, Clone)]
pub(super) struct View {
    student: Geometry,
    teacher: Geometry,
    /// A factor and a summand for each channel; none where both normalise alike.
    affine: Option<[Vec<f32>; 2]>,
}

impl View {
    /// Each normalises by a mean and a deviation, which have a value for each channel, or one.
    pub(super) fn new([student, teacher]: [Geometry; 2], [ours, theirs]: [[&[f64]; 2]; 2]) -> Self {
        let of = |values: &[f64], channel: usize| values[channel.min(values.len() - 1)];
        let (mut factors, mut summands) = (vec![], vec![]);
        for channel in 0..student.channels {
            let [[our_mean, our_std], [their_mean, their_std]] =
                [ours, theirs].map(|by| by.map(|values| of(values, channel)));
            factors.push((our_std / their_std) as f32);
            summands.push(((our_mean - their_mean) / their_std) as f32);
        }
        let same =
            factors.iter().all(|&factor| factor == 1.0) && summands.iter().all(|&summand| summand == 0.0);
        Self { student, teacher, affine: (!same).then_some([factors, summands]) }
    }

    /// The student's patches [B, L, C*p*p] as the teacher's [B, L, C*q*q].
    pub(super) fn of(&self, device: &DeviceHandle, patches: &Tensor) -> Result<Tensor> {
        let resized = self.student.patch != self.teacher.patch;
        if self.affine.is_none() && !resized {
            return Ok(patches.clone());
        }
        let mut images = unpatchify(patches, &self.student)?; // [B, C, H, W]
        if let Some([factors, summands]) = &self.affine {
            let one =
                |values: &Vec<f32>| device.floats([1, values.len(), 1, 1], values.clone(), images.dtype());
            images = images.mul(&one(factors)?)?.add(&one(summands)?)?;
        }
        if resized {
            images = resize(device, &images, [self.teacher.height, self.teacher.width])?;
        }
        patchify(&images, &self.teacher)
    }
}

/// Images [B, C, H, W] at another size, by a triangle filter that is widened when shrinking, as Pillow's bilinear one.
fn resize(device: &DeviceHandle, images: &Tensor, [height, width]: [usize; 2]) -> Result<Tensor> {
    let [b, c, h, w] = images.shape().array()?;
    let matrix = |from: usize, to: usize| device.floats([to, from], triangle(from, to), images.dtype());
    let rows = images.reshape([b * c * h, w])?.linear(&matrix(w, width)?, None)?; // [B*C*H, W']
    let columns = rows.reshape([b * c, h, width])?.permute(&[0, 2, 1])?.reshape([b * c * width, h])?;
    let resized = columns.linear(&matrix(h, height)?, None)?; // [B*C*W', H']
    resized.reshape([b, c, width, height])?.permute(&[0, 1, 3, 2])
}

/// The weight of each of `from` samples in each of `to` [to, from].
fn triangle(from: usize, to: usize) -> Vec<f32> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let row = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        let weights: Vec<f64> =
            (0..from).map(|j| (1.0 - ((j as f64 + 0.5 - centre) / reach).abs()).max(0.0)).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(move |weight| (weight / sum) as f32)
    };
    (0..to).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::triangle;

    /// torch 2.11: the columns of `F.interpolate(eye(5)[None, None], (5, 2), mode="bilinear", antialias=True)`, and its like.
    #[test]
    fn weights_are_those_of_pytorchs_antialiased_bilinear() {
        let near = |found: &[f32], want: &[f32]| {
            assert_eq!(found.len(), want.len());
            found.iter().zip(want).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{found:?} {want:?}"));
        };
        near(
            &triangle(5, 2),
            &[
                0.318_182,
                0.409_091,
                0.227_273,
                0.045_454_5,
                0.0,
                0.0,
                0.045_454_5,
                0.227_273,
                0.409_091,
                0.318_182,
            ],
        );
        near(&triangle(2, 3), &[1.0, 0.0, 0.5, 0.5, 0.0, 1.0]);
        near(&triangle(3, 3), &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    }
}
