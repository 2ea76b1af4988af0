//! `compare`: one recipe on several backends, in turn on the same machine.

mod contender;
pub(crate) mod inputs;
pub(crate) mod tables;
mod worker;

use std::path::PathBuf;

use palimpsest_core::model::Model;
use palimpsest_core::recipe::{Precision, Recipe};
use palimpsest_core::{Error, Result};
use serde_json::{Value, json};

use self::contender::Contender;
pub(crate) use self::worker::run as run_worker;
use crate::cli::Compare;
use crate::energy::{Joules, Meter};
use crate::flops::{self, Flops};
use crate::gpu::{self, Gpu};
use crate::session::{self, Data};
use crate::{environment, output, report};

/// What a step of a contender told.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Step {
    /// From 1.
    pub(crate) step: u64,
    pub(crate) loss: f64,
    pub(crate) grad_norm: f64,
    /// By the clock, data included.
    pub(crate) seconds: f64,
    pub(crate) phases: Phases,
    /// Bytes of resident host memory at most so far.
    pub(crate) host_peak: Option<u64>,
    /// Bytes of device memory at most so far, as the backend tells.
    pub(crate) device_peak: Option<u64>,
    /// Bytes that the process held on the device at the end of its turn, as the driver tells.
    #[serde(skip)]
    pub(crate) device_process: Option<u64>,
    /// An equal share of the turn's energy.
    #[serde(skip)]
    pub(crate) joules: Joules,
}

/// Seconds by phase.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub(crate) struct Phases {
    pub(crate) data: f64,
    pub(crate) corruption: f64,
    pub(crate) forward: f64,
    pub(crate) backward: f64,
    pub(crate) optimiser: f64,
}

impl Phases {
    /// Names and seconds.
    pub(crate) fn named(&self) -> [(&'static str, f64); 5] {
        [
            ("data", self.data),
            ("corruption", self.corruption),
            ("forward", self.forward),
            ("backward", self.backward),
            ("optimiser", self.optimiser),
        ]
    }

    /// What is timed of every contender alike: the step without data and corruption.
    pub(crate) fn computing(&self) -> f64 {
        self.forward + self.backward + self.optimiser
    }
}

/// A contender's whole run.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) description: String,
    /// Seconds from the process's start to its first step.
    pub(crate) startup: f64,
    pub(crate) steps: Vec<Step>,
}

/// What a step has to do, and what the device could.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Work {
    /// Images of a step.
    pub(crate) batch: usize,
    /// Floating-point operations of a step.
    pub(crate) flops: Flops,
    /// The device's floating-point operations a second at most, where its peak is known.
    pub(crate) peak: Option<f64>,
}

/// All that a report needs.
pub(crate) struct Comparison {
    pub(crate) recipe: Recipe,
    pub(crate) environment: Value,
    pub(crate) work: Work,
    pub(crate) outcomes: Vec<Outcome>,
    /// First steps that are not timed.
    pub(crate) warm_up: usize,
}

pub(crate) fn run(args: Compare) -> Result<()> {
    let (path, mut overrides) = args.recipe.parts()?;
    overrides.push(format!("train.steps={}", args.steps));
    // Values that every contender can be given.
    overrides.push("eval.heads=[]".to_owned());
    let mut recipe = session::recipe(path.as_deref(), &overrides)?;
    if recipe.noise.is_some() {
        overrides.push("noise.values=host".to_owned());
        recipe = session::recipe(path.as_deref(), &overrides)?;
    }
    if !recipe.run.init_from.is_empty() {
        return Err(Error::user("every contender starts from the recipe's seed")
            .at("`init_from`")
            .mend("drop it for the comparison"));
    }
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("results").join(format!("compare-{}", recipe.run.name)));
    std::fs::create_dir_all(&out).map_err(|e| Error::io(&out, &e))?;
    let config = out.join("config.toml");
    std::fs::write(&config, recipe.to_toml()).map_err(|e| Error::io(&config, &e))?;
    let gpu = Gpu::of(args.device);
    let bf16 = recipe.run.precision == Precision::Bf16;
    let work = Work {
        batch: recipe.train.batch,
        flops: flops::of_step(&recipe)?,
        peak: gpu.as_ref().and_then(Gpu::name).and_then(|name| gpu::peak(&name, bf16)),
    };
    let mut contenders = vec![];
    for backend in &args.backends {
        contenders.push(Contender::backend(backend, &config, args.device)?);
    }
    let scratch = tempfile::tempdir().map_err(|e| Error::failure(format!("no temporary folder: {e}")))?;
    if args.pytorch {
        inputs::check_python()?;
        let data = Data::open(&recipe)?;
        let file = inputs::write(&recipe, &data, args.steps as u64, scratch.path())?;
        for mode in ["eager", "compile"] {
            contenders.push(Contender::pytorch(mode, &file, args.device)?);
        }
    }
    if contenders.len() < 2 {
        output::note("note: one contender alone is compared with nothing; give more --backends or --pytorch");
    }
    interleave(&mut contenders, args.steps as u64, args.turn as u64, gpu.as_ref())?;
    let outcomes: Vec<Outcome> = contenders.into_iter().map(Contender::finish).collect::<Result<_>>()?;
    let mut environment = environment::of_comparison(&recipe, args.device, gpu.as_ref());
    environment["work"] = json!(work);
    let model = Model::build(&recipe)?;
    environment["plugins"] = json!(model.corruption.plugin().into_iter().collect::<Vec<_>>());
    let comparison = Comparison { recipe, environment, work, outcomes, warm_up: args.warm_up };
    tables::write(&out, &comparison)?;
    report::write_comparison(&out.join("report.html"), &comparison)?;
    if args.result.json {
        output::line(&json!({ "out": out, "contenders": tables::summary(&comparison) }).to_string());
    } else {
        output::table(&tables::overview(&comparison));
        output::line(&out.join("report.html").display().to_string());
    }
    Ok(())
}

/// Every contender does `turn` steps, then the next; so all see the same machine.
fn interleave(contenders: &mut [Contender], steps: u64, turn: u64, gpu: Option<&Gpu>) -> Result<()> {
    let meter = Meter::new(gpu);
    let mut done = 0;
    while done < steps {
        let count = turn.clamp(1, steps - done);
        for contender in contenders.iter_mut() {
            contender.advance(count, &meter, gpu)?;
        }
        done += count;
        let losses: Vec<String> = contenders.iter().map(Contender::tell).collect();
        output::note(&format!("step {done}/{steps}: {}", losses.join(" · ")));
    }
    Ok(())
}

/// The recipe of a comparison, for its header.
pub(crate) fn gist(recipe: &Recipe) -> String {
    format!(
        "{}: {} px, batch {}, {}",
        recipe.run.name,
        recipe.data.image_size,
        recipe.train.batch,
        if recipe.run.precision == Precision::Bf16 { "bf16" } else { "f32" }
    )
}
