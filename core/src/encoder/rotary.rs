//! Rotary positions (Su et al., RoFormer, 2021) over two axes: queries and keys are rotated by angles that are
//! proportional to a patch's row and column, so that their product depends on the distance alone.

use std::f64::consts::TAU;

use crate::Result;
use crate::params::Params;
use crate::random::{Philox, Stream};
use crate::tensor::Tensor;

/// Whose rotary positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotaryKind {
    /// No rotary positions.
    None,
    /// DINOv3's: the centres of patches in -1..1 along each axis, whatever the image's size; a quarter of a head's width
    /// of periods from 1 to the base; the halves of a head form pairs.
    Dinov3,
    /// EVA-02's: rows and columns counted in patches of the grid that it was pre-trained with; frequencies from 1 down
    /// to 1 / base; neighbours form pairs.
    Eva02,
}

/// How rows and columns become angles.
#[derive(Debug, Clone, Copy)]
pub(super) struct RotarySettings {
    pub(super) kind: RotaryKind,
    /// The longest period (DINOv3) or the inverse of the lowest frequency (EVA-02).
    pub(super) base: f64,
    /// The side of the grid that an EVA-02 encoder was pre-trained with.
    pub(super) pretrained_side: usize,
    /// Width of a head, a multiple of 4.
    pub(super) width: usize,
    /// Rows and columns of patches.
    pub(super) grid: (usize, usize),
    pub(super) augment: CoordinateAugment,
}

/// The rotary positions of a grid of patches.
pub(super) struct Rotary {
    settings: RotarySettings,
    /// Of an axis, a quarter of the width.
    frequencies: Vec<f64>,
    /// Cosines and sines where no step moves the coordinates, [h * w, width] each: what every pass but some of training has.
    unmoved: [Vec<f64>; 2],
}

/// How training draws the coordinates of DINOv3's rotary positions anew in each step, for all images alike.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct CoordinateAugment {
    /// Each axis is moved by up to so much.
    pub(super) shift: f64,
    /// Each axis is stretched by a factor between 1 / jitter and jitter; none for 0.
    pub(super) jitter: f64,
    /// Both axes are stretched by one factor between 1 / rescale and rescale; none for 0.
    pub(super) rescale: f64,
}

/// Where a step moves and stretches coordinates to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coordinates {
    shift: [f64; 2],
    scale: [f64; 2],
}

impl Default for Coordinates {
    fn default() -> Self {
        Self { shift: [0.0; 2], scale: [1.0; 2] }
    }
}

impl CoordinateAugment {
    /// The draw of a step, which all its images and all processes share; none where nothing is drawn.
    pub(super) fn draw(self, seed: u64, step: u64) -> Option<Coordinates> {
        if self == Self::default() {
            return None;
        }
        let mut random = Philox::new(seed, Stream::Positions, step, 0);
        let mut between = |factor: f64| {
            if factor == 0.0 { 1.0 } else { ((2.0 * random.uniform_f64() - 1.0) * factor.ln()).exp() }
        };
        let both = between(self.rescale);
        let scale = [both * between(self.jitter), both * between(self.jitter)];
        let shift = [0, 1].map(|_| (2.0 * random.uniform_f64() - 1.0) * self.shift);
        Some(Coordinates { shift, scale })
    }
}

/// Cosines and sines of the tokens of a pass, each [1 or B, N, 1, width], and how pairs lie.
pub struct Angles {
    cos: Tensor,
    sin: Tensor,
    kind: RotaryKind,
}

impl Rotary {
    pub(super) fn new(settings: RotarySettings) -> Self {
        let quarter = settings.width / 4;
        let scale = if settings.kind == RotaryKind::Dinov3 { TAU } else { 1.0 };
        let of = |i: usize| scale / settings.base.powf(i as f64 / quarter as f64);
        let mut rotary =
            Self { settings, frequencies: (0..quarter).map(of).collect(), unmoved: Default::default() };
        rotary.unmoved = rotary.cosines_and_sines(Coordinates::default());
        rotary
    }

    /// The draw of a training step; none where coordinates stay.
    pub(super) fn draw(&self, seed: u64, step: u64) -> Option<Coordinates> {
        self.settings.augment.draw(seed, step)
    }

    /// Of the patches, row by row, [h * w, width] each.
    fn cosines_and_sines(&self, at: Coordinates) -> [Vec<f64>; 2] {
        let RotarySettings { kind, pretrained_side, width, grid: (h, w), .. } = self.settings;
        let coordinate = |axis: usize, index: usize, side: usize| match kind {
            RotaryKind::Dinov3 => {
                (2.0 * (index as f64 + 0.5) / side as f64 - 1.0 + at.shift[axis]) * at.scale[axis]
            }
            RotaryKind::Eva02 => index as f64 / side as f64 * pretrained_side as f64,
            RotaryKind::None => 0.0,
        };
        let mut both = [(); 2].map(|()| Vec::with_capacity(h * w * width));
        for token in 0..h * w {
            // The row's quarter, then the column's.
            let places = [coordinate(0, token / w, h), coordinate(1, token % w, w)];
            let angles: Vec<f64> =
                places.iter().flat_map(|place| self.frequencies.iter().map(move |f| place * f)).collect();
            for (out, function) in both.iter_mut().zip([f64::cos, f64::sin]) {
                match kind {
                    RotaryKind::Eva02 => out.extend(angles.iter().flat_map(|&angle| [function(angle); 2])),
                    RotaryKind::None | RotaryKind::Dinov3 => {
                        out.extend(angles.iter().chain(&angles).map(|&angle| function(angle)))
                    }
                }
            }
        }
        both
    }

    /// The angles of a pass: of the prefix, which isn't rotated, then of all patches of the grid or of those at `keep`
    /// (indices [B, K]).
    pub(super) fn of_pass(
        &self,
        params: &Params,
        prefix: usize,
        keep: Option<&Tensor>,
        at: Option<Coordinates>,
    ) -> Result<Angles> {
        let (device, dtype) = (params.device(), params.dtype());
        let RotarySettings { kind, width, grid: (h, w), .. } = self.settings;
        let [cosines, sines] = match at {
            None => self.unmoved.clone(),
            Some(at) => self.cosines_and_sines(at),
        };
        let of = |patches: Vec<f64>, none: f64| -> Result<Tensor> {
            let (images, patches) = match keep {
                None => (1, device.f64s([1, h * w, 1, width], patches, dtype)?),
                Some(keep) => {
                    let [b, k] = keep.shape().array()?;
                    let all = device.f64s([h * w, width], patches, dtype)?;
                    (b, all.index_select(0, &keep.reshape([b * k])?)?.reshape([b, k, 1, width])?)
                }
            };
            if prefix == 0 {
                return Ok(patches);
            }
            let front = device.full([images, prefix, 1, width], none, dtype)?;
            Tensor::concat(&[&front, &patches], 1)
        };
        Ok(Angles { cos: of(cosines, 1.0)?, sin: of(sines, 0.0)?, kind })
    }
}

impl Angles {
    /// Rotates heads x [B, N, H, width].
    pub(super) fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        let [b, n, heads, width] = x.shape().array()?;
        let half = width / 2;
        let quarter_turn = match self.kind {
            // [-x1, x0, -x3, x2, ..]
            RotaryKind::Eva02 => {
                let pairs = x.reshape([b, n, heads, half, 2])?;
                let (even, odd) = (pairs.narrow(4, 0, 1)?, pairs.narrow(4, 1, 1)?);
                Tensor::concat(&[&odd.neg()?, &even], 4)?.reshape([b, n, heads, width])?
            }
            // The second half negated, then the first.
            RotaryKind::None | RotaryKind::Dinov3 => {
                Tensor::concat(&[&x.narrow(3, half, half)?.neg()?, &x.narrow(3, 0, half)?], 3)?
            }
        };
        x.mul(&self.cos)?.add(&quarter_turn.mul(&self.sin)?)
    }
}
