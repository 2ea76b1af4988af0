//! `resume`: goes on with a run from its newest checkpoint.

use palimpsest_core::Result;
use palimpsest_core::data::BatchSource;
use palimpsest_core::finetune::check_heads;
use palimpsest_core::train::{Checkpoint, RunFolder, Trainer};
use palimpsest_datasets::RecipeData;

use super::pretrain::train_and_report;
use crate::cli::Resume;
use crate::{backends, output, plugins};

pub(crate) fn run(args: &Resume) -> Result<()> {
    let folder = RunFolder::open(&args.run)?;
    plugins::recall(&folder)?;
    let recipe = folder.recipe(&args.overrides)?;
    check_heads(&recipe)?;
    let checkpoint = Checkpoint::read(&folder.newest_checkpoint()?)?;
    let device = backends::device(&args.on.backend, args.on.device)?;
    let data = RecipeData::open(&recipe)?;
    let mut loader = data.loader(&recipe)?;
    let mut trainer = Trainer::new(recipe, device, loader.steps_per_epoch())?;
    let trained_on = checkpoint.state.backend.clone();
    trainer.restore(checkpoint)?;
    folder.rewind_metrics(trainer.step_count())?;
    let backend = trainer.device.backend.info().name;
    if trained_on != backend {
        output::note(&format!(
            "note: trained on {trained_on} so far, going on with {backend}: results differ by rounding"
        ));
    }
    output::note(&format!("resuming at step {} of {}", trainer.step_count(), trainer.total_steps));
    folder.log(&format!("resumed at step {}", trainer.step_count()))?;
    train_and_report(&mut trainer, &mut loader, &data, &folder, args.result.json)
}
