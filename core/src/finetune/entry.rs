//! Heads in the registry: how each is fitted.

use super::former::heads_of_table;
use super::{FinetuneRecipe, FitObserver, FitPlan, FitRequest, Fitted, fit, plan};
use crate::head::{FrozenHead, TaskHead, examples_of};
use crate::recipe::Recipe;
use crate::registry::Entry;
use crate::settings::{Field, Section, Settings};
use crate::{Error, Result};

/// A head in the registry; its name stands in `eval.heads` and `--head`.
pub type TaskHeadEntry = Entry<HeadKind>;

inventory::collect!(TaskHeadEntry);

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
    /// What it is for people.
    pub about: &'static str,
    /// Checks the values of its own keys.
    pub check: fn(&Section) -> Result<()>,
    /// The fields of the `[augment]` table of its data.
    pub augment: fn() -> Result<Vec<Field>>,
    /// The data set that stands in where the data of this name have no such targets as it needs.
    pub fallback: fn(&str) -> Result<Option<&'static str>>,
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
        Self { name, summary, fields: H::fields, build: HeadKind::Frozen(build) }
    }

    /// The entry of a head that is trained with the encoder.
    pub const fn trained<H: TaskHead>(name: &'static str, summary: &'static str) -> Self {
        let head = TrainedHead {
            training: H::TRAINING,
            about: H::ABOUT,
            check: |section| section.read::<H::Settings>().map(drop),
            augment: || Ok((examples_of::<H::Target>()?.fields)()),
            fallback: |data| Ok((examples_of::<H::Target>()?.fallback)(data)),
            plan: plan::<H>,
            fit: fit::<H>,
        };
        Self { name, summary, fields: H::Settings::fields, build: HeadKind::Trained(head) }
    }
}

impl FinetuneRecipe {
    /// The settings of a registered head; see [`FinetuneRecipe::resolve`].
    ///
    /// # Errors
    /// As [`FinetuneRecipe::resolve`], or a head that is fitted on frozen features.
    pub fn of(entry: &TaskHeadEntry, run: &Recipe, overrides: &[String]) -> Result<Self> {
        let HeadKind::Trained(head) = &entry.build else {
            return Err(Error::failure(format!("the head `{}` is not trained with an encoder", entry.name)));
        };
        let (fields, augment) = ((entry.fields)(), (head.augment)()?);
        let recipe = Self::resolve(entry.name, head.training, run, overrides, [&fields, &augment])?;
        (head.check)(&recipe.head)?;
        Ok(recipe)
    }
}

/// Checks the tables `[head.NAME]` of a run's recipe, which are read long after the run: whoever starts a
/// run calls this before it.
///
/// # Errors
/// An unknown head or key, a wrong type, a value out of range: with its location and the nearest valid name.
pub fn check_heads(run: &Recipe) -> Result<()> {
    for name in run.head.sections() {
        for entry in heads_of_table(&name, &run.head)? {
            match &entry.build {
                HeadKind::Frozen(build) => drop(build(&run.head.section(&name)?)?),
                HeadKind::Trained(_) => drop(FinetuneRecipe::of(entry, run, &[])?),
            }
        }
    }
    Ok(())
}
