//! From `plugin new` to a trained run, in both languages and tiers.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::path::Path;
use std::process::Command;

use crate::driver::library;
use crate::workshop::{Workshop, output, target};

/// As on the parity ladder: each step feeds the last one's rounding back.
const CURVE: f64 = 1e-5;

/// The losses of four steps.
fn losses(workshop: &Workshop, name: &str, backend: &str) -> Vec<f64> {
    let run = workshop.path(&format!("run-{name}-{backend}"));
    let (out, kind) = (run.display().to_string(), format!("corruption.kind={name}"));
    let plugin = format!("{name}/plugin");
    let mut command = workshop.command(&["pretrain", "tiny.toml", "--plugin", &plugin, "--backend", backend]);
    command.args(["--out", &out, "--steps", "4", "train.log_every=1", "noise.values=host", &kind]);
    if backend == "tch" {
        // Its library lies in a target folder of its own.
        command.env_remove("PALIMPSEST_BACKENDS").env_remove("CARGO");
    }
    output(&mut command);
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    lines.filter_map(|line| line["loss"].as_f64()).collect()
}

/// Those that are compared with burn.
fn others() -> Vec<&'static str> {
    let release = library("palimpsest_burn").parent().expect("a folder").to_owned();
    let target = release.ancestors().find(|folder| folder.join("release").is_dir()).expect("target");
    let tch = target.join("tch/release/libpalimpsest_tch.so").is_file()
        && Command::new("python3").args(["-c", "import torch"]).output().is_ok_and(|o| o.status.success());
    if !tch {
        eprintln!("tch: passed over, its library or libtorch is not there");
    }
    if tch { vec!["dfdx", "tch"] } else { vec!["dfdx"] }
}

/// Builds it, holds it to every check, and trains with the one library on each backend.
fn walk(language: &str, tier: &str) {
    let workshop = Workshop::new();
    let name = format!("walk-{language}-{tier}");
    let folder = workshop.write(&name, language, tier);
    own_tests(&folder, language);
    let plugin = workshop.build(&name);
    let verdict = workshop.validate(&plugin, &[]);
    assert_eq!(verdict.failed, []);
    assert!(verdict.checks >= 30, "{} checks", verdict.checks);
    let due = losses(&workshop, &name, "burn");
    assert_eq!(due.len(), 4);
    for backend in others() {
        let found = losses(&workshop, &name, backend);
        for (step, (a, b)) in due.iter().zip(&found).enumerate() {
            assert!((a - b).abs() <= CURVE * a.abs(), "{name} on {backend}, step {step}: {a} and {b}");
        }
    }
    let text = workshop.succeed(&["plugin", "fuzz", &format!("{name}/plugin"), "--calls", "20000"]);
    assert!(text.contains(" 0 failed"), "{text}");
}

/// The tests that it is written with.
fn own_tests(folder: &Path, language: &str) {
    let mut command = if language == "rust" {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--release", "--quiet", "--offline"]).env("CARGO_TARGET_DIR", target());
        cargo
    } else {
        let mut make = Command::new("make");
        make.args(["test", "CFLAGS=-O1 -Werror"]);
        make
    };
    output(command.current_dir(folder));
}

#[test]
fn in_rust_plans() {
    walk("rust", "plan");
}

#[test]
fn in_rust_operations() {
    walk("rust", "ops");
}

#[test]
fn in_c_plans() {
    walk("c", "plan");
}

#[test]
fn in_c_operations() {
    walk("c", "ops");
}

#[test]
fn what_cant_be_written_is_told() {
    let workshop = Workshop::new();
    std::fs::write(workshop.path("full.txt"), "").expect("a file");
    for (args, due) in [
        (&["Blue"][..], "write lower case letters, digits and -"),
        (&["loop-"], "can't be the name of a plug-in"),
        (&["match"], "a word of Rust's own"),
        (&["blue", "--id", "blue"], "write a reverse domain name"),
        (&["blue", "--path", "."], "is not empty"),
        (&["blue", "--path", "full.txt"], "is no folder to write to"),
    ] {
        let (text, status) = workshop.fail(&[&["plugin", "new"], args].concat());
        assert!(text.contains(due), "{args:?}: {text}");
        assert_eq!(status, Some(2), "{args:?}");
    }
    let (text, status) = workshop.fail(&["plugin", "build", "nowhere"]);
    assert!(text.contains("no such folder") && status == Some(2), "{text}");
    let (text, status) = workshop.fail(&["plugin", "build", "."]);
    assert!(text.contains("neither a Cargo.toml nor a Makefile") && status == Some(2), "{text}");
}
