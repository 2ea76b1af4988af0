//! Heads on frozen features.

use std::sync::atomic::AtomicBool;

use palimpsest_core::data::{Share, Split};
use palimpsest_core::head::FrozenHead;
use palimpsest_core::params::Params;
use palimpsest_core::{ErrorKind, Result};
use palimpsest_datasets::{Draw, RecipeData};
use serde_json::json;

use super::encoder::Measurable;
use super::measured::{Compared, Measured};
use super::saved;
use crate::cli::Eval;
use crate::frozen::{self, Fitting};
use crate::output;

/// A head on a data set.
pub(super) struct HeadRun<'a> {
    pub(super) args: &'a Eval,
    pub(super) run: &'a Measurable,
    pub(super) data: &'a RecipeData,
    /// Training and test images at most; 0 takes all.
    pub(super) limits: [usize; 2],
    pub(super) name: &'static str,
    pub(super) head: &'a dyn FrozenHead,
    pub(super) set: &'a str,
    /// Tells the user something, once.
    pub(super) warn: &'a dyn Fn(&str),
    /// Set when the user wants to stop.
    pub(super) interrupted: &'a AtomicBool,
}

impl HeadRun<'_> {
    /// Scores by seed, with the trained weights and with random ones.
    pub(super) fn measure(&self, seeds: &[u64]) -> Result<Compared> {
        let mut compared = Compared::default();
        let (args, trainer) = (self.args, &self.run.trainer);
        if args.dry_run {
            let seed = seeds.first().copied().unwrap_or_default();
            let data = self.data.labelled(&self.draw(seed))?;
            let params = trainer.evaluated_params()?;
            let task = frozen::task(trainer, &params, &*data, &self.fitting(seed))?;
            task.data.pass(Split::Test, Share::WHOLE)?.next().transpose()?;
            let [train, test] = data.sizes();
            let features = frozen::features_told(trainer);
            let told = format!("{} on {} ({features}): {train} to fit, {test} to score", self.name, self.set);
            if self.run.leads() {
                output::told(&told, args.result.json);
            }
            compared.plan = Some(json!({ "features": features, "train": train, "test": test }));
            return Ok(compared);
        }
        let pretrained = trainer.evaluated_params()?;
        for &seed in seeds {
            compared.pretrained.push(self.measured("pretrained", seed, &pretrained)?);
            if !args.no_baseline {
                let random = frozen::random_params(trainer, &trainer.device, seed)?;
                compared.random.push(self.measured("random", seed, &random)?);
            }
        }
        Ok(compared)
    }

    /// Whether data and features fit the head, before any head is fitted.
    pub(super) fn check(&self, seed: u64) -> Result<()> {
        let data = self.data.labelled(&self.draw(seed))?;
        let trainer = &self.run.trainer;
        frozen::task(trainer, &trainer.evaluated_params()?, &*data, &self.fitting(seed)).map(drop)
    }

    fn fitting(&self, seed: u64) -> Fitting<'_> {
        Fitting { seed, interrupted: self.interrupted, collective: self.run.collective.as_ref() }
    }

    fn draw(&self, seed: u64) -> Draw {
        Draw { seed, shots: self.args.shots, limits: self.limits }
    }

    /// The scores of an encoder with these weights; with images and features they are saved where a folder was
    /// named.
    fn measured(&self, weights: &str, seed: u64, params: &Params) -> Result<Measured> {
        let data = self.data.labelled(&self.draw(seed))?;
        let task = frozen::task(&self.run.trainer, params, &*data, &self.fitting(seed))?;
        let evaluation = task.evaluate(self.head).map_err(|e| match e.kind() {
            ErrorKind::Interrupted => e.help("start the evaluation again"),
            _ => e,
        })?;
        for message in frozen::broken_messages_of(&task)?.iter().chain(&evaluation.notes) {
            (self.warn)(&format!("warning: {message}"));
        }
        let sizes = task.sizes()?;
        if let Some(out) = &self.args.out
            && self.run.leads()
        {
            let folder = saved::folder(out, self.name, self.set, weights, seed)?;
            saved::replaces(&folder).iter().for_each(|note| (self.warn)(note));
            saved::artifacts(&folder, &evaluation.artifacts)?;
            saved::artifacts(&folder, &[task.stored_features()?])?;
            saved::scores(&folder, &evaluation.scores, &sizes, None)?;
        }
        let features = Some(frozen::features_told(&self.run.trainer));
        Ok(Measured { seed, scores: evaluation.scores, sizes, features, summary: None })
    }
}
