//! Rotary positions (Su et al., RoFormer, 2021) over two axes: queries and keys are turned by angles that are
//! proportional to a patch's row and column, so that their product depends on the distance alone.

use std::f64::consts::TAU;

use crate::Result;
use crate::params::Params;
use crate::random::{Philox, Stream};
use crate::tensor::Tensor;

/// Whose angles.
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
pub(super) struct Rotary {
    pub(super) kind: RotaryKind,
    /// The longest period (DINOv3) or the inverse of the lowest frequency (EVA-02).
    pub(super) base: f64,
    /// The side of the grid that an EVA-02 encoder was pre-trained with.
    pub(super) grid: usize,
    /// Width of a head, a multiple of 4.
    pub(super) width: usize,
    pub(super) augment: CoordinateAugment,
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
    /// The angles of a grid's patches, [h * w, width], row by row.
    fn angles(&self, (h, w): (usize, usize), at: Coordinates) -> Vec<f64> {
        let quarter = self.width / 4;
        let mut out = Vec::with_capacity(h * w * self.width);
        for token in 0..h * w {
            let place = [(token / w, h), (token % w, w)];
            // [row, column], a quarter of the width each.
            let axes: Vec<f64> = (0..2)
                .flat_map(|axis| {
                    let (index, side) = place[axis];
                    (0..quarter).map(move |i| match self.kind {
                        RotaryKind::None => 0.0,
                        RotaryKind::Dinov3 => {
                            let centre = 2.0 * (index as f64 + 0.5) / side as f64 - 1.0;
                            let centre = (centre + at.shift[axis]) * at.scale[axis];
                            TAU * centre / self.base.powf(i as f64 / quarter as f64)
                        }
                        RotaryKind::Eva02 => {
                            let index = index as f64 / side as f64 * self.grid as f64;
                            index / self.base.powf(i as f64 / quarter as f64)
                        }
                    })
                })
                .collect();
            match self.kind {
                RotaryKind::Eva02 => out.extend(axes.iter().flat_map(|&angle| [angle, angle])),
                RotaryKind::None | RotaryKind::Dinov3 => out.extend(axes.iter().chain(&axes)),
            }
        }
        out
    }

    /// The angles of a pass: of the prefix, which isn't turned, then of all patches of a grid or of those at `keep`
    /// (indices [B, K]).
    pub(super) fn of_pass(
        &self,
        params: &Params,
        prefix: usize,
        grid: (usize, usize),
        keep: Option<&Tensor>,
        at: Coordinates,
    ) -> Result<Angles> {
        let (device, dtype, width) = (params.device(), params.dtype(), self.width);
        let angles = self.angles(grid, at);
        let of = |function: fn(f64) -> f64, none: f64| -> Result<Tensor> {
            let patches: Vec<f64> = angles.iter().map(|&angle| function(angle)).collect();
            let (images, patches) = match keep {
                None => (1, device.f64s([1, grid.0 * grid.1, 1, width], patches, dtype)?),
                Some(keep) => {
                    let [b, k] = keep.shape().array()?;
                    let all = device.f64s([grid.0 * grid.1, width], patches, dtype)?;
                    (b, all.index_select(0, &keep.reshape([b * k])?)?.reshape([b, k, 1, width])?)
                }
            };
            if prefix == 0 {
                return Ok(patches);
            }
            let front = device.full([images, prefix, 1, width], none, dtype)?;
            Tensor::concat(&[&front, &patches], 1)
        };
        Ok(Angles { cos: of(f64::cos, 1.0)?, sin: of(f64::sin, 0.0)?, kind: self.kind })
    }
}

impl Angles {
    /// Turns heads x [B, N, H, width].
    pub(super) fn turn(&self, x: &Tensor) -> Result<Tensor> {
        let [b, n, heads, width] = x.shape().array()?;
        let half = width / 2;
        let turned = match self.kind {
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
        x.mul(&self.cos)?.add(&turned.mul(&self.sin)?)
    }
}
