//! CUDA on a machine without it: what is missing is said in one sentence.

use std::process::Output;

use crate::driver::{command, folder, stderr};

fn told(output: &Output, parts: &[&str]) {
    let text = stderr(output);
    for part in parts {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
}

#[test]
fn a_library_without_cuda() {
    let folder = folder();
    for (backend, device, what, flag) in [
        ("dfdx", "cuda:0", "CUDA", "--cuda"),
        ("burn", "cuda:0", "CUDA", "--cuda"),
        ("burn", "wgpu:0", "wgpu", "--wgpu"),
    ] {
        let train = ["pretrain", "tiny.toml", "--backend", backend, "--device", device];
        let output = command(folder.path(), &train).env_remove("CARGO").output().expect("the driver starts");
        let (no_device, built) = (format!("no device {device}"), format!("built without {what}"));
        told(&output, &[&no_device, &built, &format!("cargo xtask dist {flag}")]);
    }
}

#[test]
fn a_backend_without_a_variant() {
    let output = command(folder().path(), &["backend", "build", "dfdx", "--wgpu"]).output();
    told(&output.expect("the driver starts"), &["dfdx", "does not run on wgpu", "backend build burn --wgpu"]);
}

#[test]
fn a_toolkit_that_is_not_there() {
    let folder = folder();
    let build = |set: &str, value: &str| {
        let mut command = command(folder.path(), &["backend", "build", "dfdx", "--cuda"]);
        command.env_remove("CUDA_PATH").env_remove("XDG_CACHE_HOME").env("HOME", folder.path());
        command.env(set, value).output().expect("the driver starts")
    };
    told(&build("CUDA_PATH", "/nowhere"), &["$CUDA_PATH", "/nowhere", "include/cuda.h", "backend add cuda"]);
    told(&build("NOTHING", ""), &["no CUDA toolkit", "backend add cuda", "CUDA_PATH"]);
}

#[test]
fn a_libtorch_that_is_not_there() {
    let folder = folder();
    let path = folder.path();
    let check = |libtorch: Option<&str>| {
        let mut command = command(path, &["backend", "show", "tch"]);
        command.env_clear().env("HOME", path).env("PATH", path);
        if let Some(libtorch) = libtorch {
            command.env("LIBTORCH", libtorch);
        }
        command.output().expect("the driver starts")
    };
    told(&check(None), &["libtorch 2.11.0", "pip install torch==2.11.0", "LIBTORCH"]);
    told(&check(Some("/nowhere")), &["$LIBTORCH", "/nowhere", "2.11.0"]);
}
