//! The process of one backend in a comparison, alone or one of several that train together.

use std::io::{BufRead, Write};
use std::time::Instant;

use palimpsest_core::backend::MemoryStats;
use palimpsest_core::data::BatchSource;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::Trainer;
use palimpsest_core::{Device, Error, Result};
use palimpsest_datasets::RecipeData;
use serde_json::json;

use crate::backends;
use crate::cli::CompareWorker;
use crate::ranks::Ranks;

pub(crate) fn run(args: &CompareWorker) -> Result<()> {
    let ranks = Ranks::meet(&args.ranks, &args.on)?;
    ranks.through(|| work(args, &ranks))
}

fn work(args: &CompareWorker, ranks: &Ranks) -> Result<()> {
    let recipe = Recipe::load(&args.recipe, &[])?;
    let handle = backends::device(&args.on.backend, ranks.device)?;
    let mut source = RecipeData::open(&recipe)?.shared_loader(&recipe, ranks.share())?;
    let mut trainer = ranks.join(Trainer::new(recipe, handle, source.steps_per_epoch())?)?;
    ranks.same(trainer.identity()?)?;
    let mut out = std::io::stdout();
    let mut say = |value: serde_json::Value| {
        if !ranks.leads() {
            return Ok(());
        }
        writeln!(out, "{value}").and_then(|()| out.flush()).map_err(|e| Error::failure(e.to_string()))
    };
    say(json!({ "ready": true, "info": trainer.device.backend.info() }))?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| Error::failure(e.to_string()))?;
        let count: u64 =
            line.trim().parse().map_err(|_| Error::failure(format!("not a number of steps: {line}")))?;
        // What the others do later than this one is no part of a step.
        ranks.barrier()?;
        for left in (0..count).rev() {
            let started = Instant::now();
            let batch = source.next_batch()?;
            let data = started.elapsed().as_secs_f64();
            let mut report = trainer.train_step(&batch, false)?;
            trainer.device.backend.synchronize(trainer.device.id)?;
            let seconds = started.elapsed().as_secs_f64();
            report.phases.data = data;
            source.recycle(batch);
            let device_peak = match trainer.device.id {
                Device::Cpu => None,
                device => trainer.device.backend.memory(device).peak,
            };
            // The next candidate's turn begins when all have come to the end of this one.
            if left == 0 {
                ranks.barrier()?;
            }
            say(json!({
                "step": report.step, "loss": report.loss(), "grad_norm": report.grad_norm,
                "seconds": seconds, "phases": report.phases,
                "host_peak": MemoryStats::of_process().peak, "device_peak": device_peak,
            }))?;
        }
    }
    Ok(())
}
