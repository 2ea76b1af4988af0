//! Several ranks train what one process trains. Here they are threads, and the engine is core's own; `xtask/tests/cli/ranks`
//! does the same with processes and real engines.

use std::path::Path;

use palimpsest_core::collective::{Shards, fingerprint_of};
use palimpsest_core::data::Batch;
use palimpsest_core::model::Model;
use palimpsest_core::params::Params;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::{Checkpoint, StepReport, Trainer};
use palimpsest_core::{DeviceHandle, Tensor};
use palimpsest_tests::batches;
use palimpsest_tests::bits::bits;
use palimpsest_tests::candidates::candidates;
use palimpsest_tests::micro::{self, SHAPE};
use palimpsest_tests::ranks::on_ranks;

const RECIPE: [&str; 7] = [
    "train.ema=0.9",
    "train.steps=6",
    "train.batch=8",
    "optimizer.clip=0.5",
    "optimizer.lr=2e-3",
    "optimizer.lr_batch=0",
    "encoder.drop_path=0.2",
];

type Run = (Vec<StepReport>, Checkpoint);

fn trainer(preset: &str, overrides: &[&str], device: DeviceHandle) -> Trainer {
    let overrides: Vec<&str> = RECIPE.iter().chain(overrides).copied().collect();
    Trainer::new(micro::preset(preset, &overrides), device, 5).unwrap()
}

/// One process, with the batch in `parts`.
fn alone(preset: &str, overrides: &[&str], parts: usize, batches: &[Batch], device: DeviceHandle) -> Run {
    let accumulate = format!("train.accumulate={parts}");
    let overrides: Vec<&str> = overrides.iter().copied().chain([accumulate.as_str()]).collect();
    let mut trainer = trainer(preset, &overrides, device);
    let reports = batches.iter().map(|batch| trainer.train_step(batch, true).unwrap()).collect();
    (reports, trainer.checkpoint().unwrap())
}

/// Ranks, each with its part of the batch. After every step all have the same weights.
fn together(
    preset: &str,
    overrides: &[&str],
    size: usize,
    batches: &[Batch],
    device: &DeviceHandle,
) -> Vec<Run> {
    let runs = on_ranks(size, |engine| {
        let part = engine.world().share().of(8);
        let mut trainer = trainer(preset, overrides, device.clone()).with_collective(engine.clone()).unwrap();
        trainer.identity().unwrap().compare(&*engine).unwrap();
        let step = |batch: &Batch| {
            let report = trainer.train_step(&batch.slice(part.start, part.end), true).unwrap();
            (report, trainer.parameters_fingerprint().unwrap())
        };
        let (reports, prints): (Vec<_>, Vec<_>) = batches.iter().map(step).unzip();
        ((reports, trainer.checkpoint().unwrap()), prints)
    });
    let first = &runs[0].1;
    assert!(runs.iter().all(|(_, prints)| prints == first), "{preset}: the ranks' weights differ");
    runs.into_iter().map(|(run, _)| run).collect()
}

fn scalars(run: &Run) -> Vec<Vec<u64>> {
    let of = |report: &StepReport| {
        let figures = report.figures().map(|(_, value)| value.to_bits());
        figures.chain([report.grad_norm.to_bits(), report.images as u64]).collect()
    };
    run.0.iter().map(of).collect()
}

/// In the order of the ranks, a sum over N ranks is that over N parts of one process's batch.
#[test]
fn ranks_are_one_process_with_as_many_parts_bit_by_bit() {
    let batches = batches::series(6, 8, SHAPE, 31);
    let mut kinds: Vec<(&str, DeviceHandle)> = candidates();
    kinds.push(("burn in process", micro::device()));
    for (name, device) in kinds {
        for (preset, size, more) in [
            ("paper", 2, &[][..]),
            ("paper", 4, &["train.deterministic=true"]),
            ("mae", 4, &["train.deterministic=true", "train.checkpoint_blocks=1"]),
        ] {
            let due = alone(preset, more, size, &batches, device.clone());
            for (rank, run) in together(preset, more, size, &batches, &device).iter().enumerate() {
                let place = format!("{name}, {preset}, rank {rank} of {size}");
                assert_eq!(scalars(&due), scalars(run), "{place}");
                assert!(bits(&due.1) == bits(&run.1), "{place}: other bits");
            }
        }
    }
}

/// In the engine's order sums differ in their last bits, so that weights part by rounding alone: a rate of 2e-3 times a
/// relative error of some 1e-7 a step, magnified where AdamW divides by small moments.
#[test]
fn in_the_engines_order_they_are_so_within_rounding() {
    let batches = batches::series(6, 8, SHAPE, 32);
    let due = alone("paper", &[], 4, &batches, micro::device());
    for run in together("paper", &[], 4, &batches, &micro::device()) {
        for (due, found) in due.0.iter().zip(&run.0) {
            assert!((due.loss() - found.loss()).abs() <= 1e-6 * due.loss().abs(), "step {}", due.step);
        }
    }
}

/// Each rank may split its part again. The sum is (g0 + g1) + (g2 + g3) then, so that rounding differs.
#[test]
fn parts_of_parts_are_added_once() {
    let batches = batches::series(6, 8, SHAPE, 33);
    for more in [&["train.accumulate=2"][..], &["train.accumulate=2", "train.checkpoint_blocks=1"]] {
        let due = alone("paper", &[], 4, &batches, micro::device());
        for run in together("paper", more, 2, &batches, &micro::device()) {
            for (due, found) in due.0.iter().zip(&run.0) {
                assert!((due.loss() - found.loss()).abs() <= 1e-6 * due.loss().abs(), "step {}", due.step);
                assert_eq!(found.images, 8);
            }
        }
    }
}

/// What is not finite in one process is not done in any.
#[test]
fn a_bad_image_of_one_rank_stops_all() {
    let mut batches = batches::series(4, 8, SHAPE, 34);
    let good = together("paper", &[], 4, &batches[..3], &micro::device());
    *batches[3].pixels.normalised_mut().last_mut().unwrap() = f32::NAN;
    let bad = together("paper", &[], 4, &batches, &micro::device());
    for ((_, before), (reports, after)) in good.iter().zip(&bad) {
        assert!(!reports[3].is_finite());
        assert_eq!(before.state.step, after.state.step);
        assert!(bits(before) == bits(after));
    }
}

/// Whoever is asked to stop, all stop after the same step.
#[test]
fn one_rank_that_is_asked_to_stop_stops_all() {
    let batches = batches::series(2, 8, SHAPE, 35);
    let told = on_ranks(3, |engine| {
        let mut trainer =
            trainer("paper", &["train.batch=6"], micro::device()).with_collective(engine.clone()).unwrap();
        let part = engine.world().share().of(6);
        let step = |trainer: &mut Trainer, batch: &Batch| {
            trainer.train_step(&batch.slice(part.start, part.end), false).unwrap().stop
        };
        let first = step(&mut trainer, &batches[0]);
        trainer.stop = engine.world().rank == 1;
        [first, step(&mut trainer, &batches[1])]
    });
    assert_eq!(told, [[false, true]; 3]);
}

/// Ranks whose moments and averages are shared out do what ranks do that keep them all: the same weights on each, and, gathered,
/// the same moments and averages, to the bit. Each keeps what it owns and no more.
#[test]
fn shards_change_no_bit_and_hold_a_part_each() {
    let batches = batches::series(6, 12, SHAPE, 36);
    for (preset, more) in
        [("paper", &[][..]), ("mae", &["train.deterministic=true", "train.checkpoint_blocks=1"])]
    {
        for size in [2, 3, 4] {
            let place = format!("{preset} on {size} ranks");
            let more: Vec<&str> = more.iter().copied().chain(["train.batch=12"]).collect();
            let whole = sharded(preset, &more, size, &batches, None);
            let more: Vec<&str> = more.into_iter().chain(["train.shard_optimizer=true"]).collect();
            let parts = sharded(preset, &more, size, &batches, None);
            let (due, found) = (&whole[0], &parts[0]);
            assert!(bits(&due.checkpoint) == bits(&found.checkpoint), "{place}: other bits");
            let values: usize = due.params.iter().map(|(_, count)| count).sum();
            let largest = due.params.iter().map(|(_, count)| *count).max().unwrap();
            for (whole, part) in whole.iter().zip(&parts) {
                assert!(part.params == due.params, "{place}: other weights");
                assert!(part.averages == due.averages, "{place}: other averages");
                assert_eq!(part.norms, due.norms, "{place}");
                assert_eq!(whole.kept, 3 * values);
                // Graham's bound: the mean, and the largest tensor at most.
                assert!(part.kept <= 3 * (values / size + largest), "{place}: {} of {values}", part.kept);
            }
            assert_eq!(parts.iter().map(|part| part.kept).sum::<usize>(), 3 * values, "{place}");
            assert!(parts[1..].iter().all(|part| part.checkpoint.tensors.is_empty()));
            assert!(whole[0].alone && !parts[0].alone);
        }
    }
}

/// What a rank saves is 8 (1 - 1/N) bytes a parameter, 12 (1 - 1/N) with an average, but for what whole tensors can't be shared
/// evenly: under 1 % for a ViT-B.
#[test]
fn a_vit_b_is_shared_out_evenly() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes/paper-vit-b-224.toml");
    let model = Model::build(&Recipe::load(&path, &[]).unwrap()).unwrap();
    let sizes: Vec<usize> = model.specs.specs().iter().map(|spec| spec.shape.count()).collect();
    let all: usize = sizes.iter().sum();
    assert!(all > 85_000_000, "{all}");
    for ranks in [2, 4, 8] {
        let shards = Shards::new(&sizes, ranks);
        for rank in 0..ranks {
            let own: usize = (0..sizes.len()).filter(|&i| shards.owner(i) == rank).map(|i| sizes[i]).sum();
            let (saved, formula) = (8 * (all - own), 8.0 * all as f64 * (1.0 - 1.0 / ranks as f64));
            assert!(
                (saved as f64 - formula).abs() < 0.01 * formula,
                "{rank} of {ranks}: {saved} and {formula}"
            );
        }
    }
}

/// A checkpoint of shards goes on without them, on another number of ranks with them, and the other way round.
#[test]
fn a_checkpoint_of_shards_is_one_of_any_number_of_ranks() {
    let batches = batches::series(6, 12, SHAPE, 37);
    // In the order of the ranks, so that all numbers of ranks but one give the bits of as many parts: here the first three
    // steps are on four ranks, and the rest on two, with shards and without.
    let with = ["train.deterministic=true", "train.batch=12", "train.shard_optimizer=true"];
    let without = &with[..2];
    let first = |more: &[&str]| sharded("paper", more, 4, &batches[..3], None).remove(0).checkpoint;
    let rest = |more: &[&str], from: &Checkpoint| {
        sharded("paper", more, 2, &batches[3..], Some(from)).remove(0).checkpoint
    };
    let (whole, parts) = (first(without), first(&with));
    let due = rest(without, &whole);
    for (more, from) in [(without, &parts), (&with[..], &whole), (&with[..], &parts)] {
        assert!(bits(&due) == bits(&rest(more, from)));
    }
    // One process alone has it whole.
    let mut alone = trainer("paper", without, micro::device());
    alone.restore(parts.clone()).unwrap();
    assert!(bits(&parts) == bits(&alone.checkpoint().unwrap()));
}

/// Before the first step nothing is kept yet, and yet a checkpoint is whole.
#[test]
fn shards_can_be_saved_before_a_step() {
    let due = trainer("paper", &[], micro::device()).checkpoint().unwrap();
    assert!(due.has_average());
    let found = sharded("paper", &["train.shard_optimizer=true"], 2, &[], None);
    assert!(bits(&due) == bits(&found[0].checkpoint));
    let error = found[1].checkpoint.write("nowhere".as_ref()).unwrap_err().to_string();
    assert_eq!(
        error,
        "nowhere: this process has no part of the checkpoint of step 0; rank 0 has gathered it and writes it"
    );
}

/// What is not finite changes nothing on any rank, with shards too.
#[test]
fn a_bad_image_changes_no_shard() {
    let mut batches = batches::series(4, 8, SHAPE, 34);
    let more = ["train.shard_optimizer=true"];
    let good = sharded("paper", &more, 4, &batches[..3], None);
    *batches[3].pixels.normalised_mut().last_mut().unwrap() = f32::NAN;
    let bad = sharded("paper", &more, 4, &batches, None);
    assert!(bad.iter().all(|rank| !rank.norms[3].is_finite()));
    assert!(bits(&good[0].checkpoint) == bits(&bad[0].checkpoint));
    assert!(good.iter().zip(&bad).all(|(good, bad)| good.params == bad.params));
}

/// What a rank ends with.
struct Ended {
    norms: Vec<f64>,
    /// The fingerprint of each parameter, and how many values it has.
    params: Vec<(u64, usize)>,
    averages: Vec<(u64, usize)>,
    /// Values of moments and averages on this rank.
    kept: usize,
    /// Whether it could make a checkpoint alone.
    alone: bool,
    checkpoint: Checkpoint,
}

/// Ranks that train, each on its part of the batches, from a checkpoint where one is given.
fn sharded(
    preset: &str,
    more: &[&str],
    size: usize,
    batches: &[Batch],
    from: Option<&Checkpoint>,
) -> Vec<Ended> {
    on_ranks(size, |engine| {
        let mut trainer = trainer(preset, more, micro::device()).with_collective(engine.clone()).unwrap();
        if let Some(from) = from {
            trainer.restore(from.clone()).unwrap();
        }
        trainer.identity().unwrap().compare(&*engine).unwrap();
        let step = |batch: &Batch| {
            let part = engine.world().share().of(batch.len());
            trainer.train_step(&batch.slice(part.start, part.end), true).unwrap().grad_norm
        };
        let norms = batches.iter().map(step).collect();
        let prints = |params: Params| {
            let print =
                |tensor: &Tensor| (fingerprint_of(&[tensor.download().unwrap()]), tensor.shape().count());
            params.tensors().iter().map(print).collect()
        };
        let averages = trainer.evaluated_params().unwrap();
        // The second time nothing is gathered: one rank may ask alone.
        if engine.world().rank == 0 {
            trainer.evaluated_params().unwrap();
        }
        Ended {
            norms,
            params: prints(trainer.params()),
            averages: prints(averages),
            kept: trainer.kept_values(),
            alone: trainer.complete_alone(),
            checkpoint: trainer.checkpoint().unwrap(),
        }
    })
}

#[test]
fn a_batch_that_cannot_be_split_is_refused() {
    let errors = on_ranks(3, |engine| {
        let made = trainer("paper", &[], micro::device()).with_collective(engine);
        made.err().map(|e| e.to_string()).unwrap_or_default()
    });
    assert_eq!(
        errors[0],
        "`train.batch`: a batch of 8 can't be split evenly among 3 processes; choose a multiple of 3; it is the batch of \
         all processes together"
    );
}
