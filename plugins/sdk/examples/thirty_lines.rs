//! The plainest strategy: whole rows of patches, an exact number per image.

use palimpsest_sdk::prelude::*;

/// Masks rows of patches.
#[derive(Parameters)]
struct Rows {
    /// Share of the rows that are masked.
    #[param(default = 0.5, range = 0.0..=1.0)]
    ratio: f64,
}

impl Corruption for Rows {
    const ID: &'static str = "org.palimpsest.rows";
    const SUMMARY: &'static str = "whole rows of patches at random";
    const UNBIASED: bool = true;
    const EQUAL_COUNTS: bool = true;

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
        let (rows, columns) = (request.geometry.grid_h, request.geometry.grid_w);
        let masked = (self.ratio * rows as f64).round() as usize;
        for mut image in plan.images() {
            for row in image.random().choose(rows, masked) {
                (0..columns).for_each(|column| image.mask(row * columns + column));
            }
        }
        Ok(())
    }
}

export_plugin!(Rows);
