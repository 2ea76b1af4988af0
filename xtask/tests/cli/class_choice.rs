//! `data.classes` on the command line: a head is measured on some classes of a run's data.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use palimpsest_tests::python;
use serde_json::{Value, json};

use crate::driver::{folder, run, stderr, succeed};

const CLASSES: [&str; 4] = ["bag", "coat", "shirt", "t-shirt"];

/// Grey images of 16 x 16 by class: waves that hardly tell the classes apart, under noise.
fn photos(root: &Path, classes: &[&str]) {
    for (part, count) in [("train", 24), ("test", 15)] {
        for class in classes {
            let at = root.join(part).join(class);
            fs::create_dir_all(&at).expect("a folder");
            let angle = 0.3 * CLASSES.iter().position(|known| known == class).expect("known") as f64;
            for i in 0..count {
                let own = f64::from(i) + angle + if part == "test" { 0.5 } else { 0.0 };
                let pixel = |x: usize, y: usize| {
                    let along = x as f64 * angle.cos() + y as f64 * angle.sin();
                    let noise = ((x * 13 + y * 7) as f64 * (1.0 + own)).sin();
                    (128.0 + 50.0 * (0.6 * along + own).sin() + 60.0 * noise) as u8
                };
                let pixels: Vec<u8> = (0..256).map(|at| pixel(at % 16, at / 16)).collect();
                let file = fs::File::create(at.join(format!("{i:02}.png"))).expect("a file");
                let mut encoder = png::Encoder::new(file, 16, 16);
                encoder.set_color(png::ColorType::Grayscale);
                let mut writer = encoder.write_header().expect("a header");
                writer.write_image_data(&pixels).expect("an image");
            }
        }
    }
}

fn json(folder: &Path, args: &[&str]) -> Value {
    let output = succeed(folder, args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

/// Without the times, in which no two fits agree.
fn timeless(mut eval: Value) -> Value {
    for weights in ["pretrained", "random"] {
        let training = eval.pointer_mut(&format!("/{weights}/finetune/training"));
        if let Some(training) = training.and_then(Value::as_object_mut) {
            training.retain(|key, _| !key.contains("seconds") && !key.contains("per_second"));
        }
    }
    eval
}

/// Every file below a folder.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(root).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.display().to_string();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => drop(all.insert(name, fs::read(&path).expect("a file"))),
        }
    }
    all
}

#[test]
#[expect(clippy::print_stdout, reason = "why a check was skipped")]
fn a_head_on_some_classes_scores_as_on_a_folder_of_them_alone() {
    let folder = folder();
    let path = folder.path();
    photos(&path.join("all"), &CLASSES);
    photos(&path.join("two"), &["coat", "t-shirt"]);
    let data = ["data.name=folder", "data.path=all", "eval.heads=[\"knn\"]"];
    succeed(path, &[&["pretrain", "tiny.toml", "--out", "run", "--steps", "4"], &data[..]].concat());
    let before = files(&path.join("run"));
    let eval =
        |args: &[&str]| timeless(json(path, &[&["eval", "run", "--json"], args].concat())["eval"].clone());

    let chosen = "data.classes=[\"coat\", \"t-shirt\"]";
    // The quotes that a shell takes away.
    let bare = "data.classes=[coat,t-shirt]";
    let short = ["train.steps=30", "train.batch=8", "augment.rand_augment=0.0"];
    for more in [
        &["--head", "knn,linear"][..],
        &["--head", "knn", "--shots", "9"],
        &["--head", "knn,linear", "--train-images", "21", "--test-images", "11", "--seeds", "1,2"],
        &[&["--head", "finetune", "--out", "fits"][..], &short].concat(),
    ] {
        let alone = eval(&[more, &["data.path=two"]].concat());
        assert_eq!(eval(&[more, &[chosen]].concat()), alone, "{more:?}");
        assert_eq!(eval(&[more, &[bare]].concat()), alone, "{more:?}");
        assert_ne!(eval(more), alone, "{more:?}");
    }
    let knn = eval(&["--head", "knn", "--out", "out", "data.classes=[t-shirt,coat]"]);
    let knn = &knn["pretrained"]["knn"];
    let by_class = json!([{ "class": "t-shirt", "images": 15 }, { "class": "coat", "images": 15 }]);
    assert_eq!(knn["test"], json!({ "images": 30, "classes": 2, "of": 30, "by_class": by_class }));
    assert!(files(&path.join("run")) == before, "the run is not as it was");
    let said = stderr(&succeed(path, &["eval", "run", "--head", "knn", bare]));
    assert!(said.contains("(30 of 60 images); 2 of 4 classes: coat, t-shirt"), "{said}");

    if let Err(reason) = python::available("sklearn, safetensors, numpy") {
        println!("skipped: {reason}");
        return;
    }
    let features = path.join("out/knn-folder/pretrained-seed0/features.safetensors");
    let theirs = python::run("knn_sklearn.py", &[&features]);
    assert_eq!(theirs["classes"], json!({ "0": 24, "1": 24 }));
    let [ours, theirs] = [knn, &theirs].map(|value| value["accuracy"].as_f64().expect("a figure"));
    // f32 here and f64 there: at most one of the 30 images may fall to the other side of a tie.
    assert!((ours - theirs).abs() < 1.5 / 30.0, "{ours} here, {theirs} by scikit-learn");
}

#[test]
fn a_run_on_some_classes_goes_on_with_them_alone() {
    let folder = folder();
    let path = folder.path();
    photos(&path.join("all"), &CLASSES);
    let data = ["data.name=folder", "data.path=all", "data.classes=[shirt,bag]"];
    succeed(path, &[&["pretrain", "tiny.toml", "--out", "run", "--steps", "3"], &data[..]].concat());
    let config = fs::read_to_string(path.join("run/config.toml")).expect("a recipe");
    assert!(config.contains("classes = [\"shirt\", \"bag\"]"), "{config}");
    let other = run(path, &["resume", "run", "data.classes=[shirt,coat]"]);
    assert_eq!(other.status.code(), Some(2));
    let text = stderr(&other);
    assert!(text.contains("data.classes: [\"shirt\", \"bag\"] -> [\"shirt\", \"coat\"]"), "{text}");
    // Another image of the two classes is noticed, one of the others isn't.
    let [from, to] = ["all/train/coat/00.png", "all/train/t-shirt/new.png"].map(|name| path.join(name));
    fs::copy(&from, to).expect("copied");
    let unfinished = || fs::remove_file(path.join("run/summary.json")).expect("removed");
    unfinished();
    succeed(path, &["resume", "run"]);
    unfinished();
    fs::copy(&from, path.join("all/train/bag/new.png")).expect("copied");
    let text = stderr(&run(path, &["resume", "run"]));
    assert!(text.contains("--accept-data"), "{text}");

    // All the classes again, some others, and those of another set.
    let eval = |args: &[&str]| json(path, &[&["eval", "run", "--json", "--no-baseline"], args].concat());
    let classes = |of: &Value| of["eval"]["pretrained"]["knn"]["test"]["classes"].clone();
    assert_eq!(classes(&eval(&["--head", "knn"])), 2);
    assert_eq!(classes(&eval(&["--head", "knn", "data.classes=[]"])), 4);
    assert_eq!(classes(&eval(&["--head", "knn", "data.classes=[coat,bag,shirt]"])), 3);
    assert_eq!(classes(&eval(&["--head", "knn", "--data", "fashion-mnist", "--test-images", "100"])), 10);
    // What stands in for data without label maps has classes of its own.
    succeed(path, &["eval", "run", "--head", "segment", "--dry-run", "train.batch=4"]);
    for (args, parts) in [
        (&["--head", "knn", "data.classes=[coats]"][..], &["`data.classes`", "did you mean `coat`?"][..]),
        (&["--head", "knn", "data.classes=[coat]"], &["images of two classes, not 24 images of 1 class"]),
        (&["--head", "finetune", "data.classes=[coat]", "train.batch=8"], &["two classes, not 24 images"]),
        (
            &["--head", "segment", "--data", "scenes", "data.classes=[bag]", "train.batch=4"],
            &["`data.classes`: classes can't be chosen of data with label maps"],
        ),
    ] {
        let output = run(path, &[&["eval", "run"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let text = stderr(&output);
        parts.iter().for_each(|part| assert!(text.contains(part), "`{part}` is not in: {text}"));
    }
    let args = ["data", "show", "run/config.toml", "--images", "6", "--out", "sheet.png"];
    let said = stderr(&succeed(path, &args));
    assert!(said.contains("row 6: ") && !said.contains("coat") && !said.contains("t-shirt"), "{said}");
}
