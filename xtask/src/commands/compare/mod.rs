//! `compare`: one recipe on several backends, in turn on the same machine.

mod candidate;
pub(crate) mod inputs;
mod tables;
mod together;
mod worker;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use palimpsest_core::model::Model;
use palimpsest_core::recipe::Precision;
use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use serde_json::json;

use self::candidate::Candidate;
use self::together::Together;
pub(crate) use self::worker::run as run_worker;
use crate::cli::Compare;
use crate::comparison::figures::{overview, summary};
use crate::comparison::verdict::verdict;
use crate::comparison::{Comparison, Outcome, Work};
use crate::energy::Meter;
use crate::flops;
use crate::gpu::{self, Gpu};
use crate::session;
use crate::{environment, interrupt, output, report};

pub(crate) fn run(args: Compare) -> Result<()> {
    let (path, mut overrides) = args.recipe.parts()?;
    overrides.push(format!("train.steps={}", args.steps));
    // Values that every candidate can be given.
    overrides.push("eval.heads=[]".to_owned());
    let mut recipe = session::recipe(path.as_deref(), &overrides)?;
    if recipe.noise.is_some() {
        overrides.push("noise.values=host".to_owned());
        recipe = session::recipe(path.as_deref(), &overrides)?;
    }
    if !recipe.run.init_from.is_empty() {
        return Err(Error::user("every candidate starts from the recipe's seed")
            .at("`init_from`")
            .help("drop it for the comparison"));
    }
    let together = args.ranks.map(|size| Together::new(size, &args.collective, &recipe.train)).transpose()?;
    for backend in &args.backends {
        Candidate::offered(backend, args.device)?;
    }
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("results").join(format!("compare-{}", recipe.run.name)));
    std::fs::create_dir_all(&out).map_err(|e| Error::io(&out, &e))?;
    let config = out.join("config.toml");
    write_atomically(&config, recipe.to_toml().as_bytes())?;
    let gpu = Gpu::of(args.device);
    let bf16 = recipe.run.precision == Precision::Bf16;
    let work = Work {
        batch: recipe.train.batch,
        flops: flops::of_step(&recipe)?,
        peak: gpu.as_ref().and_then(Gpu::name).and_then(|name| gpu::peak(&name, bf16)),
    };
    let mut candidates = vec![];
    for backend in &args.backends {
        candidates.push(Candidate::backend(backend, &config, args.device)?);
        if let Some(together) = &together {
            candidates.push(Candidate::backend_together(backend, &config, args.device, together)?);
        }
    }
    let scratch = tempfile::tempdir().map_err(|e| Error::failure(format!("no temporary folder: {e}")))?;
    if let Some(modes) = &args.pytorch {
        inputs::check_python()?;
        let data = palimpsest_datasets::RecipeData::open(&recipe)?;
        let file = inputs::write(&recipe, &data, args.steps as u64, scratch.path())?;
        for mode in modes {
            candidates.push(Candidate::pytorch(mode, &file, args.device)?);
        }
        if let Some(together) = &together {
            candidates.push(Candidate::pytorch_together(&file, args.device, together)?);
        }
    }
    if candidates.len() < 2 {
        output::note(
            "note: one candidate alone is compared with nothing; give more --backends, --ranks or --pytorch",
        );
    }
    let mut environment = environment::of_comparison(&recipe, args.device, gpu.as_ref());
    environment["work"] = json!(work);
    let model = Model::build(&recipe)?;
    if let Some(Together { size, engine }) = &together {
        environment["processes"] = json!({ "size": size, "engine": engine });
    }
    environment["plugins"] = json!(model.corruption.plugin().into_iter().collect::<Vec<_>>());
    let mut rows = tables::Rows::create(&out)?;
    let interrupted = interrupt::flag()?;
    let measured =
        Turns { steps: args.steps as u64, round: args.round as u64, gpu: gpu.as_ref(), interrupted }
            .run(&mut candidates, &mut rows);
    let mut outcomes: Vec<Outcome> = candidates.into_iter().map(Candidate::finish).collect();
    outcomes.retain(|outcome| !outcome.steps.is_empty());
    if let Err(error) = &measured {
        environment["cut_off"] = json!(error.to_string());
    }
    let comparison = Comparison { recipe, environment, work, outcomes, warm_up: args.warm_up };
    if !comparison.outcomes.is_empty() {
        tables::write(&out, &comparison)?;
        report::write_comparison(&out.join("report.html"), &comparison)?;
    }
    measured
        .inspect_err(|_| output::note(&format!("what was measured until then is in {}", out.display())))?;
    if args.result.json {
        let verdict = verdict(&comparison);
        let out = out.display().to_string();
        output::json(&json!({ "out": out, "verdict": verdict, "contenders": summary(&comparison) }));
    } else {
        output::table(&overview(&comparison));
        output::line(&verdict(&comparison));
        output::line(&out.join("report.html").display().to_string());
    }
    Ok(())
}

/// Every candidate does `round` steps, then the next; so all see the same machine.
struct Turns<'a> {
    steps: u64,
    round: u64,
    gpu: Option<&'a Gpu>,
    interrupted: &'a AtomicBool,
}

impl Turns<'_> {
    fn run(&self, candidates: &mut [Candidate], rows: &mut tables::Rows) -> Result<()> {
        let meter = Meter::new(self.gpu);
        let mut done = 0;
        while done < self.steps {
            let count = self.round.clamp(1, self.steps - done);
            for candidate in candidates.iter_mut() {
                let turn = candidate.advance(count, &meter, self.gpu);
                let steps = candidate.new_steps();
                rows.add(candidate.name(), steps)?;
                if self.interrupted.load(Ordering::Relaxed) {
                    return Err(Error::interrupted(format!(
                        "interrupted after {done} of {} steps",
                        self.steps
                    )));
                }
                turn?;
            }
            done += count;
            let losses: Vec<String> = candidates.iter().map(Candidate::tell).collect();
            output::note(&format!("step {done}/{}: {}", self.steps, losses.join(" · ")));
        }
        Ok(())
    }
}
