//! Heads on frozen features.

use palimpsest_core::Result;
use palimpsest_core::head::{Evaluation, FrozenHead, TaskData};

use super::encoder::Measurable;
use super::measured::{Compared, Measured};
use super::saved;
use crate::cli::Eval;
use crate::output;
use crate::session::{self, Data};

/// A head on a data set.
pub(super) struct Task<'a> {
    pub(super) args: &'a Eval,
    pub(super) run: &'a Measurable,
    pub(super) data: &'a Data,
    pub(super) name: &'static str,
    pub(super) head: &'a dyn FrozenHead,
    pub(super) set: &'a str,
}

impl Task<'_> {
    /// Scores by seed, with the trained weights and with random ones.
    pub(super) fn measure(&self, seeds: &[u64]) -> Result<Compared> {
        let mut compared = Compared::default();
        let (args, trainer) = (self.args, &self.run.trainer);
        if args.dry_run {
            let [train, test] = self.data.counts();
            let classes = self.data.classes().len();
            output::line(&format!(
                "{} on {}: frozen features of {train} training and {test} test images in {classes} classes",
                self.name, self.set
            ));
            return Ok(compared);
        }
        let pretrained = trainer.evaluated_params();
        for &seed in seeds {
            let data = self.data.few_shot(args.shots, seed)?;
            let task = session::frozen_task(trainer, &pretrained, &data, seed)?;
            compared.pretrained.push(self.measured("pretrained", seed, self.head.evaluate(&task)?)?);
            if !args.no_baseline {
                let random = session::random_params(trainer, &trainer.place, seed)?;
                let task = session::frozen_task(trainer, &random, &data, seed)?;
                compared.random.push(self.measured("random", seed, self.head.evaluate(&task)?)?);
            }
        }
        Ok(compared)
    }

    /// The scores; pictures are saved where a folder was named.
    fn measured(&self, side: &str, seed: u64, evaluation: Evaluation) -> Result<Measured> {
        if let Some(out) = &self.args.out {
            let folder = saved::folder(out, self.name, self.set, side, seed)?;
            saved::artifacts(&folder, &evaluation.artifacts)?;
            saved::scores(&folder, &evaluation.scores, None)?;
        }
        Ok(Measured { seed, scores: evaluation.scores, summary: None })
    }
}
