//! Backends side by side.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::driver::{command, folder, succeed};

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
