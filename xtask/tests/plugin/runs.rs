//! What a run remembers of its plug-in.

use std::path::Path;

use crate::workshop::Workshop;

#[test]
fn a_run_names_its_plug_in_and_goes_on_with_no_other() {
    let workshop = Workshop::new();
    let folder = workshop.write("own", "c", "plan");
    let built = workshop.build("own");
    let plugin = built.display().to_string();
    workshop.succeed(&[
        "pretrain",
        "tiny.toml",
        "--plugin",
        &plugin,
        "--out",
        "run",
        "--steps",
        "4",
        "corruption.kind=own",
        "train.checkpoint_every=0.001",
    ]);
    let environment = std::fs::read_to_string(workshop.path("run/env.json")).expect("env.json");
    let environment: serde_json::Value = serde_json::from_str(&environment).expect("JSON");
    let remembered = &environment["plugins"][0];
    let manifest = std::fs::read_to_string(built.join("own.palimpsest.toml")).expect("a manifest");
    assert_eq!((&remembered["id"], &remembered["version"]), (&"org.example.own".into(), &"0.1.0".into()));
    let sha256 = remembered["sha256"].as_str().expect("a hash");
    assert!(sha256.len() == 64 && manifest.contains(sha256), "{sha256}: {manifest}");
    let checkpoint = newest(&workshop.path("run/checkpoints"));
    assert!(checkpoint.contains(sha256) && checkpoint.contains("org.example.own"), "the checkpoint's header");

    // Of a run that is not finished: gone, changed, and back again.
    std::fs::remove_file(workshop.path("run/summary.json")).expect("removed");
    let (text, status) = workshop.fail(&["resume", "run"]);
    assert!(text.contains("no plug-in `org.example.own` is known") && status == Some(2), "{text}");
    workshop.edit(&folder.join("own.c"), "\"0.1.0\"", "\"0.1.1\"");
    let first = workshop.path("first");
    std::fs::rename(&built, &first).expect("it is put away");
    workshop.build("own");
    let (text, status) = workshop.fail(&["resume", "run", "--plugin", &plugin]);
    assert!(
        text.contains(&format!("trained with the plug-in org.example.own 0.1.0 (sha256 {}", &sha256[..12])),
        "{text}"
    );
    assert!(text.contains("and this is org.example.own 0.1.1 (sha256 ") && status == Some(2), "{text}");
    workshop.succeed(&["resume", "run", "--plugin", &first.display().to_string()]);
}

/// A comparison's workers are given the plug-in too, and its record names it.
#[test]
fn backends_are_compared_with_a_plug_in() {
    let workshop = Workshop::new();
    workshop.write("own", "c", "ops");
    let plugin = workshop.build("own").display().to_string();
    workshop.succeed(&[
        "compare",
        "tiny.toml",
        "--plugin",
        &plugin,
        "--backends",
        "burn,dfdx",
        "--steps",
        "3",
        "--out",
        "out",
        "corruption.kind=own",
    ]);
    let environment = std::fs::read_to_string(workshop.path("out/env.json")).expect("env.json");
    assert!(environment.contains("org.example.own"), "{environment}");
}

fn newest(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).expect("checkpoints").flatten().map(|entry| entry.path());
    let last = files.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).max().expect("one");
    String::from_utf8_lossy(&std::fs::read(last).expect("a file")).into_owned()
}
