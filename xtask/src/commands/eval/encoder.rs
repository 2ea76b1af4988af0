//! The encoder that is measured.

use std::collections::HashMap;
use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_core::collective::Collective;
use palimpsest_core::finetune::EncoderStart;
use palimpsest_core::tensor::HostTensor;
use palimpsest_core::train::{Checkpoint, RunFolder, Trainer};

use crate::cli::Eval;
use crate::ranks::Ranks;
use crate::{backends, plugins, session};

/// A run at a checkpoint.
pub(super) struct Measurable {
    pub(super) folder: RunFolder,
    pub(super) trainer: Trainer,
    /// The step of the checkpoint.
    pub(super) step: u64,
    /// The other processes, which share the images; none in one alone.
    pub(super) collective: Option<Arc<dyn Collective>>,
}

impl Measurable {
    pub(super) fn open(args: &Eval, ranks: &Ranks) -> Result<Self> {
        let folder = RunFolder::open(&args.run)?;
        let blocks = args.blocks.iter().map(|blocks| format!("eval.blocks={blocks}"));
        let features = args.features.iter().map(|features| format!("eval.features={features}"));
        let checkpoint = match &args.checkpoint {
            Some(path) => Checkpoint::read(path)?,
            None => session::newest(&folder)?.1,
        };
        plugins::set_aside(&checkpoint);
        let stored = folder.recipe(&blocks.chain(features).collect::<Vec<_>>())?;
        let device = backends::device(&args.on.backend, ranks.device)?;
        let mut trainer = Trainer::new(stored, device, 1)?;
        let step = checkpoint.state.step;
        trainer.restore(checkpoint)?;
        Ok(Self { folder, trainer, step, collective: ranks.engine().cloned() })
    }

    /// Whether this process writes and prints.
    pub(super) fn leads(&self) -> bool {
        self.collective.as_ref().is_none_or(|engine| engine.world().leads())
    }

    /// The trained weights by name: the average where the recipe keeps one.
    pub(super) fn weights(&self) -> Result<HashMap<String, HostTensor>> {
        let params = self.trainer.evaluated_params()?;
        let named = self.trainer.model.specs.specs().iter().zip(params.tensors());
        named.map(|(spec, tensor)| Ok((spec.name.clone(), tensor.download()?))).collect()
    }

    /// Where fine-tuning starts: from the trained weights, or from those of a seed.
    pub(super) fn start(&self, random: Option<u64>) -> Result<EncoderStart> {
        Ok(EncoderStart {
            section: self.trainer.recipe.encoder.clone(),
            weights: if random.is_none() { Some(self.weights()?) } else { None },
            seed: random.unwrap_or_default(),
        })
    }
}
