//! Requests of plans.

use std::fmt;
use std::ptr::null;

use palimpsest_abi::Head;
use palimpsest_abi::corruption as abi;
use palimpsest_core::corruption as core;
use palimpsest_core::random::{Philox, Stream};

/// A request that owns what it points to.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) geometry: abi::Geometry,
    pub(crate) batch: u32,
    pub(crate) seed: u64,
    pub(crate) step: u64,
    pub(crate) first_sample: u64,
    pub(crate) progress: f64,
    /// Scores [B, L] for a strategy that observes.
    pub(crate) scores: Option<Vec<f32>>,
}

/// An encoder over a grid of 4-pixel patches in colour: D = 32, four blocks with four heads.
pub(crate) fn geometry(grid_h: u32, grid_w: u32, prefix: u32) -> abi::Geometry {
    abi::Geometry {
        head: Head::of::<abi::Geometry>(),
        channels: 3,
        height: grid_h * 4,
        width: grid_w * 4,
        patch: 4,
        grid_h,
        grid_w,
        prefix,
        dim: 32,
        depth: 4,
        heads: 4,
    }
}

impl Request {
    /// A request in the middle of a run.
    pub(crate) fn new(geometry: abi::Geometry, batch: u32) -> Self {
        Self { geometry, batch, seed: 7, step: 100, first_sample: 6400, progress: 0.25, scores: None }
    }

    /// L.
    pub(crate) fn tokens(&self) -> usize {
        (self.geometry.grid_h * self.geometry.grid_w) as usize
    }

    /// B L.
    pub(crate) fn count(&self) -> usize {
        self.batch as usize * self.tokens()
    }

    /// With made-up scores, uniform in [0, 1), which go by the image's number as true ones would.
    #[must_use]
    pub(crate) fn with_scores(mut self, observes: bool) -> Self {
        self.scores = observes.then(|| {
            let mut scores = Vec::with_capacity(self.count());
            for image in 0..u64::from(self.batch) {
                let sample = self.first_sample.wrapping_add(image);
                let mut random = Philox::new(!self.seed, Stream::Test, self.step, sample);
                scores.extend((0..self.tokens()).map(|_| random.uniform()));
            }
            scores
        });
        self
    }

    /// As C has it; it borrows from this one.
    pub(crate) fn lend(&self) -> abi::PlanRequest {
        abi::PlanRequest {
            head: Head::of::<abi::PlanRequest>(),
            geometry: &raw const self.geometry,
            batch: self.batch,
            tokens: self.geometry.grid_h * self.geometry.grid_w,
            seed: self.seed,
            step: self.step,
            first_sample: self.first_sample,
            progress: self.progress,
            scores: self.scores.as_ref().map_or(null(), Vec::as_ptr),
        }
    }

    /// The geometry as core has it.
    pub(crate) fn core_geometry(&self) -> palimpsest_core::geometry::Geometry {
        let abi::Geometry { channels, height, width, patch, prefix, dim, depth, heads, .. } = self.geometry;
        palimpsest_core::geometry::Geometry {
            channels: channels as usize,
            height: height as usize,
            width: width as usize,
            patch: patch as usize,
            prefix: prefix as usize,
            registers: 0,
            dim: dim as usize,
            depth: depth as usize,
            heads: heads as usize,
        }
    }

    /// As core has it.
    pub(crate) fn core<'a>(
        &'a self,
        geometry: &'a palimpsest_core::geometry::Geometry,
    ) -> core::PlanRequest<'a> {
        core::PlanRequest {
            geometry,
            batch: self.batch as usize,
            seed: self.seed,
            step: self.step,
            first_sample: self.first_sample,
            progress: self.progress as f32,
            scores: self.scores.as_deref(),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { geometry, batch, seed, step, first_sample, progress, .. } = self;
        write!(
            f,
            "a grid of {} x {}, batch {batch}, seed {seed}, step {step}, sample {first_sample}, progress {progress}",
            geometry.grid_h, geometry.grid_w
        )
    }
}
