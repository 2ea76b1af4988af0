//! The validator finds each fault by the check that is meant for it, and none in what is good.

use std::path::PathBuf;
use std::sync::Mutex;

use crate::driver::library;
use crate::workshop::{Workshop, compile, good, source, validate};

/// A fault of `plugins/bad/c/bad.c`, the check for it, and what that says.
const IN_C: &[(&str, &str, &str)] = &[
    ("NEWER_MAJOR", "load.open", "speaks ABI 2.{minor}, this program 1.{minor}"),
    ("SHORT_ENTRY", "load.open", "its entry has 24 bytes"),
    ("SHORT_TABLE", "load.open", "its table has 32 bytes"),
    ("NO_SUMMARY", "load.description", "is not one line"),
    ("READS_BEHIND", "structs.smaller", "byte 64 was touched, and it has 64"),
    ("WANTS_ALL", "structs.larger", "a struct of another size"),
    ("BAD_LIMIT", "parameters.limits", "fails: no"),
    ("BAD_ROLE", "plan.valid", "role 7"),
    ("UNEQUAL", "plan.valid", ""),
    ("ODD_GRID", "plan.shapes", "role 9"),
    ("CLOCK", "plan.repeatable", "has role"),
    ("COUNTER", "plan.repeatable", "has role"),
    ("ONE_SEED", "plan.keyed", ""),
    ("BATCH", "plan.split", "has role"),
    ("BIASED", "plan.uniform", "chi-square"),
    ("OFF_RATIO", "plan.ratio", "0.500 of the tokens are masked"),
    ("WRITES_BEHIND", "buffers.canaries", ""),
    ("WRITES_BEHIND", "buffers.guarded", ""),
    ("WRITES_BEFORE", "buffers.canaries", ""),
    ("WRITES_BEFORE", "buffers.guarded", ""),
    ("NAN_NOISE", "buffers.levels", "NaN"),
    ("RACE", "purity.threads", "has role"),
    ("LEAKS", "robust.memory", "resident memory grew"),
    ("LEAKS_INSTANCES", "robust.instances", "resident memory grew"),
    ("CRASHES", "plan.valid", "signal 11 (segmentation fault)"),
    ("ABORTS", "plan.valid", "signal 6 (abort"),
    ("STALE", "apply.handles", "a tensor of an earlier call"),
    ("SWALLOWS", "robust.operations", "went on as if it had not"),
    ("RANDOM_OPS", "apply.result", "a second time"),
    ("INFINITE", "apply.result", "is inf"),
];

/// Those that take long by nature: one check alone, and the seconds that it may take.
const SLOW: &[(&str, &str, &str, &str)] = &[
    // It loads for two seconds.
    ("LONG_LOAD", "load.time", "takes ", "30"),
    ("SLEEPS", "plan.valid", "did not end in time", "2"),
    ("HUNG_SEED", "plan.random", "did not end in time", "2"),
    ("EATS", "plan.valid", "", "2"),
];

/// Where `plugins/bad/panics` panics, or cuts gradients.
const IN_RUST: &[(&str, &str, &str)] = &[
    ("create", "robust.panics", "panics: out of cheese in create"),
    ("check", "robust.panics", "panics: out of cheese in check"),
    ("plan", "robust.panics", "panics: out of cheese in plan"),
    ("sometimes", "robust.panics", "panics: out of cheese for this seed"),
    ("apply", "robust.panics", "panics: out of cheese in apply"),
    ("unwrap", "robust.operations", "panicked"),
    ("cut", "apply.gradient", ""),
];

fn hold(fault: &str, failed: &[(String, String)], check: &str, says: &str) {
    let says = says.replace("{minor}", &palimpsest_abi::MINOR.to_string());
    let found = failed.iter().find(|(name, _)| name == check);
    let Some((_, value)) = found else { panic!("{fault} is not found by {check}, but by {failed:?}") };
    assert!(value.contains(&says), "{fault}, {check}: {value}");
}

/// Runs work for each item on a few threads: a validation mostly waits.
fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = Mutex::new(items.iter());
    let take = || next.lock().expect("no panic while it is locked").next();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(item) = take() {
                    work(item);
                }
            });
        }
    });
}

/// A fault's library.
fn built(workshop: &Workshop, fault: &str, check: &str) -> PathBuf {
    let library = workshop.path(&format!("lib{fault}-{check}.so"));
    compile(&source("plugins/bad/c/bad.c"), &library, &format!("-DBAD={fault}"));
    library
}

#[test]
fn faults_in_c() {
    let workshop = Workshop::new();
    each(IN_C, |(fault, check, says)| {
        hold(fault, &workshop.validate(&built(&workshop, fault, check), &[]).failed, check, says);
    });
    each(SLOW, |(fault, check, says, seconds)| {
        let library = built(&workshop, fault, check);
        hold(
            fault,
            &workshop.validate(&library, &["--only", check, "--timeout", seconds]).failed,
            check,
            says,
        );
    });
}

#[test]
fn panics_in_rust() {
    let workshop = Workshop::new();
    let library = library("palimpsest_bad_panics");
    each(IN_RUST, |(place, check, says)| {
        let mut command = workshop.command(&["plugin", "validate", "--json"]);
        let failed = validate(command.arg(&library).env("PALIMPSEST_BAD", place)).failed;
        hold(place, &failed, check, says);
    });
}

#[test]
fn what_is_good_passes() {
    let workshop = Workshop::new();
    let stripes = workshop.path("libstripes.so");
    compile(&source("plugins/c-stripes/stripes.c"), &stripes, "-DNDEBUG");
    let faultless = built(&workshop, "GOOD", "all");
    let mut libraries = good();
    libraries.extend([stripes, faultless, library("palimpsest_bad_panics")]);
    each(&libraries, |library| {
        let verdict = workshop.validate(library, &[]);
        assert_eq!(verdict.failed, [], "{}", library.display());
    });
}

/// The sentence, exit status, and what goes on after a fault in a run.
#[test]
fn a_panic_in_a_run_ends_it_in_a_sentence() {
    let workshop = Workshop::new();
    let library = library("palimpsest_bad_panics").display().to_string();
    for (place, due) in
        [("create", "in create"), ("check", "in check"), ("plan", "in plan"), ("apply", "in apply")]
    {
        let mut command = workshop.command(&["pretrain", "tiny.toml", "--plugin", &library, "--steps", "2"]);
        let output = command
            .arg("corruption.kind=bad-panics")
            .env("PALIMPSEST_BAD", place)
            .output()
            .expect("a driver");
        let text = String::from_utf8_lossy(&output.stderr);
        let due = format!("the plug-in org.palimpsest.bad-panics 0.1.0 panicked: out of cheese {due}");
        assert!(text.contains(&due), "{place}: {text}");
        assert_eq!(output.status.code(), Some(1), "{place}");
    }
}

#[test]
fn a_seed_is_reproduced() {
    let workshop = Workshop::new();
    let library = library("palimpsest_bad_panics").display().to_string();
    let bad = |args: &[&str]| {
        let mut command = workshop.command(args);
        command.env("PALIMPSEST_BAD", "sometimes").output().expect("a driver")
    };
    let output = bad(&["plugin", "fuzz", &library, "--calls", "200000", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let seed = answer["done"]["findings"][0]["seed"].as_u64().expect("a seed").to_string();
    let again = bad(&["plugin", "reproduce", &library, &seed]);
    let text = String::from_utf8_lossy(&again.stderr);
    assert!(text.contains("out of cheese for this seed"), "{text}");
    assert_eq!(again.status.code(), Some(1));
}
