//! Rectangular blocks (BEiT, Bao et al. 2022), completed at random to an exact count (as DINOv3
//! does for iBOT).

use crate::corruption::{Corruption, CorruptionEntry, CorruptionPlan, PlanRequest, Role};
use crate::geometry::Geometry;
use crate::random::{Philox, Stream};
use crate::settings::Settings;
use crate::{Error, Result};

crate::settings! {
    /// Masks rectangular blocks.
    pub struct BlockMask {
        /// Mask ratio: `round(L * ratio)` of L tokens are masked, exactly.
        ratio: f64 = 0.4, in 0.0..=1.0;
        /// Fewest patches in a block.
        min_patches: usize = 16, in 1..=65536;
        /// Smallest aspect ratio; the largest is its inverse, the logarithm is uniform.
        min_aspect: f64 = 0.3, in 0.01..=1.0;
        /// Tries to place a block before the rest is filled at random.
        tries: usize = 10, in 1..=1000;
    }
}

impl Corruption for BlockMask {
    fn check(&self, geometry: &Geometry) -> Result<()> {
        if self.min_patches <= geometry.tokens() {
            return Ok(());
        }
        Err(Error::user(format!(
            "blocks of {} patches don't fit {} tokens",
            self.min_patches,
            geometry.tokens()
        ))
        .about("min_patches")
        .help("lower corruption.min_patches"))
    }

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut CorruptionPlan) -> Result<()> {
        let (h, w) = (request.geometry.grid_h(), request.geometry.grid_w());
        let target = (plan.tokens as f64 * self.ratio).round() as usize;
        for image in 0..plan.batch {
            let sample = request.first_sample + image as u64;
            let mut random = Philox::new(request.seed, Stream::Mask, request.step, sample);
            let roles = plan.image_mut(image);
            let mut masked = 0;
            while masked < target {
                let added = self.place_block(&mut random, roles, (h, w), target - masked);
                if added == 0 {
                    break;
                }
                masked += added;
            }
            let mut visible: Vec<usize> = (0..roles.len()).filter(|&i| roles[i] == Role::Visible).collect();
            random.shuffle(&mut visible);
            for &token in &visible[..target - masked] {
                roles[token] = Role::Masked;
            }
        }
        Ok(())
    }
}

impl BlockMask {
    /// Masks one block of at most `room` new tokens; returns how many were new.
    fn place_block(
        &self,
        random: &mut Philox,
        roles: &mut [Role],
        (h, w): (usize, usize),
        room: usize,
    ) -> usize {
        for _ in 0..self.tries {
            let most = room.max(self.min_patches);
            let area = self.min_patches as f64 + random.uniform_f64() * (most - self.min_patches) as f64;
            let log_aspect = self.min_aspect.ln() * (1.0 - 2.0 * random.uniform_f64());
            let height = (area * log_aspect.exp()).sqrt().round().max(1.0) as usize;
            let width = (area / log_aspect.exp()).sqrt().round().max(1.0) as usize;
            if height > h || width > w {
                continue;
            }
            let top = random.below(h - height + 1);
            let left = random.below(w - width + 1);
            let inside =
                |i: &usize| (top..top + height).contains(&(i / w)) && (left..left + width).contains(&(i % w));
            let fresh: Vec<usize> =
                (0..roles.len()).filter(inside).filter(|&i| roles[i] == Role::Visible).collect();
            if fresh.is_empty() || fresh.len() > room {
                continue;
            }
            for &token in &fresh {
                roles[token] = Role::Masked;
            }
            return fresh.len();
        }
        0
    }
}

inventory::submit! {
    CorruptionEntry {
        name: "block",
        summary: "rectangular blocks, completed to an exact count (BEiT, MaskFeat)",
        fields: BlockMask::fields,
        build: |section| Ok(Box::new(section.read::<BlockMask>()?)),
    }
}
