//! Commands that are killed at random moments, over and over: nothing is lost, nothing is doubled.
//!
//! `PALIMPSEST_KILLS` is the number of moments, `PALIMPSEST_KILLS_SEED` what they follow from.
#![cfg(unix)]
#![allow(clippy::print_stdout, reason = "tells the moments")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::train::RunFolder;
use serde_json::Value;

use crate::driver::{command, folder, stderr, succeed};
use crate::signals::send;
use crate::survival::last_tensors;

const MOMENTS: u64 = 48;
const FEW: [&str; 4] = ["--train-images", "64", "--test-images", "64"];
const TRAINING: [&str; 7] = [
    "tiny.toml",
    "eval.heads=[\"knn\"]",
    "eval.every=0.02",
    "eval.train_images=64",
    "eval.test_images=64",
    "train.samples_every=0.02",
    "train.checkpoint_every=0.006",
];

/// Commands that read the finished run, with the folder that they write.
fn readers() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut finetune = vec!["eval", "whole", "--head", "finetune", "--no-baseline", "--out", "out-finetune"];
    finetune.extend(["train.steps=4", "train.batch=8"]);
    finetune.extend(FEW);
    let mut knn = vec!["eval", "whole", "--head", "knn", "--no-baseline", "--out", "out-knn"];
    knn.extend(FEW);
    vec![
        ("out-finetune", finetune),
        ("out-knn", knn),
        ("out-export", vec!["export", "whole", "--format", "safetensors", "--out", "out-export"]),
        ("out-analysis", vec!["analyse", "whole", "--images", "32", "--out", "out-analysis"]),
        ("out-compare", {
            vec!["compare", "tiny.toml", "--backends", "burn", "--steps", "4", "--out", "out-compare"]
        }),
    ]
}

struct Storm<'a> {
    path: &'a Path,
    random: Philox,
    told: BTreeMap<String, usize>,
}

impl Storm<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound as usize) as u64
    }

    fn start(&self, args: &[&str]) -> Child {
        let mut command = command(self.path, args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().expect("the driver starts")
    }

    /// Ends a process within the time that it takes undisturbed.
    fn end(&mut self, mut child: Child, what: &str, undisturbed: Duration) {
        let pause = self.below(undisturbed.as_millis().max(1) as u64);
        let started = Instant::now();
        let mut ended = false;
        while !ended && started.elapsed() < Duration::from_millis(pause) {
            std::thread::sleep(Duration::from_millis(1));
            ended = child.try_wait().expect("asked").is_some();
        }
        let signal = ["KILL", "KILL", "TERM", "USR1"][self.below(4) as usize];
        if !ended {
            send(&child, signal);
        }
        let output = child.wait_with_output().expect("ended");
        let text = stderr(&output);
        assert!(!text.contains("panicked"), "{what}: {text}");
        // Ended by itself, a command has done its work, found the run taken, or was asked to stop.
        let code = output.status.code();
        assert!(matches!(code, None | Some(0 | 2 | 75 | 138 | 143)), "{what}: {code:?}: {text}");
        if code == Some(2) {
            assert!(
                text.contains("trains this run") || text.contains("holds a run already"),
                "{what}: {text}"
            );
        }
        let how = if ended { "ended".to_owned() } else { format!("SIG{signal}") };
        *self.told.entry(format!("{what}, {how}")).or_default() += 1;
    }
}

/// The lines of the metrics: (step, whether it is an evaluation). A line that is not whole is the last.
fn logged(run: &Path) -> Vec<(u64, bool)> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect("a whole line"));
    lines.map(|line| (line["step"].as_u64().expect("a step"), line["eval"].is_object())).collect()
}

/// What holds of a run's folder at any moment; the step of its newest checkpoint.
fn check(run: &Path) -> Option<u64> {
    if !run.join("config.toml").exists() {
        return None;
    }
    let lines = logged(run);
    let once: BTreeSet<&(u64, bool)> = lines.iter().collect();
    assert_eq!(once.len(), lines.len(), "doubled: {lines:?}");
    let newest = RunFolder::open(run).and_then(|folder| folder.newest()).expect("a good newest checkpoint");
    let newest = newest.map(|newest| {
        assert!(newest.damaged.is_empty(), "{:?}", newest.damaged);
        newest.checkpoint.state.step
    });
    assert!(newest.is_some() || lines.is_empty(), "steps without a checkpoint");
    newest
}

fn leavings(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(leavings(&path)),
            path if path.extension().is_some_and(|e| e == "tmp" || e == "damaged") => found.push(path),
            _ => {}
        }
    }
    found
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let moments = number("PALIMPSEST_KILLS").unwrap_or(MOMENTS);
    let seed = number("PALIMPSEST_KILLS_SEED").unwrap_or(1);
    let folder = folder();
    let path = folder.path();
    let timed = |args: &[&str]| {
        let started = Instant::now();
        succeed(path, args);
        started.elapsed()
    };
    let training = timed(&[&["pretrain"][..], &TRAINING, &["--out", "whole"]].concat());
    let random = Philox::new(seed, Stream::Head, 0, 0);
    let mut storm = Storm { path, random, told: BTreeMap::new() };
    let whole = path.join("whole");
    let (tensors, lines) = (last_tensors(&whole), logged(&whole));
    let exported = |out: &str| fs::read(path.join(out).join("model.safetensors")).expect("exported");
    succeed(path, &["export", "whole", "--format", "safetensors", "--out", "export"]);
    let readers: Vec<_> = readers().into_iter().map(|(out, args)| (out, timed(&args), args)).collect();

    let (mut number, mut step, mut finished) = (0, None, 0);
    for _ in 0..moments {
        if storm.below(5) < 2 {
            let (out, time, args) = &readers[storm.below(readers.len() as u64) as usize];
            let children: Vec<Child> = (0..1 + storm.below(3) / 2).map(|_| storm.start(args)).collect();
            children.into_iter().for_each(|child| storm.end(child, out, *time));
            assert_eq!(check(&whole), Some(30));
            continue;
        }
        let name = format!("run-{number}");
        let run = path.join(&name);
        let children: Vec<Child> = (0..1 + storm.below(4) / 3)
            .map(|_| match run.join("config.toml").exists() {
                true => storm.start(&["resume", &name]),
                false => storm.start(&[&["pretrain"][..], &TRAINING, &["--out", &name]].concat()),
            })
            .collect();
        children.into_iter().for_each(|child| storm.end(child, "training", training));
        let now = check(&run);
        assert!(now >= step, "{step:?}, then {now:?}");
        step = now;
        if ["summary.json", "report.html"].iter().all(|name| run.join(name).exists()) {
            assert!(last_tensors(&run) == tensors, "{name}: other weights");
            assert_eq!(logged(&run), lines, "{name}");
            assert_eq!(leavings(&run), Vec::<PathBuf>::new());
            (number, step, finished) = (number + 1, None, finished + 1);
        }
    }
    let name = format!("run-{number}");
    if path.join(&name).join("config.toml").exists() {
        succeed(path, &["resume", &name]);
        assert!(last_tensors(&path.join(&name)) == tensors, "{name}: other weights");
        assert_eq!(logged(&path.join(&name)), lines);
    }
    for (out, _, args) in &readers {
        succeed(path, args);
        assert_eq!(leavings(&path.join(out)), Vec::<PathBuf>::new(), "{out}");
    }
    let [due, got] = ["export", "out-export"].map(|out| {
        let bytes = exported(out);
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("whole");
        file.iter().map(|(name, t)| (name.to_owned(), t.data().to_vec())).collect::<BTreeMap<_, _>>()
    });
    assert!(due == got, "another export");
    assert!(last_tensors(&whole) == tensors, "the run that was read has changed");
    println!("{moments} moments, {finished} runs came to their end: {:#?}", storm.told);
}
