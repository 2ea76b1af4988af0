//! Inference on images of any size by an encoder of one: overlapping windows, several scales, mirrored.

use palimpsest_core::tensor::Interpolation;
use palimpsest_core::{Error, Result, Tensor};

/// Windows and scales, as mmsegmentation's `slide` mode and test-time augmentation have them.
#[derive(Debug, Clone, PartialEq)]
pub struct SlidingWindow {
    /// Height and width of a window: the encoder's image.
    pub size: [usize; 2],
    /// Pixels from one window to the next, down and across.
    pub stride: [usize; 2],
    /// Scales; at 1 the image's shorter side is the window's (while the longer is at most four
    /// times that).
    pub scales: Vec<f64>,
    /// Whether the mirrored image is looked at too.
    pub flip: bool,
    /// The most windows that are looked at in one pass.
    pub batch: usize,
}

impl SlidingWindow {
    /// Checks the numbers.
    ///
    /// # Errors
    /// No scale, a scale that is no positive number, or a stride that leaves pixels out.
    pub fn check(&self) -> Result<()> {
        let fits = |side: usize| (1..=self.size[side]).contains(&self.stride[side]);
        if !fits(0) || !fits(1) || self.batch == 0 {
            return Err(Error::user(format!("windows of {:?} every {:?} pixels", self.size, self.stride))
                .help("use a stride of 1 up to the window's size"));
        }
        match self.scales.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            Some(scale) => Err(Error::user(format!("{scale} is no scale")).help("use numbers above 0")),
            None if self.scales.is_empty() => Err(Error::user("no scale").help("give [1.0], say")),
            None => Ok(()),
        }
    }

    /// The top and left of each window on an image of this height and width: the last of a row is moved
    /// back so that it ends at the edge.
    pub fn windows(&self, [height, width]: [usize; 2]) -> Vec<[usize; 2]> {
        let starts = |extent: usize, size: usize, stride: usize| -> Vec<usize> {
            let last = extent.saturating_sub(size);
            (0..=last.div_ceil(stride)).map(|i| (i * stride).min(last)).collect()
        };
        let lefts = starts(width, self.size[1], self.stride[1]);
        starts(height, self.size[0], self.stride[0])
            .into_iter()
            .flat_map(|top| lefts.iter().map(move |&left| [top, left]))
            .collect()
    }

    /// The probabilities [B, K, H, W] of normalised images [B, C, H, W], the mean over scales and
    /// mirror images. `forward` gives logits [n, K, h, w] of windows [n, C, height, width].
    ///
    /// # Errors
    /// What `forward` fails with, or the backend's failure.
    pub fn probabilities(
        &self,
        image: &Tensor,
        forward: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let [_, _, height, width] = image.shape().array()?;
        let mut total: Option<Tensor> = None;
        let mut count = 0.0;
        for &scale in &self.scales {
            let [h, w] = self.scaled([height, width], scale);
            let resized = resize(image, [h, w])?;
            for mirrored in [false, true] {
                if mirrored && !self.flip {
                    continue;
                }
                let seen = if mirrored { mirror(&resized)? } else { resized.clone() };
                let mut logits = resize(&self.logits(&seen, forward)?, [height, width])?;
                if mirrored {
                    logits = mirror(&logits)?;
                }
                let own = logits.permute(&[0, 2, 3, 1])?.softmax()?.permute(&[0, 3, 1, 2])?;
                total = Some(match total {
                    Some(sum) => sum.add(&own)?,
                    None => own,
                });
                count += 1.0;
            }
        }
        total.ok_or_else(|| Error::failure("no scale"))?.mul_scalar(1.0 / count)
    }

    /// Height and width of an image at a scale.
    fn scaled(&self, [height, width]: [usize; 2], scale: f64) -> [usize; 2] {
        let (long, short) = (height.max(width) as f64, height.min(width) as f64);
        let window = self.size[0].min(self.size[1]) as f64;
        let factor = scale * (window / short).min(4.0 * window / long);
        [height, width].map(|side| ((side as f64 * factor).round() as usize).max(1))
    }

    /// Logits [B, K, H, W] of images: where windows overlap, their mean.
    fn logits(&self, image: &Tensor, forward: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let [b, _, h, w] = image.shape().array()?;
        // An image that is smaller than a window is padded with zeros, the mean of normalised pixels.
        let [full_h, full_w] = [h.max(self.size[0]), w.max(self.size[1])];
        let padded = pad(image, [0, full_h - h], [0, full_w - w])?;
        let windows = self.windows([full_h, full_w]);
        let mut counts = vec![0.0; full_h * full_w];
        let mut sum: Option<Tensor> = None;
        for part in windows.chunks((self.batch / b).max(1)) {
            let crops = part
                .iter()
                .map(|&[top, left]| padded.narrow(2, top, self.size[0])?.narrow(3, left, self.size[1]))
                .collect::<Result<Vec<_>>>()?;
            let logits = forward(&Tensor::concat(&crops.iter().collect::<Vec<_>>(), 0)?)?;
            let logits = resize(&logits, self.size)?;
            for (i, &[top, left]) in part.iter().enumerate() {
                let (below, right) = (full_h - self.size[0] - top, full_w - self.size[1] - left);
                let own = pad(&logits.narrow(0, i * b, b)?, [top, below], [left, right])?;
                sum = Some(match sum {
                    Some(sum) => sum.add(&own)?,
                    None => own,
                });
                for row in top..top + self.size[0] {
                    counts[row * full_w + left..][..self.size[1]].iter_mut().for_each(|n| *n += 1.0);
                }
            }
        }
        let shares = counts.into_iter().map(|n: f64| n.recip()).collect();
        let shares = image.device().f64s([1, 1, full_h, full_w], shares, image.dtype())?;
        sum.ok_or_else(|| Error::failure("no window"))?.mul(&shares)?.narrow(2, 0, h)?.narrow(3, 0, w)
    }
}

/// `x` in another height and width, bilinearly.
pub(super) fn resize(x: &Tensor, [height, width]: [usize; 2]) -> Result<Tensor> {
    let [_, _, h, w] = x.shape().array()?;
    if [h, w] == [height, width] {
        Ok(x.clone())
    } else {
        x.interpolate(height, width, Interpolation::Bilinear)
    }
}

fn pad(x: &Tensor, rows: [usize; 2], columns: [usize; 2]) -> Result<Tensor> {
    x.pad(2, rows[0], rows[1], 0.0)?.pad(3, columns[0], columns[1], 0.0)
}

fn mirror(x: &Tensor) -> Result<Tensor> {
    let width = x.shape()[3];
    let reversed = (0..width as i64).rev().collect();
    x.index_select(3, &x.device().indices([width], reversed)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sliding(stride: usize) -> SlidingWindow {
        SlidingWindow { size: [8, 8], stride: [stride; 2], scales: vec![1.0], flip: false, batch: 4 }
    }

    #[test]
    fn windows_cover_the_image_and_stay_inside() {
        let windows = sliding(5).windows([8, 19]);
        assert_eq!(windows, [[0, 0], [0, 5], [0, 10], [0, 11]]);
        assert_eq!(sliding(8).windows([8, 8]), [[0, 0]]);
    }

    #[test]
    fn impossible_numbers() {
        let text = sliding(9).check().expect_err("gaps").to_string();
        assert!(text.contains("windows of [8, 8] every [9, 9] pixels; "), "{text}");
        let none = SlidingWindow { scales: vec![1.0, f64::NAN], ..sliding(4) };
        assert!(none.check().expect_err("no number").to_string().contains("NaN is no scale"));
    }
}
