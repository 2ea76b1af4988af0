//! Square cells of several patches at random (SimMIM, Xie et al. 2022: 32-px cells on 16-px
//! patches).

use crate::corruption::{Corruption, CorruptionEntry, CorruptionPlan, PlanRequest, Role};
use crate::geometry::Geometry;
use crate::random::{Philox, Stream};
use crate::settings::Settings;
use crate::{Error, Result};

crate::settings! {
    /// Masks cells of patches.
    pub struct CellMask {
        /// Mask ratio: of C cells, `ceil(C * ratio)` are masked, as in SimMIM.
        ratio: f64 = 0.6, in 0.0..=1.0;
        /// Side of a cell in pixels, a multiple of the patch.
        cell: usize = 32, in 1..=4096;
    }
}

impl Corruption for CellMask {
    fn check(&self, geometry: &Geometry) -> Result<()> {
        let Geometry { patch, height, width, .. } = *geometry;
        if self.cell.is_multiple_of(patch) && height % self.cell == 0 && width % self.cell == 0 {
            return Ok(());
        }
        let fitting: Vec<String> = (1..=height.min(width) / patch)
            .map(|k| k * patch)
            .filter(|cell| height % cell == 0 && width % cell == 0)
            .map(|cell| cell.to_string())
            .collect();
        Err(Error::user(format!(
            "a cell of {} px does not fit {height}x{width} px in patches of {patch}",
            self.cell
        ))
        .about("cell")
        .help(format!("choose corruption.cell among {}", fitting.join(", "))))
    }

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut CorruptionPlan) -> Result<()> {
        let side = self.cell / request.geometry.patch;
        let (grid_w, cells_w) = (request.geometry.grid_w(), request.geometry.grid_w() / side);
        let cells = cells_w * (request.geometry.grid_h() / side);
        // The guard keeps 0.6 * 5 = 3.0000000000000004 from becoming 4.
        let masked = ((cells as f64 * self.ratio - 1e-9).ceil().max(0.0) as usize).min(cells);
        for image in 0..plan.batch {
            let sample = request.first_sample + image as u64;
            let order = Philox::new(request.seed, Stream::Mask, request.step, sample).permutation(cells);
            let roles = plan.image_mut(image);
            for &cell in &order[..masked] {
                let (top, left) = (cell / cells_w * side, cell % cells_w * side);
                for row in top..top + side {
                    roles[row * grid_w + left..row * grid_w + left + side].fill(Role::Masked);
                }
            }
        }
        Ok(())
    }
}

inventory::submit! {
    CorruptionEntry {
        name: "cell",
        summary: "square cells of patches at random (SimMIM, the paper)",
        fields: CellMask::fields,
        build: |section| Ok(Box::new(section.read::<CellMask>()?)),
    }
}
