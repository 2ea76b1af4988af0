//! What engines must hold, and what is said of them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::workshop::{driver, has_gloo, run, told};

fn checked(engine: &str, ranks: &str) -> Value {
    let output = run(&["collective", "check", engine, "--ranks", ranks, "--json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", told(&output));
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

#[test]
fn gloo_holds_its_laws_between_two_processes() {
    if !has_gloo("gloo_holds_its_laws_between_two_processes") {
        return;
    }
    let found = checked("gloo", "2");
    assert_eq!(found["passed"], Value::Bool(true));
    assert_eq!(found["engine"]["version"], "2.11.0");
    let laws: Vec<&str> =
        found["laws"].as_array().expect("laws").iter().filter_map(|law| law["law"].as_str()).collect();
    for law in
        ["sum of 6250000 f32", "barrier", "a rank that leaves is noticed", "a rank that is killed is noticed"]
    {
        assert!(laws.contains(&law), "{law} is not in {laws:?}");
    }
}

#[test]
fn gloo_holds_its_laws_between_four_processes() {
    if has_gloo("gloo_holds_its_laws_between_four_processes") {
        assert_eq!(checked("gloo", "4")["passed"], Value::Bool(true));
    }
}

#[test]
fn mpi_holds_its_laws_between_two_processes() {
    let there =
        |program| Command::new(program).arg("--version").output().is_ok_and(|found| found.status.success());
    if !there("mpicc") || !there("mpirun") {
        eprintln!("mpi_holds_its_laws_between_two_processes is passed over: there is no MPI");
        return;
    }
    assert_eq!(checked("mpi", "2")["passed"], Value::Bool(true));
}

/// Where there is no GPU or no NCCL the reason is a sentence.
#[test]
fn nccl_is_built_without_cuda() {
    let output = run(&["collective", "build", "nccl"]);
    assert!(output.status.success(), "{}", told(&output));
    let output = run(&["collective", "check", "nccl", "--limit", "3"]);
    let text = told(&output);
    let works = output.status.success()
        || ["libcuda.so.1", "libnccl.so.2", "fails in: the ranks work together"]
            .iter()
            .any(|part| text.contains(part));
    assert!(works, "{text}");
}

/// The whole path of a GPU, on stand-ins of NCCL and of CUDA's driver: staging, streams, limits, a death.
#[test]
fn nccl_holds_its_laws_on_stand_ins() {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (source, library) in [("libcuda.c", "libcuda.so.1"), ("libnccl.c", "libnccl.so.2")] {
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-fPIC", "-shared", "-I"]).arg(sources.join("plugins/include"));
        compiler
            .arg(sources.join("collectives/nccl/mock").join(source))
            .arg("-o")
            .arg(folder.path().join(library));
        assert!(compiler.arg("-lpthread").status().expect("a C compiler").success(), "{source}");
    }
    let mut check = driver(&["collective", "check", "nccl", "--ranks", "2", "--limit", "3", "--json"]);
    check.env("LD_LIBRARY_PATH", folder.path()).env("MOCK_GPUS", "2");
    let output = check.output().expect("the driver starts");
    let result: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)));
    assert_eq!(result["passed"], Value::Bool(true), "{result}");
    assert!(result["laws"].as_array().is_some_and(|laws| laws.len() > 15), "{result}");
}

#[test]
fn every_engine_is_listed_with_what_it_needs() {
    let output = run(&["collective", "list", "--json"]);
    assert!(output.status.success(), "{}", told(&output));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let needs = |engine: usize| found[engine]["needs"].as_str().unwrap_or_default().to_owned();
    let names: Vec<&str> =
        found.as_array().expect("engines").iter().filter_map(|e| e["name"].as_str()).collect();
    assert_eq!(names, ["gloo", "mpi", "nccl"]);
    assert!(
        needs(0).contains("libtorch 2.11.0")
            && needs(1).contains("mpicc")
            && needs(2).contains("libnccl.so.2")
    );
}

#[test]
fn an_engine_that_is_not_there_is_a_sentence() {
    let output = run(&["collective", "check", "glo"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        told(&output),
        "error: --collective: unknown engine `glo`; did you mean `gloo`? (one of: gloo, mpi, nccl)"
    );
    let output = run(&["collective", "check", "path/to/libnone.so"]);
    assert_eq!(told(&output), "error: path/to/libnone.so: no such library");
    let folder = tempfile::tempdir().expect("a folder");
    let missing = driver(&["collective", "build", "gloo"])
        .env("LIBTORCH", folder.path())
        .env("PALIMPSEST_COLLECTIVES", folder.path().join("engines"))
        .output()
        .expect("the driver starts");
    let text = told(&missing);
    assert!(text.contains("$LIBTORCH") && text.contains("the engine gloo needs 2.11.0"), "{text}");
}
