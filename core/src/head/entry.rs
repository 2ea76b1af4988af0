//! Heads in the registry.

use super::{FrozenHead, TaskHead, examples_of};
use crate::Result;
use crate::settings::{Field, Section, Settings};
use crate::tune::{self, FitObserver, FitPlan, FitRequest, Fitted};

/// A head in the registry.
pub struct TaskHeadEntry {
    /// The name in `eval.heads` and `--head`.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The fields of its table.
    pub fields: fn() -> Vec<Field>,
    /// How it is fitted.
    pub kind: HeadKind,
}

/// How a head is fitted.
pub enum HeadKind {
    /// On frozen features.
    Frozen(fn(&Section) -> Result<Box<dyn FrozenHead>>),
    /// With the encoder in the loop.
    Trained(TrainedHead),
}

/// A [`TaskHead`] without its types.
pub struct TrainedHead {
    /// Its training where that differs from the defaults, as TOML.
    pub training: &'static str,
    /// Checks the values of its own keys.
    pub check: fn(&Section) -> Result<()>,
    /// The fields of the `[augment]` table of its data.
    pub augment: fn() -> Result<Vec<Field>>,
    /// The data set that stands in where the data of this name have no such targets as it needs.
    pub stand_in: fn(&str) -> Result<Option<&'static str>>,
    /// What fitting it would take, from trying so many steps.
    pub plan: fn(&FitRequest<'_>, usize) -> Result<FitPlan>,
    /// Fits and scores it.
    pub fit: fn(&FitRequest<'_>, &mut dyn FitObserver) -> Result<Fitted>,
}

impl TaskHeadEntry {
    /// The entry of a head on frozen features.
    pub const fn frozen<H: FrozenHead + Settings + 'static>(
        name: &'static str,
        summary: &'static str,
    ) -> Self {
        let build: fn(&Section) -> Result<Box<dyn FrozenHead>> = |section| Ok(Box::new(section.read::<H>()?));
        Self { name, summary, fields: H::fields, kind: HeadKind::Frozen(build) }
    }

    /// The entry of a head that is trained with the encoder.
    pub const fn trained<H: TaskHead>(name: &'static str, summary: &'static str) -> Self {
        let head = TrainedHead {
            training: H::TRAINING,
            check: |section| section.read::<H::Settings>().map(drop),
            augment: || Ok((examples_of::<H::Target>()?.fields)()),
            stand_in: |data| Ok((examples_of::<H::Target>()?.stand_in)(data)),
            plan: tune::plan::<H>,
            fit: tune::fit::<H>,
        };
        Self { name, summary, fields: H::Settings::fields, kind: HeadKind::Trained(head) }
    }
}

inventory::collect!(TaskHeadEntry);
