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

    // Where it lay, gone, changed, and back again.
    let library = built.join("libown.so");
    assert_eq!(remembered["library"], library.canonicalize().expect("a library").display().to_string());
    let resumed = workshop.run(&["resume", "run"]);
    let text = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(
        resumed.status.success() && text.contains("the plug-in org.example.own is taken from "),
        "{text}"
    );
    let away = workshop.path("away");
    std::fs::rename(&built, &away).expect("it is put away");
    // A run that is finished would be left as it is.
    std::fs::remove_file(workshop.path("run/summary.json")).expect("removed");
    let (text, status) = workshop.fail(&["resume", "run"]);
    let due = "the run's plug-in org.example.own is not known here, and its library is gone";
    assert!(text.contains(due) && text.contains("--plugin PATH") && status == Some(2), "{text}");
    std::fs::rename(&away, &built).expect("it is put back");
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

/// Features are never corrupted: what looks at them needs no plug-in, even where its library is gone.
#[test]
fn a_finished_run_needs_its_plug_in_no_more() {
    let workshop = Workshop::new();
    for tier in ["plan", "ops"] {
        let name = format!("gone-{tier}");
        workshop.write(&name, "c", tier);
        let plugin = workshop.build(&name);
        let (path, kind) = (plugin.display().to_string(), format!("corruption.kind={name}"));
        workshop.succeed(&[
            "pretrain",
            "tiny.toml",
            "--plugin",
            &path,
            "--out",
            &name,
            "--steps",
            "3",
            &kind,
        ]);
        let eval: &[&str] =
            &["eval", &name, "--head", "knn", "--train-images", "200", "--test-images", "50", "--json"];
        let with = workshop.succeed(eval);
        std::fs::remove_dir_all(plugin).expect("it is removed");
        assert_eq!(workshop.succeed(eval), with, "{tier}");
        let analyse: &[&str] = &["analyse", &name, "--images", "64"];
        let export: &[&str] = &["export", &name, "--format", "safetensors"];
        for args in [analyse, export, &["report", &name], &["run", "show", &name], &["run", "list", "."]] {
            workshop.succeed(args);
        }
        let small = ["--head", "finetune", "train.steps=2", "train.batch=16", "--no-baseline"];
        workshop.succeed(&[&["eval", name.as_str()], &small[..]].concat());
    }
}

/// The shares of masked and noised tokens are logged, and a schedule shows at each of its steps.
#[test]
fn a_schedule_is_logged_and_shown() {
    let workshop = Workshop::new();
    let folder = workshop.write("rising", "c", "plan");
    workshop.edit(
        &folder.join("rising.c"),
        "strategy->ratio * tokens",
        "(0 * strategy->ratio + request->progress) * tokens",
    );
    let plugin = workshop.build("rising").display().to_string();
    let setting = ["tiny.toml", "--plugin", &plugin, "corruption.kind=rising", "noise=false"];
    workshop.succeed(
        &[&["pretrain", "--out", "run", "--steps", "8", "train.log_every=2"], &setting[..]].concat(),
    );
    let metrics = std::fs::read_to_string(workshop.path("run/metrics.jsonl")).expect("metrics");
    let shares: Vec<f64> = metrics
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["tokens/masked"].as_f64()
        })
        .collect();
    // Before each logged step 1, 3, 5 and 7 of 8 were done; 16 tokens.
    assert_eq!(shares, [0.125, 0.375, 0.625, 0.875]);
    let page = std::fs::read_to_string(workshop.path("run/report.html")).expect("a report");
    assert!(page.contains("<b>Corrupted tokens</b>"), "no chart of the shares");
    for (step, due) in [("0", "0.0 %"), ("15", "50.0 %"), ("30", "100.0 %")] {
        let args = [&["data", "show", "--step", step, "--out", "sheet.png"], &setting[..]].concat();
        let output = workshop.run(&args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let due = format!("after {step} of 30 steps: {due} of the tokens masked, 0.0 % noised");
        assert!(output.status.success() && text.contains(&due), "{text}");
        assert!(workshop.path("sheet.png").is_file());
    }
    let (text, status) = workshop.fail(&[&["data", "show", "--step", "31"], &setting[..]].concat());
    assert!(text.contains("the run ends after 30 steps") && status == Some(2), "{text}");
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
