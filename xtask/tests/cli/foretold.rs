//! What recipe and data can tell is told before training, and by a dry run; a score says what it stands on.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::driver::{folder, run, stderr, succeed};

/// Images of two classes, train/ and valid/, of which `cut` of the class b's in valid/ are cut in the middle.
fn photos(root: &Path, cut: usize) {
    for (part, count) in [("train", 20), ("valid", 8)] {
        for (k, class) in ["a", "b"].iter().enumerate() {
            let at = root.join(format!("photos/{part}/{class}"));
            fs::create_dir_all(&at).expect("a folder");
            for i in 0..count {
                let mut bytes = vec![];
                let mut encoder = png::Encoder::new(&mut bytes, 16, 16);
                encoder.set_color(png::ColorType::Grayscale);
                let pixels: Vec<u8> = (0..256).map(|p| (p * (3 + 5 * k) + 11 * i) as u8).collect();
                encoder.write_header().and_then(|mut w| w.write_image_data(&pixels)).expect("an image");
                let left = if part == "valid" && k == 1 && i < cut { bytes.len() / 2 } else { bytes.len() };
                fs::write(at.join(format!("{i}.png")), &bytes[..left]).expect("written");
            }
        }
    }
}

const PHOTOS: [&str; 2] = ["data.name=folder", "data.path=photos"];

fn pretrain<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["pretrain", "tiny.toml"], &PHOTOS[..], more].concat()
}

#[test]
fn a_dry_run_opens_images_and_says_what_heads_would_stand_on() {
    let folder = folder();
    photos(folder.path(), 0);
    let text = stderr(&succeed(folder.path(), &pretrain(&["eval.heads=[\"knn\"]", "--dry-run"])));
    for part in [
        "data `folder` at photos: trained on train (40 images), measured on valid (16 images); 2 classes: a, b",
        "% of the tokens are masked",
        "fitted on 40 images of 2 classes and scored on 16 images of 2 classes",
        "opened a batch of 16 images, 0 of them broken",
    ] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
    // Each is refused before a folder is made.
    for (change, part) in [
        ("corruption.ratio=0", "nothing to restore"),
        ("eval.blocks=9", "there are 3 blocks, not 9"),
        ("eval.features=\"grid:3\"", "eval.features"),
        ("eval.train_images=1", "two classes"),
    ] {
        let mut args = pretrain(&["eval.heads=[\"knn\"]", change, "--out", "out"]);
        if change.starts_with("corruption") {
            args.push("noise=false");
        }
        let output = run(folder.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{change}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{change}: {}", stderr(&output));
        assert!(!folder.path().join("out").exists(), "{change}");
    }
}

#[test]
fn data_without_classes_skip_a_recipes_heads_and_refuse_those_asked_for() {
    let folder = folder();
    photos(folder.path(), 0);
    for part in ["train", "valid"] {
        for i in 0..8 {
            let [from, to] =
                ["a/", ""].map(|class| folder.path().join(format!("photos/{part}/{class}{i}.png")));
            fs::rename(from, to).expect("moved");
        }
        fs::remove_dir_all(folder.path().join(format!("photos/{part}/a"))).expect("removed");
        fs::remove_dir_all(folder.path().join(format!("photos/{part}/b"))).expect("removed");
    }
    let args = pretrain(&["eval.heads=[\"knn\"]", "train.batch=4", "--steps", "2", "--out", "out"]);
    let text = stderr(&succeed(folder.path(), &args));
    assert!(text.contains("0 classes: eval.heads (knn) are skipped"), "{text}");
    for head in ["knn", "linear", "finetune"] {
        let output = run(folder.path(), &["eval", "out", "--head", head, "--no-baseline", "--dry-run"]);
        assert_eq!(output.status.code(), Some(2), "{head}: {}", stderr(&output));
        assert!(stderr(&output).contains("8 without a class"), "{head}: {}", stderr(&output));
    }
}

#[test]
fn broken_images_are_counted_wherever_a_head_is_scored() {
    let folder = folder();
    let path = folder.path();
    photos(path, 5);
    let args = pretrain(&["eval.heads=[\"knn\"]", "--steps", "2", "--out", "out"]);
    let first = succeed(path, &args);
    let scored = "scored on 11 of 16 images of 2 classes (5 broken: 5 of b)";
    assert!(String::from_utf8_lossy(&first.stdout).contains(scored));
    assert!(stderr(&first).contains("photos/valid/b/4.png"), "{}", stderr(&first));
    let report = fs::read_to_string(path.join("out/report.html")).expect("a report");
    assert!(report.contains("11 of 16 images of 2 classes (5 broken: 5 of b)"), "the report says it");
    let size = json!({
        "images": 11, "classes": 2, "of": 16, "broken": 5,
        "by_class": [{"class": "a", "images": 8}, {"class": "b", "images": 3, "broken": 5}],
    });
    for head in ["knn", "finetune"] {
        let short: &[&str] = if head == "finetune" {
            &["train.steps=2", "train.batch=8", "augment.rand_augment=0"]
        } else {
            &[]
        };
        let args =
            [&["eval", "out", "--head", head, "--no-baseline", "--json", "--out", "scores"], short].concat();
        let output = succeed(path, &args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
        assert_eq!(line["eval"]["pretrained"][head]["test"], size, "{head}");
        let file = path.join(format!("scores/{head}-folder/pretrained-seed0/scores.json"));
        let stored: Value = serde_json::from_slice(&fs::read(file).expect("scores")).expect("JSON");
        assert_eq!(stored["test"], size, "{head}");
    }
    // The limit's key can be given to `eval`, as the message says.
    let few = ["eval", "out", "--head", "knn", "--no-baseline", "data.bad_files=4"];
    let text = stderr(&run(path, &few));
    assert!(text.contains("5 of 16 files are broken, more than data.bad_files = 4"), "{text}");
}

#[test]
fn a_sheet_shows_boxes_masks_and_the_names_of_classes() {
    let folder = folder();
    let args = [
        "data",
        "show",
        "tiny.toml",
        "data.name=scenes",
        "data.channels=3",
        "data.image_size=32",
        "data.reader.count=[40,4]",
        "--images",
        "2",
        "--out",
        "sheet.png",
    ];
    let output = succeed(folder.path(), &args);
    for name in ["sheet.png", "sheet-objects.png", "sheet-label-maps.png"] {
        assert!(fs::metadata(folder.path().join(name)).is_ok_and(|file| file.len() > 1000), "{name}");
    }
    assert!(stderr(&output).contains("background, t-shirt/top"), "{}", stderr(&output));
    photos(folder.path(), 0);
    let args = [&["data", "show", "tiny.toml"], &PHOTOS[..], &["--images", "2"]].concat();
    let text = stderr(&succeed(folder.path(), &args));
    assert!(text.contains("row 1: ") && text.contains("row 2: "), "{text}");
}
