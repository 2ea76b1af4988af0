//! Backends side by side.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::driver::{command, folder, run, stderr, succeed};
use crate::ranks::has;

#[test]
fn a_comparison_tells_rates_and_leaves_out_what_nobody_knows() {
    let folder = folder();
    let args =
        ["compare", "tiny.toml", "--backends", "burn,dfdx", "--steps", "6", "--turn", "2", "--warm-up", "2"];
    let output = succeed(folder.path(), &[&args[..], &["--out", "out", "--json"]].concat());
    let told: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    let figures = told["contenders"].as_array().expect("a list");
    assert_eq!(figures.len(), 2, "{told}");
    let file = |name: &str| fs::read_to_string(folder.path().join("out").join(name)).expect(name);
    let environment: Value = serde_json::from_str(&file("env.json")).expect("JSON");
    let flops = environment["work"]["flops"]["forward"].as_f64().expect("a number")
        + environment["work"]["flops"]["backward"].as_f64().expect("a number");
    for figures in figures {
        assert!(figures["loss_difference"].as_f64() < Some(1e-4), "{figures}");
        let rate = flops / (1e-3 * figures["step_ms"].as_f64().expect("a number")) * 1e-12;
        let error = figures["tflops"].as_f64().expect("a number") / rate - 1.0;
        assert!(error.abs() < 1e-9, "{figures}");
        // No processor's peak is known.
        assert!(figures["mfu"].is_null(), "{figures}");
        // Where this machine lets its counters be read, all of the energy is the processors'.
        assert_eq!(figures["joules_per_image"], figures["host_joules_per_image"], "{figures}");
        assert!(figures["device_joules_per_image"].is_null(), "{figures}");
    }
    assert!(environment["gpu"].is_null() && environment["device"] == "cpu", "{environment}");
    let raw = file("raw.csv");
    let heads: Vec<&str> = raw.lines().next().expect("heads").split(',').collect();
    assert_eq!(heads[heads.len() - 3..], ["device_process", "host_joules", "device_joules"]);
    assert_eq!(raw.lines().count(), 1 + 2 * 6);
    assert!(raw.lines().all(|line| line.split(',').count() == heads.len()), "{raw}");
    let verdict = told["verdict"].as_str().expect("sentences");
    assert!(
        verdict.starts_with("burn and dfdx agree") && verdict.contains(" a step in the median"),
        "{verdict}"
    );
    assert_eq!(environment["verdict"], told["verdict"]);
    let joules = !figures[0]["joules_per_image"].is_null();
    for (page, heads) in [
        (file("report.md"), ["| TFLOP/s", "| MFU", "| J/image", "| device MiB"]),
        (file("report.html"), [">TFLOP/s<", ">MFU<", ">J/image<", ">device MiB<"]),
    ] {
        let has = heads.map(|head| page.contains(head));
        // Nobody tells of a processor's peak, or of a device's memory where there is none.
        assert_eq!(has, [true, false, joules, false], "{page}");
        assert!(page.contains(verdict) || page.contains(&verdict.replace('\'', "&#39;")), "{page}");
    }
    let numbers = format!("{}{}", file("env.json"), String::from_utf8_lossy(&output.stdout));
    assert!(!numbers.contains("0000000") && !numbers.contains("9999999"), "{numbers}");
}

/// A comparison that goes on for long, with the first rows of its results written.
fn long(folder: &Path, out: &str) -> Child {
    let args =
        ["compare", "tiny.toml", "--backends", "burn,dfdx", "--steps", "5000", "--turn", "1", "--out", out];
    let mut child =
        command(folder, &args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let start = Instant::now();
    while fs::read_to_string(folder.join(out).join("raw.csv")).map_or(0, |raw| raw.lines().count()) < 9 {
        assert!(start.elapsed() < Duration::from_secs(60), "no rows");
        assert!(child.try_wait().expect("its state").is_none(), "it ended before its rows");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

#[test]
fn what_was_measured_stays_when_a_comparison_is_cut_off() {
    let folder = folder();
    let mut killed = long(folder.path(), "killed");
    killed.kill().expect("it is killed");
    killed.wait().expect("it ended");
    let raw = fs::read_to_string(folder.path().join("killed/raw.csv")).expect("rows");
    let columns = raw.lines().next().expect("heads").split(',').count();
    assert!(raw.ends_with('\n') && raw.lines().all(|line| line.split(',').count() == columns), "{raw}");
    assert!(
        raw.lines().any(|line| line.starts_with("burn,2,"))
            && raw.lines().any(|line| line.starts_with("dfdx,2,"))
    );
    assert!(folder.path().join("killed/config.toml").is_file());

    let mut interrupted = long(folder.path(), "out");
    let kill = Command::new("kill").args(["-INT", &interrupted.id().to_string()]).status();
    assert!(kill.expect("kill is there").success());
    assert_eq!(interrupted.wait().expect("it ended").code(), Some(130));
    let environment = fs::read_to_string(folder.path().join("out/env.json")).expect("env.json");
    let environment: Value = serde_json::from_str(&environment).expect("JSON");
    assert!(environment["cut_off"].as_str().is_some_and(|why| why.contains("interrupted")), "{environment}");
    assert_eq!(environment["figures"].as_array().map(Vec::len), Some(2));
    assert!(folder.path().join("out/report.html").is_file());
}

/// Two processes with half of every batch each compute what one does, and what PyTorch's DistributedDataParallel does.
#[test]
#[allow(clippy::print_stderr, reason = "tells what was passed over")]
fn ranks_agree_with_one_process_and_with_pytorch() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let recipe = fs::read_to_string(folder.path().join("tiny.toml")).expect("a recipe");
    // Each image has as many masked patches, so that the mean of both halves' losses is that of the whole batch.
    let recipe = recipe.replace("\"paper\"", "\"mae\"").replace("[corruption]\ncell = 8\n", "");
    fs::write(folder.path().join("tiny.toml"), recipe).expect("written");
    let args = ["compare", "tiny.toml", "--ranks", "2", "--steps", "8", "--turn", "3", "--warm-up", "2"];
    let small = ["restoration.decoder.dim=16", "restoration.decoder.depth=1", "restoration.decoder.heads=2"];
    let imports = Command::new("python3").args(["-c", "import torch, numpy, safetensors"]).output();
    let has_pytorch = imports.is_ok_and(|output| output.status.success());
    let (control, mut due): (&[&str], _) = match has_pytorch {
        true => (&["--pytorch=eager"], vec!["burn", "burn x 2", "pytorch-eager", "pytorch-ddp x 2"]),
        false => (&[], vec!["burn", "burn x 2"]),
    };
    if !has_pytorch {
        eprintln!("PyTorch: passed over: python3 does not import torch, numpy and safetensors");
    }
    let output = succeed(folder.path(), &[&args[..], &small, control, &["--out", "out", "--json"]].concat());
    let told: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    let figures = told["contenders"].as_array().expect("a list");
    let names: Vec<&str> = figures.iter().filter_map(|figures| figures["name"].as_str()).collect();
    assert_eq!(names, due);
    for figures in figures {
        assert!(figures["loss_difference"].as_f64() < Some(1e-5), "{figures}");
    }
    // Who copies and waits for others tells for how long, and it is part of the step.
    assert!(figures[0]["staging_ms"].is_null() && figures[0]["sums_ms"].is_null(), "{}", figures[0]);
    let of_ranks = |name: &str| figures[1][name].as_f64().expect("a number");
    let parts = ["staging_ms", "sums_ms"].map(of_ranks);
    assert!(parts.iter().all(|&ms| ms > 0.0 && ms < of_ranks("step_ms")), "{}", figures[1]);
    let raw = fs::read_to_string(folder.path().join("out/raw.csv")).expect("rows");
    let norms = |name: &str| -> Vec<f64> {
        let of = |line: &str| line.split(',').nth(3).and_then(|norm| norm.parse().ok());
        raw.lines().filter(|line| line.split(',').next() == Some(name)).filter_map(of).collect()
    };
    let alone = norms("burn");
    assert_eq!(alone.len(), 8);
    for name in due.split_off(1) {
        let found = norms(name);
        assert_eq!(found.len(), alone.len(), "{name}");
        for (a, b) in alone.iter().zip(found) {
            assert!((a - b).abs() < 2e-4 * a, "{name}: a norm of {b} where {a} is due");
        }
    }
}

#[test]
fn a_batch_that_ranks_cannot_share_is_told_before_anything_starts() {
    let folder = folder();
    let output = run(folder.path(), &["compare", "tiny.toml", "--ranks", "3"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains("a batch of 16 can't be split evenly among 3 processes"), "{text}");
    assert!(!folder.path().join("results").exists());
}
