//! What the tests of shards share: those that Python's packages wrote, with what these read from them.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::path::{Path, PathBuf};
use std::process::Command;

use palimpsest_core::data::{Batch, BatchSource, Dataset, Samples};
use palimpsest_datasets::decode::decode;
use palimpsest_datasets::{
    Augment, DecodeOptions, IMAGENET_MEAN, IMAGENET_STD, Images, Loader, LoaderOptions, Transform,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::files::fixture;

/// Folders of shards of a kind: the committed one, and one that was written just now where the packages are there.
pub(crate) fn folders(kind: &str, module: &str) -> Vec<TempDir> {
    written(kind, &["make.py", kind], module)
}

/// The same of another script, with its arguments before the folder.
pub(crate) fn written(kind: &str, script: &[&str], module: &str) -> Vec<TempDir> {
    let golden = tempfile::tempdir().expect("a folder");
    copy(&fixture("shards").join(kind), golden.path());
    let probe = Command::new("python3").args(["-c", &format!("import {module}")]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("passed over: python3 can't import {module}");
        return vec![golden];
    }
    let fresh = tempfile::tempdir().expect("a folder");
    let output = Command::new("python3")
        .arg(fixture("shards").join(script[0]))
        .args(&script[1..])
        .arg(fresh.path())
        .output()
        .expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    vec![golden, fresh]
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.expect("an entry");
        let path = to.join(entry.path().strip_prefix(from).expect("below"));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(path).expect("a folder");
        } else {
            std::fs::copy(entry.path(), path).expect("copied");
        }
    }
}

pub(crate) fn expected<T: serde::de::DeserializeOwned>(folder: &Path) -> T {
    let text = std::fs::read(folder.join("expected.json")).expect("expected.json");
    serde_json::from_slice(&text).expect("JSON")
}

/// The sample has the pixels of `expected`: to the bit what Pillow decodes, or, of JPEG, what a file of these bytes has.
#[track_caller]
pub(crate) fn assert_pixels(data: &dyn Dataset, index: usize, expected: &Value) {
    let image = data.load(index).expect("loaded");
    let bytes = from_base64(expected["bytes"].as_str().expect("bytes"));
    assert_eq!(image, decode(&bytes, DecodeOptions::default()).expect("decoded"), "{}", data.location(index));
    if let Some(pixels) = expected["pixels"].as_str() {
        assert_eq!(image.pixels, Samples::U8(from_base64(pixels)), "{}", data.location(index));
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits = text.trim_end_matches('=').bytes().map(|c| u32::from(value(c)));
    let bits: Vec<u32> = bits.collect();
    let mut bytes = Vec::new();
    for four in bits.chunks(4) {
        let word = four.iter().enumerate().fold(0, |word, (i, bits)| word | bits << (18 - 6 * i));
        bytes.extend(&word.to_be_bytes()[1..four.len()]);
    }
    bytes
}

/// The first batches of pre-training.
pub(crate) fn batches(dataset: std::sync::Arc<dyn Dataset>, steps: usize) -> Vec<Batch> {
    let transform = Transform::new(8, 3, Augment::random_resized(0.2), &IMAGENET_MEAN, &IMAGENET_STD);
    let images = Images { dataset, transform: transform.expect("is sound") };
    let options = LoaderOptions { batch: 7, workers: 2, seed: 3, ..LoaderOptions::default() };
    let mut loader = Loader::over(images, &options).expect("is sound");
    (0..steps).map(|_| loader.next_batch().expect("a batch")).collect()
}

/// A folder of 40 images in three classes, and the path of each in it.
pub(crate) fn loose_images(root: &Path) -> Vec<(String, PathBuf)> {
    let mut files: Vec<(String, PathBuf)> = (0..40)
        .map(|i| {
            let name = format!("{}/{i:03}.jpg", ["cat", "dog", "dog-small"][i as usize % 3]);
            let path = crate::files::put(root, &name, crate::files::jpeg(20 + i % 5, 16, i));
            (name, path)
        })
        .collect();
    // As a folder is walked.
    files.sort_by_key(|(name, _)| name.replace('/', "\0"));
    files
}
