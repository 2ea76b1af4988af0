//! The processor's instructions: which a run takes, what is told of them, and what isn't there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::driver::{command, folder, run, stderr, succeed};
use crate::ranks::{Ranks, free_port, has, rank};

const VARIABLE: &str = "PALIMPSEST_CPU";

/// Every level, the lowest first, with what it needs by the system's own list.
const LEVELS: [(&str, &[&str]); 3] = [
    ("scalar", &[]),
    ("avx2", &["avx2", "fma"]),
    ("avx512", &["avx512f", "avx512bw", "avx512dq", "avx512vl"]),
];

/// The levels of this machine; `amx` is the system's to grant, and is told apart by the backend alone.
fn there() -> Vec<&'static str> {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags: BTreeSet<&str> =
        text.lines().find(|line| line.starts_with("flags")).unwrap_or_default().split_whitespace().collect();
    let found = LEVELS.iter().take_while(|(_, needs)| needs.iter().all(|need| flags.contains(need)));
    found.map(|(name, _)| *name).collect()
}

fn at(level: &str, path: &Path, args: &[&str]) -> Output {
    command(path, args).env(VARIABLE, level).output().expect("the driver starts")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("read")).expect("JSON")
}

/// The first word of what a backend tells.
fn level(told: &Value) -> &str {
    told.as_str().and_then(|told| told.split(' ').next()).unwrap_or_default()
}

#[test]
fn each_level_gives_a_run_that_says_so() {
    let folder = folder();
    let path = folder.path();
    for (backend, name) in ["burn", "dfdx"].into_iter().flat_map(|b| there().into_iter().map(move |l| (b, l)))
    {
        let out = format!("{backend}-{name}");
        let output =
            at(name, path, &["pretrain", "tiny.toml", "--steps", "2", "--backend", backend, "--out", &out]);
        assert!(output.status.success(), "{}", stderr(&output));
        let environment = json(&path.join(&out).join("env.json"));
        assert_eq!(level(&environment["backend"]["instructions"]), name, "{environment}");
        let checkpoint = path.join(&out).join("checkpoints/step-000000002.safetensors");
        let state = palimpsest_core::train::Checkpoint::read(&checkpoint).expect("read").state;
        assert_eq!(state.instructions.as_deref(), Some(name));
        let flags: Vec<&str> =
            environment["cpu_flags"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert!(flags.is_sorted() && environment["cpu"].is_string(), "{environment}");
        let told = at(name, path, &["backend", "show", backend]);
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(told.lines().any(|line| line.starts_with(&format!("instructions: {name}"))), "{told}");
    }
}

/// Whatever opens the backend, and before it makes anything.
#[test]
fn a_level_that_is_not_there_is_told_before_anything_is_made() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--steps", "2", "--out", "run"]);
    let before = listed(path);
    let commands: [&[&str]; 7] = [
        &["pretrain", "tiny.toml", "--out", "new"],
        &["pretrain", "tiny.toml", "--out", "new", "--backend", "dfdx"],
        &["eval", "run", "--head", "knn"],
        &["bench", "tiny.toml"],
        &["compare", "tiny.toml", "--backends", "burn,dfdx", "--out", "compared"],
        &["backend", "show", "burn"],
        &["backend", "validate", "dfdx", "--op", "exp"],
    ];
    for args in commands {
        let text = stderr(&refused(at("sse9", path, args)));
        let due =
            format!("PALIMPSEST_CPU=sse9 names no level of instructions; this machine has {}", there()[0]);
        assert!(text.contains(&due) && text.contains("; unset it, or name one of these"), "{args:?}: {text}");
        assert_eq!(listed(path), before, "{args:?}");
    }
    let all = at("sse9", path, &["backend", "show"]);
    assert!(String::from_utf8_lossy(&all.stdout).contains("names no level"), "the table tells it too");
    if let Some((missing, _)) = LEVELS.iter().find(|(name, _)| !there().contains(name)) {
        let text = stderr(&refused(at(missing, path, commands[0])));
        assert!(text.contains(&format!("this machine has no {missing}, but scalar")), "{text}");
    }
}

fn refused(output: Output) -> Output {
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    output
}

fn listed(path: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(path).expect("listed");
    entries.map(|entry| entry.expect("read").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn resuming_at_another_level_is_told() {
    let folder = folder();
    let path = folder.path();
    let levels = there();
    let [lowest, .., highest] = levels.as_slice() else { return };
    assert!(at(highest, path, &["pretrain", "tiny.toml", "--out", "run"]).status.success());
    let killed = || {
        fs::remove_file(path.join("run/summary.json")).expect("removed");
        fs::remove_file(path.join("run/checkpoints/step-000000030.safetensors")).expect("removed");
    };
    killed();
    let output = at(highest, path, &["resume", "run"]);
    assert!(output.status.success() && !stderr(&output).contains("last bits"), "{}", stderr(&output));
    killed();
    let output = at(lowest, path, &["resume", "run"]);
    let due = format!(
        "note: trained with the processor's {highest} so far, going on with {lowest}: the last bits may differ"
    );
    assert!(output.status.success() && stderr(&output).contains(&due), "{}", stderr(&output));
    let environment = json(&path.join("run/env.json"));
    assert_eq!(environment["resumed"][0]["instructions"], *highest, "{environment}");
    assert_eq!(environment["resumed"][1]["instructions"], *lowest, "{environment}");
}

#[test]
fn a_comparison_says_each_candidates() {
    let folder = folder();
    let path = folder.path();
    let args = ["compare", "tiny.toml", "--backends", "burn,dfdx", "--steps", "2", "--out", "out"];
    let output = at("scalar", path, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let environment = json(&path.join("out/env.json"));
    let contenders = environment["contenders"].as_array().expect("a list");
    let told: Vec<&str> = contenders.iter().map(|contender| level(&contender["instructions"])).collect();
    assert_eq!(told, ["scalar", "scalar"], "{environment}");
    assert!(environment["cpu_flags"].is_array() && environment["cpu"].is_string(), "{environment}");
}

/// They would part in the last bits.
#[test]
fn ranks_at_different_levels() {
    let levels = there();
    let [lowest, .., highest] = levels.as_slice() else { return };
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let path = folder.path();
    let ranks = |args: &[&str], of: &dyn Fn(usize) -> &'static str| {
        let port = free_port();
        let start = |number| {
            rank(path, args, number, 3, port).env(VARIABLE, of(number)).spawn().expect("the driver starts")
        };
        Ranks { children: (0..3).map(start).collect() }
    };
    let mixed = |number: usize| if number == 1 { *lowest } else { *highest };
    let pretrain = ["pretrain", "tiny.toml", "train.batch=12", "--steps", "2", "--out", "run"];
    let due = format!(
        "rank 1 and rank 0 differ in the processor's instructions: {highest} on ranks 0, 2, {lowest} on rank 1; \
         set PALIMPSEST_CPU to the lowest of them on every rank"
    );
    let told = |outputs: Vec<Output>| {
        assert!(outputs.iter().all(|output| output.status.code() == Some(2)));
        let texts: Vec<String> = outputs.iter().map(stderr).collect();
        assert!(texts[0].contains(&due), "{texts:#?}");
        assert!(texts[1].is_empty() && texts[2].is_empty(), "told once: {texts:#?}");
    };
    told(ranks(&pretrain, &mixed).outputs());
    assert!(!path.join("run").exists(), "nothing was made");
    // What the error says helps.
    ranks(&pretrain, &|_| lowest).succeed();
    told(ranks(&["eval", "run", "--head", "knn"], &mixed).outputs());
    assert!(run(path, &["run", "show", "run"]).status.success());
}
