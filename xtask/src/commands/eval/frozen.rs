//! Heads on frozen features.

use palimpsest_core::Result;
use palimpsest_core::head::{FrozenHead, TaskData, TaskSplit};

use super::encoder::Measurable;
use super::measured::{Compared, Measured};
use crate::cli::Eval;
use crate::output;
use crate::session::{self, Data};

/// Scores of a head by seed, with the trained weights and with random ones.
pub(super) fn measure(
    args: &Eval,
    run: &Measurable,
    data: &Data,
    head: &dyn FrozenHead,
    seeds: &[u64],
) -> Result<Compared> {
    let mut compared = Compared::default();
    if args.dry_run {
        let [train, test] = data.counts();
        let classes = data.classes().len();
        output::line(&format!("frozen features of {train} + {test} images in {classes} classes"));
        return Ok(compared);
    }
    let pretrained = run.trainer.evaluated_params();
    for &seed in seeds {
        let data = data.few_shot(args.shots, seed)?;
        let task = session::frozen_task(&run.trainer, &pretrained, &data, seed)?;
        task.features(TaskSplit::Train)?;
        compared.pretrained.push(Measured { seed, scores: head.evaluate(&task)?, summary: None });
        if args.no_baseline {
            continue;
        }
        let random = session::random_params(&run.trainer, &run.trainer.place, seed)?;
        let task = session::frozen_task(&run.trainer, &random, &data, seed)?;
        compared.random.push(Measured { seed, scores: head.evaluate(&task)?, summary: None });
    }
    Ok(compared)
}
