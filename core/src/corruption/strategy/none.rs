//! No masks: every token stays visible (a denoising autoencoder masks nothing).

use crate::Result;
use crate::corruption::{Corruption, CorruptionEntry, CorruptionPlan, PlanRequest};
use crate::settings::Settings;

crate::settings! {
    /// Has no parameters.
    pub struct NoMask {}
}

impl Corruption for NoMask {
    fn plan(&self, _: &PlanRequest<'_>, _: &mut CorruptionPlan) -> Result<()> {
        Ok(())
    }
}

inventory::submit! {
    CorruptionEntry {
        name: "none",
        summary: "masks nothing",
        fields: NoMask::fields,
        build: |section| Ok(Box::new(section.read::<NoMask>()?)),
    }
}
