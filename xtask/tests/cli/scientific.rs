//! Images of five channels and 16 bits, from their files to a model that is exported and read again.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::driver::{folder, run, stderr, succeed};

const SIDE: usize = 16;
const BANDS: usize = 5;

/// [height, width, bands] samples of an image: stripes whose width is the class's.
fn samples(class: usize, image: usize) -> Vec<u16> {
    let value = |y: usize, x: usize, band: usize| {
        let phase = (x * (class + 1) + y + 3 * image) as f64 * 0.7;
        let noise = ((x * 31 + y * 17 + band * 7 + image * 13) % 101) as f64;
        (30_000.0 + 20_000.0 * (phase + band as f64).sin() + 20.0 * noise) as u16
    };
    let rows = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x)));
    rows.flat_map(|(y, x)| (0..BANDS).map(move |band| value(y, x, band))).collect()
}

/// One strip, not compressed, the bands of a pixel together.
fn tiff(samples: &[u16]) -> Vec<u8> {
    let size = 2 * samples.len() as u32;
    let directory = 8 + size;
    // The bits of each band stand behind the directory.
    let bits_at = directory + 2 + 12 * 10 + 4;
    let entries: [(u16, u16, u32, u32); 10] = [
        (256, 3, 1, SIDE as u32),
        (257, 3, 1, SIDE as u32),
        (258, 3, BANDS as u32, bits_at),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, BANDS as u32),
        (278, 3, 1, SIDE as u32),
        (279, 4, 1, size),
        (339, 3, 1, 1),
    ];
    let mut bytes = [b"II*\0".to_vec(), directory.to_le_bytes().to_vec()].concat();
    samples.iter().for_each(|sample| bytes.extend(sample.to_le_bytes()));
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    (0..BANDS).for_each(|_| bytes.extend(16u16.to_le_bytes()));
    bytes
}

/// [bands, height, width], as `numpy.save` writes it.
fn npy(samples: &[u16]) -> Vec<u8> {
    let header = format!("{{'descr': '<u2', 'fortran_order': False, 'shape': ({BANDS}, {SIDE}, {SIDE}), }}");
    let header = format!("{header:<117}\n");
    let mut bytes = [b"\x93NUMPY\x01\0".to_vec(), (header.len() as u16).to_le_bytes().to_vec()].concat();
    bytes.extend(header.as_bytes());
    for band in 0..BANDS {
        samples.iter().skip(band).step_by(BANDS).for_each(|sample| bytes.extend(sample.to_le_bytes()));
    }
    bytes
}

fn write(root: &Path, ending: &str, file: fn(&[u16]) -> Vec<u8>) {
    for class in 0..2 {
        let at = root.join(format!("{ending}/class-{class}"));
        fs::create_dir_all(&at).expect("a folder");
        for image in 0..40 {
            fs::write(at.join(format!("{image:02}")).with_extension("tif"), file(&samples(class, image)))
                .expect("written");
        }
    }
}

/// Each row of metrics without what tells the time.
fn losses(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.filter_map(|row| row["loss"].as_f64().map(|_| row["loss"].clone())).collect()
}

#[test]
fn five_bands_of_16_bits() {
    let folder = folder();
    let path = folder.path();
    // By content: both are called the same, so that the same images are held out.
    write(path, "tiff", tiff);
    write(path, "npy", npy);
    for kind in ["tiff", "npy"] {
        let data = format!("data.path={kind}");
        let out = format!("run-{kind}");
        let args = [
            "pretrain",
            "tiny.toml",
            "--out",
            &out,
            "--steps",
            "5",
            "data.name=folder",
            &data,
            "data.channels=5",
            "data.mean=[0.5]",
            "data.std=[0.25]",
            "data.shown=[4,2,0]",
            "eval.heads=[\"knn\"]",
            "train.log_every=1",
        ];
        succeed(path, &args);
        assert!(path.join(&out).join("samples").read_dir().expect("samples").count() > 0);
    }
    let (tiff, npy) = (losses(&path.join("run-tiff")), losses(&path.join("run-npy")));
    assert!(tiff.len() >= 5, "{tiff:?}");
    assert_eq!(tiff, npy);
    let knn = |run: &str| {
        let scores = succeed(path, &["eval", run, "--head", "knn", "--json"]).stdout;
        let text = String::from_utf8(scores).expect("text");
        let told: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
        told["eval"]["pretrained"]["knn"]["accuracy"].as_f64().expect("an accuracy")
    };
    assert_eq!(knn("run-tiff"), knn("run-npy"));

    // Out and in again: the same features, so the same figure.
    succeed(path, &["export", "run-tiff", "--format", "timm", "--out", "timm"]);
    let config = fs::read_to_string(path.join("timm/config.json")).expect("a config");
    let config: Value = serde_json::from_str(&config).expect("JSON");
    let (arguments, shown) = (&config["model_args"], &config["pretrained_cfg"]);
    assert_eq!((&arguments["in_chans"], &shown["input_size"][0]), (&Value::from(5), &Value::from(5)));
    assert_eq!(shown["mean"].as_array().map(Vec::len), Some(5));
    let again = [
        "pretrain",
        "tiny.toml",
        "--out",
        "again",
        "--steps",
        "1",
        "optimizer.lr=0.0",
        "data.name=folder",
        "data.path=npy",
        "data.channels=5",
        "data.mean=[0.5]",
        "data.std=[0.25]",
        "eval.heads=[\"knn\"]",
        "init_from=timm",
    ];
    succeed(path, &again);
    assert_eq!(knn("again"), knn("run-tiff"));

    // A file with other channels, and a head that changes 8-bit images.
    let wrong = run(
        path,
        &["pretrain", "tiny.toml", "--steps", "1", "--out", "x", "data.name=folder", "data.path=tiff"],
    );
    assert!(stderr(&wrong).contains("has 5 channels"), "{}", stderr(&wrong));
    let eval = |more: &[&str]| {
        run(
            path,
            &[&["eval", "run-tiff", "--head", "finetune", "train.steps=2", "train.batch=8"], more].concat(),
        )
    };
    let refused = eval(&["augment.rand_augment=9"]);
    assert_eq!(refused.status.code(), Some(2));
    let told = stderr(&refused);
    assert!(told.contains("RandAugment") && told.contains("augment.rand_augment=0"), "{told}");
    let trained = eval(&["augment.rand_augment=0", "augment.mixup=0.8", "augment.erasing=0.25"]);
    assert!(trained.status.success(), "{}", stderr(&trained));
}
