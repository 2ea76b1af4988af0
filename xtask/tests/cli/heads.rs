//! Heads that are trained with the encoder, as a user runs them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::driver::{TINY, command, folder, run, stderr, succeed};

/// A trained tiny encoder.
fn trained() -> tempfile::TempDir {
    let folder = folder();
    succeed(folder.path(), &["pretrain", "tiny.toml", "--out", "run", "--steps", "2"]);
    folder
}

fn json(folder: &Path, args: &[&str]) -> Value {
    let output = succeed(folder, args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

const SHORT: [&str; 4] = ["train.batch=8", "train.steps=4", "augment.rand_augment=0", "smoothing=0.0"];

#[test]
fn a_head_is_fitted_and_saved_the_same_each_time() {
    let folder = trained();
    let path = folder.path();
    let fit = |out: &str, more: &[&str]| {
        let args = ["eval", "run", "--head", "finetune", "--json", "--out", out, "--shots", "4"];
        json(path, &[&args, &SHORT[..], more].concat())
    };
    let first = fit("a", &["--seeds", "0,1"]);
    let finetune = &first["eval"]["pretrained"]["finetune"];
    let accuracy = finetune["accuracy"].as_f64().expect("a figure");
    assert!((0.0..=1.0).contains(&accuracy) && finetune["compared"] == "accuracy", "{first}");
    assert_eq!(finetune["by_seed"].as_array().expect("a list").len(), 2);
    assert!(first["eval"]["random"]["finetune"]["spread"]["accuracy"].is_f64(), "{first}");
    for file in ["config.toml", "metrics.jsonl", "scores.json", "confusion.svg", "model.safetensors"] {
        assert!(path.join("a/finetune-fashion-mnist/random-seed1").join(file).is_file(), "{file}");
    }
    // The same bits, with another number of loader threads and the work in the training thread.
    fit("b", &["--seeds", "1", "data.workers=0", "--no-baseline"]);
    let weights = |out: &str| {
        fs::read(path.join(out).join("finetune-fashion-mnist/pretrained-seed1/model.safetensors"))
    };
    let (a, b) = (weights("a").expect("saved"), weights("b").expect("saved"));
    // The settings in the header differ by the number of workers; the weights follow it.
    let tail = |bytes: &[u8]| {
        let header = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
        bytes[8 + header..].to_vec()
    };
    assert_eq!(tail(&a), tail(&b));
    let plan = json(path, &["eval", "run", "--head", "finetune", "--dry-run", "--json", "train.batch=8"]);
    let plan = &plan["plan"]["fashion-mnist"]["plan"]["finetune"];
    assert!(plan["flops_per_step"].as_f64().expect("a figure") > 0.0, "{plan}");
    assert_eq!(plan["parameters"], plan["trained"], "{plan}");
    assert!(plan["seconds_per_step"].as_f64().expect("a time") > 0.0, "{plan}");
}

#[test]
fn a_recipe_says_how_heads_are_fitted() {
    let folder = folder();
    let path = folder.path();
    let tables = "\n[head.finetune]\ntrain.steps = 3\ntrain.batch = 8\nsmoothing = 0.2\n[head.knn]\nk = 3\n";
    fs::write(path.join("told.toml"), format!("{TINY}{tables}")).expect("writes");
    succeed(path, &["pretrain", "told.toml", "--out", "run", "--steps", "2"]);
    let plan = |more: &[&str]| {
        let args = ["eval", "run", "--head", "finetune", "--dry-run", "--json"];
        json(path, &[&args, more].concat())["plan"]["fashion-mnist"]["plan"]["finetune"]["steps"].clone()
    };
    assert_eq!(plan(&[]), 3);
    assert_eq!(plan(&["train.steps=5"]), 5, "the command line comes last");
    // They change no weight, so that a run goes on with others.
    succeed(path, &["resume", "run", "head.knn.k=5"]);
    // Before the run, not hours later.
    for (table, parts) in [
        ("[head.finetun]", &["wrong.toml:", "`finetun`", "did you mean `finetune`?"][..]),
        ("[head.finetune]\ntrain.epoch = 3", &["wrong.toml:", "`train.epoch`", "did you mean `epochs`?"]),
        ("[head.finetune]\nsmoothing = 2.0", &["wrong.toml:", "`smoothing`", "0.0..=0.99"]),
        ("[head.knn]\nneighbours = 3", &["wrong.toml:", "`head.knn.neighbours`", "unknown key"]),
        ("[head]\nknn = 3", &["wrong.toml:", "`head.knn`", "expected a table"]),
    ] {
        fs::write(path.join("wrong.toml"), format!("{TINY}\n{table}\n")).expect("writes");
        let output = run(path, &["pretrain", "wrong.toml", "--dry-run"]);
        assert_eq!(output.status.code(), Some(2));
        let text = stderr(&output);
        parts.iter().for_each(|part| assert!(text.contains(part), "`{part}` is not in: {text}"));
    }
}

#[test]
fn mistakes_are_told() {
    let folder = trained();
    let path = folder.path();
    for (args, parts) in [
        (&["--head", "finetun"][..], &["`finetun`", "did you mean `finetune`?"][..]),
        (&["--head", "finetune", "smothing=0.1"], &["`smothing`", "did you mean `smoothing`?"]),
        (&["--head", "finetune", "train.epoch=3"], &["`train.epoch`", "did you mean `epochs`?"]),
        (&["--head", "finetune", "augment.mixup=-1"], &["`augment.mixup`", "-1", "0.0..=100.0"]),
        (&["--head", "finetune", "train.tune=half"], &["`train.tune`", "half", "frozen"]),
        (&["--head", "finetune", "train.tune=last:9", "train.batch=8"], &["`train.tune`", "last:3"]),
        (&["--head", "finetune", "pooling=grid:3", "train.batch=8"], &["`pooling`", "3 x 3", "grid:2"]),
        (&["--head", "finetune", "train.batch=9000"], &["`train.batch`", "9000", "8000"]),
        (&["--head", "finetune", "--shots", "900", "train.batch=8"], &["--shots", "800", "900"]),
        (&["--head", "knn", "k=0"], &["`head.knn.k`", "a number above 0"]),
        (&["--head", "attentive", "blocks=7", "train.batch=8"], &["`blocks`", "3 blocks"]),
        (
            &["--head", "finetune", "--data", "cub,cars", "--data-path", "x"],
            &["--data-path", "1 paths for 2"],
        ),
        (&["--head", "finetune", "--data", "cub"], &["`data.name`", "needs a path"]),
        (&["--head", "finetune", "--data", "cub,cub"], &["--data: `cub` is named twice"]),
    ] {
        let output = run(path, &[&["eval", "run"], args].concat());
        let text = stderr(&output);
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!((errors.len(), output.status.code()), (1, Some(2)), "{args:?}: {text}");
        parts
            .iter()
            .for_each(|part| assert!(errors[0].contains(part), "{args:?}: no `{part}`: {}", errors[0]));
    }
    fs::write(path.join("heads.toml"), TINY.replace("heads = []", "heads = [\"finetune\"]"))
        .expect("written");
    let output = run(path, &["pretrain", "heads.toml", "--out", "other"]);
    assert!(stderr(&output).contains("cargo xtask eval RUN --head finetune"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

/// Ctrl-C ends a fit with status 130 and one sentence.
#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_fit() {
    let folder = trained();
    let args = ["eval", "run", "--head", "finetune", "train.batch=8", "train.steps=100000", "--no-baseline"];
    let child = command(folder.path(), &args).stderr(std::process::Stdio::piped()).spawn().expect("starts");
    // The first line of progress comes once the handler is set.
    let pid = child.id().to_string();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let sent = std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill");
    assert!(sent.success());
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("error: interrupted after step"), "{}", stderr(&output));
}

/// Every fine-grained set in its true layout, and one table over them.
#[test]
fn fine_grained_sets_make_one_table() {
    let folder = trained();
    let path = folder.path();
    succeed(path, &["data", "show", "tiny.toml", "--images", "1", "--out", "image.png"]);
    let image = fs::read(path.join("image.png")).expect("an image");
    let put = |name: &str, bytes: &[u8]| {
        let at = path.join(name);
        fs::create_dir_all(at.parent().expect("a folder")).expect("made");
        fs::write(at, bytes).expect("written");
    };
    let text = |name: &str, text: &str| put(name, text.as_bytes());
    let mat = |from: &str, to: &str| {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/tests/fixtures/mat");
        put(to, &fs::read(fixtures.join(from)).expect("a fixture"));
    };
    for (set, root, first, second) in [("cub", "cub", "1 a", "2 b"), ("nabirds", "nabirds", "1 a", "2 b")] {
        text(&format!("{root}/classes.txt"), &format!("{first}\n{second}\n"));
        text(&format!("{root}/images.txt"), "1 a/1.jpg\n2 a/2.jpg\n3 b/3.jpg\n4 b/4.jpg\n");
        text(&format!("{root}/image_class_labels.txt"), "1 1\n2 1\n3 2\n4 2\n");
        text(&format!("{root}/train_test_split.txt"), "1 1\n2 0\n3 1\n4 0\n");
        for file in ["a/1", "a/2", "b/3", "b/4"] {
            put(&format!("{set}/images/{file}.jpg"), &image);
        }
    }
    for (set, year) in [("inat2017", "2017"), ("inat2018", "2018")] {
        let json = r#"{"images": [{"id": 1, "file_name": "pictures/a.jpg"}, {"id": 2, "file_name": "pictures/b.jpg"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 5}, {"id": 2, "image_id": 2, "category_id": 6}],
            "categories": [{"id": 5, "name": "Larus"}, {"id": 6, "name": "Ficus"}]}"#;
        text(&format!("{set}/train{year}.json"), json);
        text(&format!("{set}/val{year}.json"), json);
        put(&format!("{set}/pictures/a.jpg"), &image);
        put(&format!("{set}/pictures/b.jpg"), &image);
    }
    mat("cars_meta.mat", "cars/devkit/cars_meta.mat");
    mat("cars_train_annos.mat", "cars/devkit/cars_train_annos.mat");
    mat("cars_test_annos_withlabels.mat", "cars/cars_test_annos_withlabels.mat");
    ["cars_train/00001", "cars_train/00002", "cars_test/00001"]
        .iter()
        .for_each(|file| put(&format!("cars/{file}.jpg"), &image));
    let data = "aircraft/fgvc-aircraft-2013b/data";
    text(&format!("{data}/variants.txt"), "707-320\nF/A-18\n");
    text(&format!("{data}/images_variant_trainval.txt"), "1025794 707-320\n1340192 F/A-18\n");
    text(&format!("{data}/images_variant_test.txt"), "1514522 F/A-18\n");
    ["1025794", "1340192", "1514522"].iter().for_each(|i| put(&format!("{data}/images/{i}.jpg"), &image));
    mat("imagelabels.mat", "flowers/imagelabels.mat");
    mat("setid.mat", "flowers/setid.mat");
    (1..=4).for_each(|i| put(&format!("flowers/jpg/image_0000{i}.jpg"), &image));
    text("pets/annotations/trainval.txt", "Abyssinian_100 1 1 1\npug_101 2 2 1\n");
    text("pets/annotations/test.txt", "pug_201 2 2 1\n");
    ["Abyssinian_100", "pug_101", "pug_201"]
        .iter()
        .for_each(|file| put(&format!("pets/images/{file}.jpg"), &image));

    let sets = ["cub", "nabirds", "inat2017", "inat2018", "cars", "aircraft", "pets"];
    let mut args =
        vec!["eval", "run", "--head", "finetune", "--no-baseline", "train.batch=2", "train.steps=1"];
    let names = sets.join(",");
    args.extend(["--data", &names]);
    sets.iter().for_each(|set| args.extend(["--data-path", set]));
    let results = json(path, &[&args[..], &["--json"]].concat());
    for set in sets {
        let accuracy = &results["sets"][set]["pretrained"]["finetune"]["accuracy"];
        assert!(accuracy.as_f64().is_some_and(|a| (0.0..=1.0).contains(&a)), "{set}: {results}");
    }
    let output = succeed(path, &args);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(sets.iter().all(|set| table.lines().any(|line| line.starts_with(set))), "{table}");
    assert!(table.lines().any(|line| line.starts_with("mean ")), "{table}");
    // Both training images of this file are of one class.
    let one =
        ["eval", "run", "--head", "finetune", "--data", "flowers", "--data-path", "flowers", "train.batch=2"];
    let output = run(path, &one);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("two classes, not 2 images of 1 class"), "{}", stderr(&output));
}
