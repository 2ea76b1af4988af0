//! Tokens mixed between images: Liu et al., "MixMAE: Mixed and masked autoencoder" (MixMIM, CVPR 2023). What is masked
//! in an image is filled with another image's tokens instead of mask tokens, so that every token that the
//! encoder sees is a real one; the image is restored where it was filled.
//!
//! MixMIM restores both images of a pair from one mixture. Here each image of the batch is mixed into
//! another one, so each is restored where it was covered.

use palimpsest_sdk::prelude::*;

/// Fills masked patches from another image of the batch.
#[derive(Parameters)]
struct TokenMix {
    /// Share of the cells that is filled from another image, `round(C * ratio)` of C, exactly.
    #[param(default = 0.5, range = 0.0..=1.0)]
    ratio: f64,
    /// Side of a cell in patches.
    #[param(default = 1, range = 1..=64)]
    cell: usize,
}

impl Corruption for TokenMix {
    const ID: &'static str = "org.palimpsest.token-mix";
    const SUMMARY: &'static str = "masked patches are filled from another image (MixMIM)";
    const UNBIASED: bool = true;
    const EQUAL_COUNTS: bool = true;
    const MIXES: bool = true;

    fn check(&self, geometry: &Geometry) -> Result<()> {
        let Geometry { grid_h, grid_w, .. } = *geometry;
        if grid_h.is_multiple_of(self.cell) && grid_w.is_multiple_of(self.cell) {
            return Ok(());
        }
        Err(Error::user(format!("cells of {} patches don't divide a grid of {grid_h} x {grid_w}", self.cell))
            .at("corruption.cell")
            .help("choose a divisor of both sides, as 1"))
    }

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
        let (batch, columns) = (request.batch, request.geometry.grid_w);
        let cells_w = columns / self.cell;
        let cells = request.tokens / (self.cell * self.cell);
        let filled = (self.ratio * cells as f64).round() as usize;
        // A ring through the batch: no image is filled from itself, unless it is alone.
        let step = if batch > 1 { 1 + request.random(0, Stream::Own(0)).below(batch - 1) } else { 0 };
        for index in 0..batch {
            let other = (index + step) % batch;
            for cell in plan.image(index).random().choose(cells, filled) {
                let corner = (cell / cells_w * columns + cell % cells_w) * self.cell;
                for offset in 0..self.cell * self.cell {
                    let token = corner + offset / self.cell * columns + offset % self.cell;
                    plan.image(index).mask(token);
                    plan.take(index, token, (other, token));
                }
            }
        }
        plan.set_substitutive(true);
        Ok(())
    }
}

export_plugin!(TokenMix);

#[cfg(test)]
mod tests {
    use super::*;
    use palimpsest_sdk::testing;

    #[test]
    fn masked_tokens_come_from_one_other_image_at_their_place() {
        let strategy = TokenMix { ratio: 0.5, cell: 2 };
        let plan = testing::plan(strategy, &Geometry::of_grid(4, 6), 3, 1).expect("a plan");
        let source = plan.source.expect("sources");
        for image in 0..3 {
            assert_eq!(plan.roles[image * 24..][..24].iter().filter(|&&r| r == Role::Masked).count(), 12);
            let others: Vec<usize> = (0..24)
                .filter_map(|token| {
                    let from = source[image * 24 + token] as usize;
                    assert_eq!(from % 24, token);
                    let masked = plan.roles[image * 24 + token] == Role::Masked;
                    assert_eq!(masked, from / 24 != image);
                    masked.then_some(from / 24)
                })
                .collect();
            assert!(others.windows(2).all(|pair| pair[0] == pair[1]), "{others:?}");
        }
    }

    #[test]
    fn an_image_alone_is_filled_from_itself() {
        let plan = testing::plan(TokenMix::defaults(), &Geometry::of_grid(2, 2), 1, 1).expect("a plan");
        assert_eq!(plan.source.expect("sources"), [0, 1, 2, 3]);
    }
}
