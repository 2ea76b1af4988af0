//! The validator finds each fault by the check that is meant for it, and none in what is good.

#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::driver::library;
use crate::workshop::{Workshop, compile, good, output, source, validate};

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
    ("PID", "purity.processes", "a plan of digest"),
    ("ADDRESS", "purity.processes", "a plan of digest"),
    ("VARIABLE", "purity.processes", "a plan of digest"),
    ("FOLDER", "purity.processes", "a plan of digest"),
    ("DATE", "purity.processes", "a plan of digest"),
    ("LOCAL_DATE", "purity.processes", "a plan of digest"),
    ("PRINTS", "robust.output", "prints to standard output: \"planning 4 images\""),
    ("PRINTS_LOADING", "robust.output", "prints to standard output: \"loaded\""),
    ("RANDOM_OPS", "apply.result", "a second time"),
    ("INFINITE", "apply.result", "is inf"),
];

/// What is no failure and is told: a fault, the check that notes it, and how.
const NOTED: &[(&str, &str, &str)] = &[
    ("LOW_SEED", "plan.keyed", "only the lower 32 bits of the seed count"),
    ("HIGH_SEED", "plan.keyed", "the lower half of the seed may change and the plan does not"),
    ("IDLE", "plan.effect", "nothing is masked, noised, moved or changed"),
    ("OFF_SHARE", "plan.ratio", "at mask_ratio = 1 0.500 of the tokens are masked"),
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
fn what_is_noted_is_no_failure() {
    let workshop = Workshop::new();
    each(NOTED, |(fault, check, says)| {
        let verdict = workshop.validate(&built(&workshop, fault, check), &[]);
        assert_eq!(verdict.failed, [], "{fault}");
        let note = verdict.noted.iter().find(|(name, _)| name == check);
        assert!(note.is_some_and(|(_, note)| note.contains(says)), "{fault}: {:?}", verdict.noted);
    });
}

/// Rows are printed one by one: the first is there while a later check still runs.
#[test]
fn rows_appear_as_they_come() {
    let workshop = Workshop::new();
    let library = built(&workshop, "SLEEPS", "rows");
    let mut command = workshop.command(&["plugin", "validate", "--timeout", "20"]);
    command.arg(library).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("a driver");
    let mut rows = BufReader::new(child.stdout.take().expect("its output")).lines();
    let first = rows.next().expect("a row").expect("a row");
    assert!(first.starts_with("load.open ") && first.contains("pass"), "{first}");
    assert!(
        child.try_wait().expect("its state").is_none(),
        "the driver had ended before its first row was read"
    );
    child.kill().expect("it is stopped");
    child.wait().expect("it ended");
}

/// An exception of C++ ends the process: the library and its function are named, in a run and by the validator.
#[test]
fn an_exception_of_cpp_is_named() {
    if Command::new("c++").arg("--version").output().is_err() {
        eprintln!("exceptions of C++: passed over, this machine has no compiler for it");
        return;
    }
    let workshop = Workshop::new();
    for (place, function, validated) in [
        ("IN_PLAN", "the plug-in org.palimpsest.bad-throws 0.1.0", "`plan`"),
        ("IN_CREATE", "the plug-in org.palimpsest.bad-throws 0.1.0", "`create`"),
        ("IN_LOADING", "the library", "an initialiser"),
    ] {
        let library = workshop.path(&format!("libthrows-{place}.so"));
        let mut cc = Command::new("c++");
        cc.args(["-std=c++17", "-fPIC", "-shared", "-O1", "-Wall", "-Wextra", "-Werror"]);
        cc.arg(format!("-DTHROWS={place}")).arg("-I").arg(source("plugins/include"));
        output(cc.arg("-o").arg(&library).arg(source("plugins/bad/cpp/throws.cpp")));
        let path = library.display().to_string();
        let kind = "corruption.kind=bad-throws";
        let ended = workshop.run(&["pretrain", "tiny.toml", "--plugin", &path, "--steps", "2", kind]);
        let text = String::from_utf8_lossy(&ended.stderr);
        assert!(text.contains(function) && text.contains(&path), "{place}: {text}");
        assert!(text.contains(&format!("ended the program in {validated}: an exception")), "{place}: {text}");
        assert!(!text.contains("want of memory"), "{place}: {text}");
        assert_eq!(ended.status.code(), Some(1), "{place}");
        let args = ["plugin", "validate", "--only", "load.open", "--only", "plan.valid"];
        let told = workshop.command(&args).arg(&library).output().expect("a driver");
        let told = String::from_utf8_lossy(&told.stdout);
        assert!(
            told.contains(&format!(": {validated}: ended the process by signal 6 (abort")),
            "{place}: {told}"
        );
    }
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
