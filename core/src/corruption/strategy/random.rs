//! Single tokens at random, an exact number per image (MAE, He et al. 2022).

use crate::Result;
use crate::corruption::{Corruption, CorruptionEntry, CorruptionPlan, PlanRequest, Role};
use crate::random::{Philox, Stream};
use crate::settings::Settings;

crate::settings! {
    /// Masks single tokens.
    pub struct RandomMask {
        /// Mask ratio: of L tokens, `int(L * (1 - ratio))` stay visible, as in MAE.
        ratio: f64 = 0.75, in 0.0..=1.0;
    }
}

impl Corruption for RandomMask {
    fn plan(&self, request: &PlanRequest<'_>, plan: &mut CorruptionPlan) -> Result<()> {
        let tokens = plan.tokens;
        // The rounding of MAE, kept from falling one short where 1 - ratio is inexact.
        let kept = (tokens as f64 * (1.0 - self.ratio) + 1e-9) as usize;
        for image in 0..plan.batch {
            let sample = request.first_sample + image as u64;
            let mut random = Philox::new(request.seed, Stream::Mask, request.step, sample);
            let roles = plan.image_mut(image);
            for token in random.choose(tokens, tokens - kept) {
                roles[token] = Role::Masked;
            }
        }
        Ok(())
    }
}

inventory::submit! {
    CorruptionEntry {
        name: "random",
        summary: "single tokens at random (MAE)",
        fields: RandomMask::fields,
        build: |section| Ok(Box::new(section.read::<RandomMask>()?)),
    }
}
