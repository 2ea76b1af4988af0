//! `bench`: where the time of a training step goes.

use std::sync::Arc;
use std::time::Instant;

use palimpsest_core::data::BatchSource;
use palimpsest_core::train::{StepTimes, Trainer};
use palimpsest_core::{DeviceHandle, Result};
use palimpsest_datasets::RecipeData;
use serde_json::json;

use crate::cli::Bench;
use crate::session;
use crate::synthetic::Synthetic;
use crate::timed::{Spent, Timed};
use crate::{backends, output};

/// Steps before the clock starts.
const WARM_UP: usize = 3;

pub(crate) fn run(args: Bench) -> Result<()> {
    let (recipe, overrides) = args.recipe.parts()?;
    let recipe = session::recipe(recipe.as_deref(), &overrides)?;
    let mut source: Box<dyn BatchSource> = if args.synthetic {
        Box::new(Synthetic::new(&recipe))
    } else {
        Box::new(RecipeData::open(&recipe)?.loader(&recipe)?)
    };
    if args.data_only {
        return data_only(&mut *source, args.steps, args.result.json);
    }
    let inner = backends::device(&args.on.backend, args.on.device())?;
    let device = inner.id;
    let timed = Arc::new(Timed::new(inner));
    let handle = DeviceHandle { backend: timed.clone(), id: device };
    let mut trainer = Trainer::new(recipe, handle, source.steps_per_epoch())?;
    let mut steps: Vec<Step> = vec![];
    let mut loss = f64::NAN;
    for i in 0..WARM_UP + args.steps {
        let started = Instant::now();
        let batch = source.next_batch()?;
        let data = started.elapsed().as_secs_f64();
        let report = trainer.train_step(&batch, false)?;
        trainer.take_notices().iter().for_each(|notice| output::note(&format!("warning: {notice}")));
        trainer.device.backend.synchronize(trainer.device.id)?;
        source.recycle(batch);
        let wall = started.elapsed().as_secs_f64();
        loss = report.loss();
        let backend = timed.take();
        if i >= WARM_UP {
            steps.push(Step { wall, phases: StepTimes { data, ..report.phases }, backend });
        }
    }
    let memory = trainer.device.backend.memory(trainer.device.id);
    report(&steps, &trainer, loss, memory.peak, args.result.json);
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

struct Step {
    /// Seconds by the clock.
    wall: f64,
    phases: StepTimes,
    backend: Spent,
}

fn report(steps: &[Step], trainer: &Trainer, loss: f64, peak: Option<u64>, as_json: bool) {
    let of = |pick: &dyn Fn(&Step) -> f64| median(steps.iter().map(pick).collect());
    let wall = of(&|s| s.wall);
    let mut phases = vec![
        ("data", of(&|s| s.phases.data)),
        ("corruption", of(&|s| s.phases.corruption)),
        ("teacher", of(&|s| s.phases.teacher)),
        ("forward", of(&|s| s.phases.forward)),
        ("backward", of(&|s| s.phases.backward)),
        ("optimiser", of(&|s| s.phases.optimiser)),
    ];
    phases.retain(|(name, seconds)| *name != "teacher" || *seconds > 0.0);
    let images = trainer.recipe.train.batch as f64 / wall;
    let other = wall - phases.iter().map(|(_, seconds)| seconds).sum::<f64>();
    let outside = of(&|s| s.wall - s.backend.seconds);
    let operations = of(&|s| s.backend.operations as f64);
    let mut rows = vec![vec!["phase".to_owned(), "ms".to_owned(), "share".to_owned()]];
    let all = phases.iter().copied().chain([("other", other), ("step", wall)]);
    for (name, seconds) in all {
        rows.push(vec![
            name.to_owned(),
            format!("{:.2}", 1e3 * seconds),
            format!("{:.1} %", 100.0 * seconds / wall),
        ]);
    }
    if as_json {
        let phases: serde_json::Map<String, serde_json::Value> =
            phases.iter().map(|(name, seconds)| ((*name).to_owned(), json!(seconds))).collect();
        let line = json!({
            "step_seconds": wall, "images_per_second": images, "phases": phases,
            "outside_backend_seconds": outside, "operations": operations,
            "steps": steps.len(), "peak_bytes": peak, "loss": loss,
        });
        output::json(&line);
        return;
    }
    output::table(&rows);
    output::line(&format!(
        "outside the backend {:.2} ms, {:.1} % of the step; {operations:.0} operations a step",
        1e3 * outside,
        100.0 * outside / wall
    ));
    let peak = peak.map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
    output::line(&format!("{images:.1} images/s, medians of {} steps, peak memory {peak}", steps.len()));
}

fn data_only(source: &mut dyn BatchSource, steps: usize, as_json: bool) -> Result<()> {
    source.next_batch()?;
    let started = Instant::now();
    let mut images = 0;
    for _ in 0..steps {
        let batch = source.next_batch()?;
        images += batch.len();
        source.recycle(batch);
    }
    let rate = images as f64 / started.elapsed().as_secs_f64();
    if as_json {
        output::json(&json!({ "images_per_second": rate, "images": images }));
    } else {
        output::line(&format!("{rate:.1} images/s from the loader alone ({images} images)"));
    }
    Ok(())
}
