//! The built-in mask `random`, with the host's noise put on by operations of the plug-in: whatever differs
//! from the built-in is the interface's doing.

use palimpsest_sdk::prelude::*;

/// Masks single patches.
#[derive(Parameters)]
struct Restated {
    /// Mask ratio: of L patches, `int(L * (1 - ratio))` stay visible.
    #[param(default = 0.75, range = 0.0..=1.0)]
    ratio: f64,
}

impl Corruption for Restated {
    const ID: &'static str = "org.palimpsest.restated-noise";
    const SUMMARY: &'static str = "the built-in `random` once more, with noise by operations";
    const UNBIASED: bool = true;
    const EQUAL_COUNTS: bool = true;

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
        let kept = (request.tokens as f64 * (1.0 - self.ratio) + 1e-9) as usize;
        for mut image in plan.images() {
            let masked = image.random().choose(request.tokens, request.tokens - kept);
            masked.into_iter().for_each(|token| image.mask(token));
        }
        Ok(())
    }
}

impl Apply for Restated {
    fn apply<'call>(&self, application: &Application<'call>) -> Result<Tensor<'call>> {
        application.noised()
    }
}

export_plugin!(Restated);
