//! A plug-in's strategy where nothing is corrupted: evaluations and exports look at whole images, and need no library.

use super::{Corruption, CorruptionPlan, Injection, PlanRequest, entrance};
use crate::plugin::{PluginIdentity, injection_point};
use crate::settings::Section;
use crate::{Error, Result};

/// Stands for a plug-in that is set aside.
pub(super) struct Aside {
    identity: PluginIdentity,
    /// Whether its table, which is resolved, has a place for noise or operations.
    injects: bool,
    at: Option<Injection>,
}

impl Aside {
    /// By the resolved table of the plug-in.
    pub(super) fn build(identity: &PluginIdentity, section: &Section) -> Result<Self> {
        let injects = section.table().contains_key("at");
        Ok(Self { identity: identity.clone(), injects, at: injection_point(section)? })
    }
}

impl Corruption for Aside {
    fn plan(&self, _: &PlanRequest<'_>, _: &mut CorruptionPlan) -> Result<()> {
        Err(Error::failure(format!(
            "the plug-in {} was set aside, as nothing was to be corrupted",
            self.identity
        )))
    }

    fn injection(&self, noise: Option<Injection>) -> Result<Option<Injection>> {
        self.injects.then(|| entrance(self.at, noise)).transpose()
    }

    fn plugin(&self) -> Option<&PluginIdentity> {
        Some(&self.identity)
    }
}
