//! `compare`: one recipe on several backends, in turn on the same machine.

mod candidate;
pub(crate) mod inputs;
mod tables;
mod worker;

use std::path::PathBuf;

use palimpsest_core::model::Model;
use palimpsest_core::recipe::Precision;
use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use serde_json::json;

use self::candidate::Candidate;
pub(crate) use self::worker::run as run_worker;
use crate::cli::Compare;
use crate::comparison::figures::{overview, summary};
use crate::comparison::{Comparison, Outcome, Work};
use crate::energy::Meter;
use crate::flops;
use crate::gpu::{self, Gpu};
use crate::session;
use crate::{environment, output, report};

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
    }
    let scratch = tempfile::tempdir().map_err(|e| Error::failure(format!("no temporary folder: {e}")))?;
    if args.pytorch {
        inputs::check_python()?;
        let data = palimpsest_datasets::RecipeData::open(&recipe)?;
        let file = inputs::write(&recipe, &data, args.steps as u64, scratch.path())?;
        for mode in ["eager", "compile"] {
            candidates.push(Candidate::pytorch(mode, &file, args.device)?);
        }
    }
    if candidates.len() < 2 {
        output::note("note: one candidate alone is compared with nothing; give more --backends or --pytorch");
    }
    interleave(&mut candidates, args.steps as u64, args.round as u64, gpu.as_ref())?;
    let outcomes: Vec<Outcome> = candidates.into_iter().map(Candidate::finish).collect::<Result<_>>()?;
    let mut environment = environment::of_comparison(&recipe, args.device, gpu.as_ref());
    environment["work"] = json!(work);
    let model = Model::build(&recipe)?;
    environment["plugins"] = json!(model.corruption.plugin().into_iter().collect::<Vec<_>>());
    let comparison = Comparison { recipe, environment, work, outcomes, warm_up: args.warm_up };
    tables::write(&out, &comparison)?;
    report::write_comparison(&out.join("report.html"), &comparison)?;
    if args.result.json {
        output::line(
            &json!({ "out": out.display().to_string(), "contenders": summary(&comparison) }).to_string(),
        );
    } else {
        output::table(&overview(&comparison));
        output::line(&out.join("report.html").display().to_string());
    }
    Ok(())
}

/// Every candidate does `round` steps, then the next; so all see the same machine.
fn interleave(candidates: &mut [Candidate], steps: u64, round: u64, gpu: Option<&Gpu>) -> Result<()> {
    let meter = Meter::new(gpu);
    let mut done = 0;
    while done < steps {
        let count = round.clamp(1, steps - done);
        for candidate in candidates.iter_mut() {
            candidate.advance(count, &meter, gpu)?;
        }
        done += count;
        let losses: Vec<String> = candidates.iter().map(Candidate::tell).collect();
        output::note(&format!("step {done}/{steps}: {}", losses.join(" · ")));
    }
    Ok(())
}
