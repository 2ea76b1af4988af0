//! Commands as they were called before do the same, and say the new name; a recipe and its overrides are told apart.

use std::fs;

use crate::driver::{TINY, folder, run, stderr, succeed};

#[test]
fn old_spellings_do_what_the_new_ones_do() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir(path.join("recipes")).expect("made");
    fs::write(path.join("recipes/tiny.toml"), format!("# A small one.\n{TINY}")).expect("written");
    for (old, new, note) in [
        (
            &["list", "heads", "--json"][..],
            &["part", "list", "head", "--json"][..],
            "`list` is now `part list`",
        ),
        (&["list", "noise"], &["part", "list", "noise"], "`list` is now `part list`"),
        (&["list", "datasets"], &["part", "list", "readers"], "`list` is now `part list`"),
        (&["list", "--json", "presets"], &["part", "list", "presets", "--json"], "`list` is now `part list`"),
        (&["list", "recipes"], &["recipe", "list"], "`list recipes` is now `recipe list`"),
        (&["list", "backends"], &["backend", "list"], "`list backends` is now `backend list`"),
        (
            &["show", "corruption", "cell"],
            &["part", "show", "corruption", "cell"],
            "`show` is now `part show`",
        ),
        (&["show", "table", "train"], &["part", "show", "table", "train"], "`show` is now `part show`"),
        (
            &["show", "recipe", "tiny.toml", "seed=3"],
            &["recipe", "show", "tiny.toml", "seed=3"],
            "`show recipe` is now `recipe show`",
        ),
        (
            &["backend", "check", "burn"],
            &["backend", "show", "burn"],
            "`backend check` is now `backend show`",
        ),
        (
            &["conform", "--backends", "burn", "--op", "gelu", "--mode", "support"],
            &["backend", "validate", "burn", "--op", "gelu", "--mode", "support"],
            "`conform` is now `backend validate`",
        ),
    ] {
        let (before, now) = (succeed(path, old), succeed(path, new));
        assert!(!now.stdout.is_empty() && before.stdout == now.stdout, "{old:?}");
        let told = stderr(&before);
        assert_eq!(told.lines().filter(|line| *line == format!("note: {note}")).count(), 1, "{told}");
        assert!(!stderr(&now).contains(" is now "), "{}", stderr(&now));
    }
    let old = run(path, &["replay", "nothing"]);
    assert_eq!(old.status.code(), Some(2));
    assert!(
        stderr(&old).starts_with("note: `replay` is now `run replay`\nerror: nothing: "),
        "{}",
        stderr(&old)
    );
}

#[test]
fn overrides_are_told_from_the_recipe_by_their_form() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("a=b.toml"), TINY.replace("\"tiny\"", "\"other\"")).expect("written");
    let shown = |args: &[&str]| {
        let output = succeed(path, &[&["recipe", "show", "--json"], args].concat());
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let recipe = &line["recipe"];
        (
            recipe["name"].as_str().map(str::to_owned),
            recipe["seed"].as_u64(),
            recipe["train"]["batch"].as_u64(),
        )
    };
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(shown(&["tiny.toml", "seed=3"]), (name("tiny"), Some(3), Some(16)));
    assert_eq!(shown(&["seed=3", "train.batch=8", "tiny.toml"]), (name("tiny"), Some(3), Some(8)));
    assert_eq!(shown(&["./a=b.toml", "seed=1"]), (name("other"), Some(1), Some(16)));
    assert_eq!(shown(&["seed=5", "--set", "seed=6"]), (name("paper-micro"), Some(6), Some(32)));
    for (args, parts) in [
        (&["a=b.toml"][..], &["`a`", "unknown key"][..]),
        (
            &["tiny.toml", "seed=1", "other.toml"],
            &["`tiny.toml` and `other.toml` are two recipes", "KEY=VALUE"],
        ),
        (&["seed"], &["unknown recipe `seed`"]),
    ] {
        let output = run(path, &[&["pretrain", "--dry-run"], args].concat());
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        parts.iter().for_each(|part| assert!(text.contains(part), "{args:?}: no `{part}` in: {text}"));
    }
}

/// A recipe's bare name is as good as its path, where there is no file of that name.
#[test]
fn recipes_go_by_bare_names() {
    let folder = folder();
    let path = folder.path();
    let name = |args: &[&str]| {
        let shown = succeed(path, &[&["recipe", "show", "--json"], args].concat());
        serde_json::from_slice::<serde_json::Value>(&shown.stdout).expect("JSON")["recipe"]["name"].clone()
    };
    // Those of the checkout, as this folder has none of its own.
    assert_eq!(name(&["mae-micro"]), "mae-micro");
    assert_eq!(name(&["mae-micro.toml", "seed=2"]), "mae-micro");
    succeed(path, &["pretrain", "mae-micro", "--dry-run"]);
    succeed(path, &["data", "show", "paper-micro"]);
    fs::create_dir(path.join("recipes")).expect("made");
    fs::write(path.join("recipes/own.toml"), TINY).expect("written");
    assert_eq!(name(&["own"]), "tiny");
    for (word, parts) in [
        ("onw", &["unknown recipe `onw`; did you mean `own`?"][..]),
        ("recipes/onw.toml", &["recipes/onw.toml: no such file; did you mean recipes/own.toml?"]),
        ("nowhere/own.toml", &["nowhere/own.toml: no such file", "recipe list"]),
    ] {
        let output = run(path, &["pretrain", word]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        parts.iter().for_each(|part| assert!(text.contains(part), "no `{part}` in: {text}"));
    }
    fs::write(path.join("own"), TINY.replace("\"tiny\"", "\"file\"")).expect("written");
    assert_eq!(name(&["own"]), "file");
}

/// Keys under the names that other programs give them: what is meant is told.
#[test]
fn habits_are_answered_with_the_key() {
    let folder = folder();
    for (args, part) in [
        (&["pretrain", "tiny.toml", "--epochs", "3"][..], "without dashes: train.epochs=3"),
        (&["bench", "--batch-size", "8"], "unexpected argument '--batch-size'"),
        (&["pretrain", "tiny.toml", "--lr=1e-3"], "without dashes: optimizer.lr=1e-3"),
        (&["pretrain", "tiny.toml", "lr=1e-3"], "unknown key `lr`; did you mean `optimizer.lr`?"),
        (&["pretrain", "tiny.toml", "epochs=3"], "unknown key `epochs`; did you mean `train.epochs`?"),
        (&["pretrain", "tiny.toml", "train.lr=1e-3"], "unknown key `lr`; did you mean `optimizer.lr`?"),
        (&["pretrain", "tiny.toml", "ratio=0.5"], "unknown key `ratio`; did you mean `corruption.ratio`?"),
    ] {
        let output = run(folder.path(), args);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(part), "{args:?}: {text}");
    }
}

/// A preset of heads is a layer below the recipe's file, and a run keeps what it resolved to.
#[test]
fn a_preset_of_heads_is_a_layer() {
    let folder = folder();
    let path = folder.path();
    let recipe = |text: &str| fs::write(path.join("heads.toml"), format!("{TINY}\n{text}")).expect("written");
    let shown = |file: &str, args: &[&str]| {
        let output = succeed(path, &[&["recipe", "show", file, "--json"], args].concat());
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON")
    };
    recipe("[head]\npreset = \"small\"\n[head.finetune]\ntrain.batch = 32\n");
    let (with, without) = (shown("heads.toml", &["head.finetune.init=0.5"]), shown("tiny.toml", &[]));
    assert_eq!(with["hash"], without["hash"]);
    let head = &with["recipe"]["head"];
    assert!(head["preset"].is_null(), "{head}");
    assert_eq!(head["finetune"]["init"], 0.5);
    assert_eq!(head["finetune"]["train"]["batch"], 32, "the file comes above the preset");
    assert_eq!(head["finetune"]["train"]["layer_decay"], 0.85, "{head}");
    let overridden = shown("tiny.toml", &["head.preset=small"]);
    assert_eq!(overridden["recipe"]["head"]["finetune"]["train"]["batch"], 64, "{overridden}");
    recipe("[head]\npreset = \"smal\"\n");
    let output = run(path, &["pretrain", "heads.toml", "--dry-run"]);
    let text = stderr(&output);
    assert!(text.contains("heads.toml:") && text.contains("`head.preset`"), "{text}");
    assert!(text.contains("did you mean `small`?"), "{text}");
}
