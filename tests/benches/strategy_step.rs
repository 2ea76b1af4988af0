//! What a plug-in costs in a training step: a ViT-Ti/16 of 224 px, batch 8, with the built-in `random` and with the same
//! mask and the same noise by a plug-in's operations, in turn, so that both see the same machine.
//!
//!     cargo bench -p palimpsest-tests --bench strategy_step

use std::hint::black_box;
use std::time::Instant;

use palimpsest_core::corruption;
use palimpsest_core::plugin::discover;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::{StepReport, Trainer};
use palimpsest_tests::batches;
use palimpsest_tests::libraries::library;
use palimpsest_tests::micro;

const SHAPE: [usize; 3] = [3, 224, 224];
const BATCH: usize = 8;
const WARM_UP: usize = 3;
const STEPS: usize = 40;

fn trainer(kind: &str) -> Trainer {
    let overrides = ["encoder.size=tiny", "train.batch=8", "train.accumulate=1"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("corruption.kind={kind}"), "corruption.ratio=0.75".to_owned()]);
    let overrides: Vec<String> = overrides.collect();
    let recipe = Recipe::parse("bench", "preset = \"paper\"", &overrides).expect("a recipe");
    Trainer::new(recipe, micro::device(), 100).expect("a trainer")
}

fn step(trainer: &mut Trainer, i: usize) -> StepReport {
    let batch = batches::noise(BATCH, SHAPE, 3, (BATCH * i) as u64);
    trainer.train_step(&batch, false).expect("a step")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[allow(clippy::print_stdout, reason = "tells what it measured")]
fn main() {
    let built = library("restated_noise").expect("cargo test --workspace --release builds it");
    corruption::install(discover(&[built]).expect("a plug-in"));
    let mut trainers = ["random", "restated-noise"].map(trainer);
    let (mut ratios, mut times, mut planning) = (vec![], [vec![], vec![]], [vec![], vec![]]);
    for i in 0..WARM_UP + STEPS {
        // Each goes first as often.
        let order = if i % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut reports = [None, None];
        for which in order {
            reports[which] = Some(step(&mut trainers[which], i));
        }
        let [Some(own), Some(plugin)] = reports else { continue };
        assert_eq!(own.loss(), plugin.loss(), "the same mask and noise");
        if i < WARM_UP {
            continue;
        }
        ratios.push(plugin.phases.total() / own.phases.total());
        for (at, report) in [own, plugin].into_iter().enumerate() {
            times[at].push(report.phases.total());
            let batch = batches::noise(BATCH, SHAPE, 3, (BATCH * i) as u64);
            let start = Instant::now();
            black_box(trainers[at].plan(&batch).expect("a plan"));
            planning[at].push(start.elapsed().as_secs_f64());
        }
    }
    let [own, plugin] = times.map(|seconds| 1e3 * median(seconds));
    let [own_plan, plugin_plan] = planning.map(|seconds| 1e3 * median(seconds));
    println!("built-in  {own:7.2} ms a step, {:.3} % of it for the plan", 100.0 * own_plan / own);
    println!("plug-in   {plugin:7.2} ms a step, {:.3} % of it for the plan", 100.0 * plugin_plan / plugin);
    println!("plug-in / built-in, median of {STEPS} pairs: {:.4}", median(ratios));
}
