//! Packing of a set of three parts, and packing that is stopped.
#![cfg(unix)]

use std::fs;
use std::process::Stdio;

use crate::driver::{command, folder, run, stderr, succeed};
use crate::legs::images;
use crate::signals::send;
use crate::survival::wait_for;

/// Two parts have names of their own; a third is packed by its path, as the help says.
#[test]
fn a_third_part_is_packed_by_its_path() {
    let folder = folder();
    let path = folder.path();
    images(&path.join("set"), &["a", "b"], 3);
    fs::create_dir_all(path.join("set/validation")).expect("made");
    for class in ["a", "b"] {
        fs::rename(path.join("set/test").join(class), path.join("set/validation").join(class))
            .expect("moved");
    }
    images(&path.join("again"), &["a", "b"], 3);
    fs::remove_dir_all(path.join("set/test")).expect("removed");
    fs::rename(path.join("again/test"), path.join("set/test")).expect("moved");
    let pack = ["data", "pack", "data.name=folder", "--format", "webdataset", "--out"];
    let args = [&pack[..], &["x", "data.path=set", "--split", "validation"]].concat();
    let output = run(path, &args);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains("`validation` is no part of its own here"), "{text}");
    assert!(text.contains("data.path=SET/validation data.holdout=0 --split train"), "{text}");
    let args = [&pack[..], &["v", "data.path=set/validation", "data.holdout=0", "--split", "train"]].concat();
    succeed(path, &args);
    assert!(path.join("v/train-000000.tar").is_file());
}

/// Ctrl-C ends with what goes on, and the same command does.
#[test]
fn stopped_packing_says_what_goes_on() {
    let folder = folder();
    let path = folder.path();
    let scenes = ["data.name=scenes", "data.reader.count=[6000,10]"];
    let pack = ["data", "pack", "--format", "webdataset", "--size", "1MB", "--out"];
    let of = |out| [&pack[..], &[out], &scenes[..]].concat();
    for (signal, status) in [("INT", 130), ("TERM", 75)] {
        let _ = fs::remove_dir_all(path.join("torn"));
        let child = command(path, &of("torn")).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let child = child.expect("the driver starts");
        wait_for("the first shard", || path.join("torn/train-000000.tar").exists());
        send(&child, signal);
        let output = child.wait_with_output().expect("ended");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{text}");
        assert!(text.contains("stopped after") && text.contains("the same command goes on"), "{text}");
        assert!(!path.join("torn/pack.lock").exists());
    }
    let output = succeed(path, &of("torn"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("of them there already") && text.contains("6010 images"), "{text}");
}
