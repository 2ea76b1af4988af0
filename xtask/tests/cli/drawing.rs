//! Limits on evaluation images, on a folder that is sorted by class, as ImageNet is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use palimpsest_tests::python;
use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::driver::{folder, succeed};

const CLASSES: usize = 100;
const OF_EACH: [(&str, usize); 2] = [("train", 30), ("test", 4)];

/// Grey images of 16 x 16: waves whose direction and length are the class's, with an image's own phase and noise.
fn sorted(root: &Path) {
    for (part, count) in OF_EACH {
        for class in 0..CLASSES {
            let at = root.join(format!("sorted/{part}/class-{class:03}"));
            fs::create_dir_all(&at).expect("a folder");
            for i in 0..count {
                let (angle, wave) = (0.03 * class as f64, 0.4 + 0.15 * (class % 7) as f64);
                let own = (i * 37 + class * 11 + if part == "test" { 5 } else { 0 }) as f64;
                let pixel = |x: usize, y: usize| {
                    let along = x as f64 * angle.cos() + y as f64 * angle.sin();
                    let noise = ((x * 13 + y * 7) as f64 * 1.7 + own * 0.9).sin();
                    (128.0 + 80.0 * (wave * along + 0.2 * own).sin() + 40.0 * noise) as u8
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

const SHORT: [&str; 3] = ["train.steps=2", "train.batch=16", "augment.rand_augment=0"];

fn json(folder: &Path, args: &[&str]) -> Value {
    let output = succeed(folder, args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

/// (label, index) of a part's images, and how many there are of each class.
fn drawn(file: &Path, part: &str) -> (BTreeSet<(i64, i64)>, BTreeMap<i64, usize>) {
    let bytes = fs::read(file).expect("features");
    let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let numbers = |name: &str| -> Vec<i64> {
        let view = tensors.tensor(&format!("{part}.{name}")).expect("is there");
        view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes"))).collect()
    };
    let (labels, indices) = (numbers("labels"), numbers("indices"));
    let mut counts = BTreeMap::new();
    labels.iter().for_each(|&label| *counts.entry(label).or_default() += 1);
    let all: BTreeSet<(i64, i64)> = labels.iter().copied().zip(indices).collect();
    assert_eq!(all.len(), labels.len(), "no image twice");
    (all, counts)
}

#[test]
#[expect(clippy::print_stdout, reason = "why a check was skipped")]
fn limited_heads_see_every_class() {
    let folder = folder();
    let path = folder.path();
    sorted(path);
    let data = ["data.name=folder", "data.path=sorted", "eval.train_images=500", "eval.test_images=200"];
    let train = ["pretrain", "tiny.toml", "--out", "run", "--steps", "2", "--json", "eval.heads=[\"knn\"]"];
    let trained = json(path, &[&train[..], &data].concat());
    let sizes = |of: &Value, images: [usize; 2]| {
        for ((part, of_each), images) in OF_EACH.into_iter().zip(images) {
            let all = CLASSES * of_each;
            let size = |class: usize| of[part]["by_class"][class]["images"].as_u64().unwrap_or_default();
            let class = |class: usize| json!({ "class": format!("class-{class:03}"), "images": size(class) });
            let by_class: Vec<Value> = (0..CLASSES).map(class).collect();
            let mut want = json!({ "images": images, "classes": CLASSES, "of": all, "by_class": by_class });
            if images < all {
                want["not_drawn"] = json!(all - images);
            }
            assert_eq!(of[part], want);
            let (least, most) = ((0..CLASSES).map(size).min(), (0..CLASSES).map(size).max());
            assert_eq!((0..CLASSES).map(size).sum::<u64>(), images as u64);
            assert!(most <= least.map(|least| least + 1), "as many of each: {of}");
        }
    };
    let during = &trained["eval"]["pretrained"]["knn"];
    sizes(during, [500, 200]);

    // The recipe's limits, for heads of both kinds; the figure of k-NN is that of the run.
    let eval = |args: &[&str]| json(path, &[&["eval", "run", "--json"], args].concat());
    let told = eval(&["--head", "knn,linear", "--out", "heads"]);
    for head in ["knn", "linear"] {
        sizes(&told["eval"]["pretrained"][head], [500, 200]);
        sizes(&told["eval"]["random"][head], [500, 200]);
    }
    assert_eq!(told["eval"]["pretrained"]["knn"]["accuracy"], during["accuracy"]);
    let fitted = eval(&[&["--head", "finetune", "--out", "heads"], &SHORT[..]].concat());
    sizes(&fitted["eval"]["pretrained"]["finetune"], [500, 200]);
    let saved = |head: &str| {
        let file = path.join(format!("heads/{head}-folder/pretrained-seed0/scores.json"));
        serde_json::from_str::<Value>(&fs::read_to_string(file).expect("scores")).expect("JSON")
    };
    ["knn", "linear", "finetune"].iter().for_each(|head| sizes(&saved(head), [500, 200]));
    let features = path.join("heads/knn-folder/pretrained-seed0/features.safetensors");
    for (part, of_class) in [("train", 5), ("test", 2)] {
        let (_, counts) = drawn(&features, part);
        assert_eq!(counts.len(), CLASSES, "{part}: every class is seen");
        assert!(counts.values().all(|&count| count == of_class), "{part}: {counts:?}");
    }

    // Arguments come before the recipe; another seed draws others; 0 takes all.
    let other = eval(&["--head", "knn", "--train-images", "250", "--test-images", "0"]);
    sizes(&other["eval"]["pretrained"]["knn"], [250, 400]);
    let limited = ["--train-images", "130", "--seeds", "0,1", "--no-baseline", "--out", "limited"];
    let trained = eval(&[&["--head", "finetune"], &limited[..], &SHORT].concat());
    sizes(&trained["eval"]["pretrained"]["finetune"], [130, 200]);
    eval(&[&["--head", "knn"], &limited[..]].concat());
    let of_seed = |seed: &str| {
        let (images, counts) = drawn(
            &path.join(format!("limited/knn-folder/pretrained-seed{seed}/features.safetensors")),
            "train",
        );
        assert!(counts.len() == CLASSES && counts.values().all(|count| (1..=2).contains(count)));
        images
    };
    assert_ne!(of_seed("0"), of_seed("1"));
    let table = succeed(path, &["eval", "run", "--head", "knn"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(
        table.contains("500 of 3000 images of 100 classes") && table.contains("200 of 400 images of 100"),
        "{table}"
    );

    if let Err(reason) = python::available("sklearn, safetensors, numpy") {
        println!("skipped: {reason}");
        return;
    }
    let theirs = python::run("knn_sklearn.py", &[&features]);
    let accuracy = |value: &Value| value["accuracy"].as_f64().expect("a figure");
    let (ours, theirs) = (accuracy(during), accuracy(&theirs));
    // f32 here and f64 there: at most one of the 200 images may fall to the other side of a tie.
    assert!((ours - theirs).abs() < 1.5 / 200.0, "{ours} here, {theirs} by scikit-learn");
}

/// A reader's own keys reach pre-training and heads that are trained with the encoder, by the run's folder.
#[test]
fn the_keys_of_a_reader_are_kept_with_the_run() {
    let folder = folder();
    let path = folder.path();
    let data = ["data.name=scenes", "data.reader.count=[40,8]", "data.image_size=32"];
    succeed(path, &[&["pretrain", "tiny.toml", "--out", "run", "--steps", "2"], &data[..]].concat());
    let eval = |more: &[&str]| {
        let args = ["eval", "run", "--head", "segment", "--dry-run", "--json", "train.batch=4"];
        json(path, &[&args, more].concat())["plan"]["scenes"]["plan"]["segment"]["images"].clone()
    };
    assert_eq!(eval(&[]), json!([40, 8]));
    assert_eq!(eval(&["data.reader.count=[20,4]"]), json!([20, 4]));
    assert_eq!(eval(&["--train-images", "12"]), json!([12, 8]));
}
