//! A step that is launched as a graph is the step, to the last bit.

use std::sync::Arc;

use palimpsest_burn::Burn;
use palimpsest_core::backend::{Backend, Wrapper};
use palimpsest_core::data::Batch;
use palimpsest_core::train::{Checkpoint, Trainer};
use palimpsest_core::{Device, DeviceHandle};
use palimpsest_tests::recorder::Recorder;
use palimpsest_tests::{batches, micro};

const STEPS: usize = 24;

/// Everything that a step has: parts, an average, a norm that is clipped at most steps, drop path.
const EVERYTHING: [&str; 9] = [
    "train.batch=8",
    "train.accumulate=2",
    "train.ema=0.9",
    "train.steps=24",
    "optimizer.clip=0.5",
    "optimizer.lr=2e-3",
    "optimizer.lr_batch=0",
    "schedule.warmup_epochs=1",
    "encoder.drop_path=0.2",
];

fn batches() -> Vec<Batch> {
    batches::series(STEPS, 8, micro::SHAPE, 11)
}

fn trainer(preset: &str, overrides: &[&str], device: DeviceHandle) -> Trainer {
    Trainer::new(micro::preset(preset, overrides), device, 5).unwrap()
}

fn recorder() -> (Arc<Recorder>, DeviceHandle) {
    let recorder = Arc::new(Recorder::new(Arc::new(Burn::new())));
    (recorder.clone(), DeviceHandle { backend: recorder, id: Device::Cpu })
}

fn with<'a>(base: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    base.iter().chain(more).copied().collect()
}

/// Losses by step, and the weights, moments and averages in the end.
fn run(trainer: &mut Trainer, batches: &[Batch]) -> (Vec<Vec<(String, f64)>>, Checkpoint) {
    let reports = batches.iter().enumerate().map(|(i, batch)| {
        let report = trainer.train_step(batch, i % 7 == 6).unwrap();
        let mut scalars = report.scalars;
        scalars.push(("norm".to_owned(), report.grad_norm));
        scalars
    });
    (reports.collect(), trainer.checkpoint().unwrap())
}

#[test]
fn a_replayed_step_is_the_step() {
    for (preset, more) in [
        ("paper", &[][..]),
        ("mae", &["train.checkpoint_blocks=2"]),
        ("diffmae", &[]),
        ("can", &[]),
        ("maskfeat", &[]),
    ] {
        let overrides = with(&EVERYTHING, more);
        let mut host = trainer(preset, &with(&overrides, &["train.graph=off"]), micro::device());
        let (recorder, device) = recorder();
        let mut graph = trainer(preset, &with(&overrides, &["train.graph=on"]), device);
        let (due, due_end) = run(&mut host, &batches());
        let (found, end) = run(&mut graph, &batches());
        assert_eq!(graph.take_notices(), Vec::<String>::new(), "{preset}");
        // Two steps without a look at attention and two with one are done call by call.
        assert!(recorder.replays() >= STEPS - 4, "{preset}: {} replays", recorder.replays());
        for (step, (due, found)) in due.iter().zip(&found).enumerate() {
            assert_eq!(due, found, "{preset}, step {step}");
        }
        for ((name, due), (_, found)) in due_end.tensors.iter().zip(&end.tensors) {
            assert_eq!(due, found, "{preset}: {name}");
        }
    }
}

#[test]
fn nothing_changes_in_a_step_that_is_not_finite() {
    let (recorder, device) = recorder();
    let mut trainer = trainer("paper", &with(&EVERYTHING, &["train.graph=on"]), device);
    let mut batches = batches();
    run(&mut trainer, &batches[..6]);
    assert!(recorder.replays() > 0);
    let before = trainer.checkpoint().unwrap();
    let good = batches[6].pixels.normalised()[5];
    batches[6].pixels.normalised_mut()[5] = f32::NAN;
    let report = trainer.train_step(&batches[6], false).unwrap();
    assert!(!report.loss().is_finite());
    let after = trainer.checkpoint().unwrap();
    assert_eq!(before.state.step, after.state.step);
    assert_eq!(before.tensors, after.tensors);
    batches[6].pixels.normalised_mut()[5] = good;
    assert!(trainer.train_step(&batches[6], false).unwrap().loss().is_finite());
    assert_ne!(before.tensors, trainer.checkpoint().unwrap().tensors);
}

#[test]
fn a_resumed_run_is_the_same_run() {
    let overrides = with(&EVERYTHING, &["train.graph=on"]);
    let batches = batches();
    let (_, end) = run(&mut trainer("paper", &overrides, recorder().1), &batches);
    let mut first = trainer("paper", &overrides, recorder().1);
    run(&mut first, &batches[..14]);
    let mut second = trainer("paper", &overrides, recorder().1);
    second.restore(first.checkpoint().unwrap()).unwrap();
    let (_, resumed) = run(&mut second, &batches[14..]);
    assert_eq!(end.tensors, resumed.tensors);
    // A trainer that has graphs goes back too.
    second.restore(first.checkpoint().unwrap()).unwrap();
    assert_eq!(end.tensors, run(&mut second, &batches[14..]).1.tensors);
}

#[test]
fn a_refused_capture_is_told_once_and_training_goes_on() {
    let overrides = with(&EVERYTHING, &["train.graph=on"]);
    let (_, due) = run(&mut trainer("paper", &overrides, recorder().1), &batches());
    let (recorder, device) = recorder();
    recorder.refuse();
    let mut refused = trainer("paper", &overrides, device);
    let (_, end) = run(&mut refused, &batches());
    assert_eq!(recorder.replays(), 0);
    assert_eq!(refused.take_notices(), ["steps are not launched as graphs: no memory for a graph"]);
    assert_eq!(due.tensors, end.tensors);
}

#[test]
fn steps_that_are_no_graph_are_done_call_by_call() {
    let overrides = with(&EVERYTHING, &["train.graph=on", "noise.values=device"]);
    let (recorder, device) = recorder();
    let mut random = trainer("paper", &overrides, device);
    run(&mut random, &batches());
    assert_eq!(recorder.replays(), 0);
    let due = "steps are not launched as graphs: it draws random values on the device";
    assert_eq!(random.take_notices(), [due]);

    // A batch of another size is another step; the graph serves again afterwards.
    let (recorder, device) = self::recorder();
    let mut trainer = trainer("paper", &["train.batch=8", "train.graph=on"], device);
    let batches = batches();
    run(&mut trainer, &batches[..5]);
    let before = recorder.replays();
    trainer.train_step(&batches[5].slice(0, 4), false).unwrap();
    assert_eq!(recorder.replays(), before);
    let [notice]: [String; 1] = trainer.take_notices().try_into().unwrap();
    assert!(notice.starts_with("a step was not launched as a graph: call "), "{notice}");
    trainer.train_step(&batches[6], false).unwrap();
    assert_eq!(recorder.replays(), before + 1);
}

/// Differs in nothing.
struct Plain(Arc<dyn Backend>);

impl Wrapper for Plain {
    fn inner(&self) -> &dyn Backend {
        &*self.0
    }
}

#[test]
fn a_wrapped_backend_has_the_graphs_of_the_inner_one() {
    let overrides = with(&EVERYTHING, &["train.graph=on"]);
    let (_, due) = run(&mut trainer("paper", &overrides, recorder().1), &batches());
    let (recorder, DeviceHandle { backend, id: device }) = recorder();
    let mut wrapped =
        trainer("paper", &overrides, DeviceHandle { backend: Arc::new(Plain(backend)), id: device });
    let (_, end) = run(&mut wrapped, &batches());
    assert_eq!(wrapped.take_notices(), Vec::<String>::new());
    assert!(recorder.replays() > 0);
    assert_eq!(due.tensors, end.tensors);
}

#[test]
fn a_backend_without_graphs_says_so() {
    let mut trainer = trainer("paper", &["train.graph=on"], micro::device());
    assert_eq!(
        trainer.take_notices(),
        ["steps are not launched as graphs: the backend burn has none on cpu"]
    );
    assert!(self::trainer("paper", &[], micro::device()).take_notices().is_empty());
}
