//! What data are like, and data packed into shards, as a user asks for it: killed at random moments too.
//!
//! `PALIMPSEST_PACK_KILLS` is the number of kills, `PALIMPSEST_KILLS_SEED` what their moments follow from.
#![allow(clippy::print_stdout, reason = "tells how many were killed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use palimpsest_core::random::{Philox, Stream};
use serde_json::Value;

use crate::driver::{command, folder, run, stderr, succeed};

const KILLS: u64 = 10;

fn json(output: &std::process::Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

/// Every file of a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(files) = fs::read_dir(folder) else { return BTreeMap::new() };
    files
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            (
                path.file_name().expect("a name").to_string_lossy().into_owned(),
                fs::read(&path).expect("a file"),
            )
        })
        .collect()
}

#[test]
fn statistics_of_the_embedded_sample() {
    let folder = folder();
    let text = String::from_utf8(succeed(folder.path(), &["data", "stats"]).stdout).expect("text");
    assert!(
        text.contains("10 classes, 800 images each") && text.contains("10 classes, 200 images each"),
        "{text}"
    );
    assert!(text.contains("data.channels = 1") && text.contains("data.image_size = 28"), "{text}");
    assert!(text.contains("stored values") && text.contains("0…255"), "{text}");
    let page = fs::read_to_string(folder.path().join("data-stats.html")).expect("the page");
    assert!(page.contains("in their own units: train: 0…255; test: 0…255"));
    assert!(page.contains("train: images of each class") && page.contains("ankle boot"));
    let some = ["data", "stats", "--limit", "100", "--split", "test", "--json", "--out", "pages/some.html"];
    let found = json(&succeed(folder.path(), &some));
    assert_eq!((&found["parts"][0]["images"], &found["parts"][0]["of"]), (&100.into(), &2000.into()));
    // Pixels are normalised by what training images have.
    assert_eq!(found["recipe"], serde_json::json!({}));
    assert!(folder.path().join("pages/some.html").exists());
    let some = ["data", "stats", "--limit", "100", "--split", "train", "--json"];
    let found = json(&succeed(folder.path(), &some));
    assert_eq!(found["parts"][0]["stored_values"], serde_json::json!({ "min": 0.0, "max": 255.0 }));
    // Fashion-MNIST's own are 0.2860 and 0.3530.
    let mean = found["recipe"]["data.mean"][0].as_f64().expect("a mean");
    assert!((mean - 0.286).abs() < 0.03, "{mean}");
}

#[test]
fn packed_data_train_as_the_data_do() {
    let folder = folder();
    let pack = ["data", "pack", "--format", "webdataset", "--out", "shards", "--size", "1MB"];
    let told = json(&succeed(folder.path(), &[&pack[..], &["--dry-run", "--json"]].concat()));
    assert!(!folder.path().join("shards").exists());
    let text = String::from_utf8(succeed(folder.path(), &pack).stdout).expect("text");
    assert!(
        text.contains("10000 images") && text.contains("data.name=webdataset data.path=shards"),
        "{text}"
    );
    let done = json(&succeed(folder.path(), &[&pack[..], &["--json"]].concat()));
    let [wanted, bytes] = [&told["bytes"], &done["bytes"]].map(|bytes| bytes.as_f64().expect("bytes"));
    assert!((wanted / bytes - 1.0).abs() < 0.05, "{wanted} were told, {bytes} written");
    assert_eq!(done["kept"], done["shards"].as_array().expect("shards").len());
    let train = |out: &str, more: &[&str]| {
        let args = [&["pretrain", "tiny.toml", "--steps", "3", "--out", out][..], more].concat();
        succeed(folder.path(), &args);
        let text = fs::read_to_string(folder.path().join(out).join("metrics.jsonl")).expect("metrics");
        let loss = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["loss"].clone();
        text.lines().map(loss).collect::<Vec<_>>()
    };
    let shards = train("packed", &["data.name=webdataset", "data.path=shards"]);
    assert_eq!(shards, train("embedded", &[]));
}

/// The table comes first, then the error: a script doesn't go on.
#[test]
fn statistics_of_broken_images_alone_are_an_error() {
    let folder = folder();
    for part in ["train", "test"] {
        fs::create_dir_all(folder.path().join("images").join(part)).expect("a folder");
        fs::write(folder.path().join("images").join(part).join("a.png"), b"no image").expect("written");
    }
    let output = run(folder.path(), &["data", "stats", "data.name=folder", "data.path=images"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("broken: ") && text.contains("a.png"), "{text}");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no image of the train part can be read"), "{}", stderr(&output));
}

/// The last line is what a command is given to read label sets and numbers back; of few images all may be of one part.
#[test]
fn packed_targets_are_found_by_the_keys_that_are_told() {
    let folder = folder();
    succeed(folder.path(), &["data", "show", "--images", "1", "--out", "a.png"]);
    fs::copy(folder.path().join("a.png"), folder.path().join("b.png")).expect("copied");
    let list = "path,tags,age,the weight\na.png,x|y,1,2\nb.png,,,\n";
    fs::write(folder.path().join("list.csv"), list).expect("written");
    let keys = ["data.reader.label_list_column=tags", "data.reader.value_columns=[\"age\", \"the weight\"]"];
    let own = ["data", "pack", "data.name=csv", "data.path=list.csv", "data.holdout=0"];
    for (format, wanted) in [
        (
            "webdataset",
            "data.reader.label_list=json:labels 'data.reader.labels=[\"x\",\"y\"]' \
             'data.reader.values=[\"json:age\",\"json:the weight\"]'",
        ),
        (
            "parquet",
            "data.reader.label_list_column=labels 'data.reader.value_columns=[\"age\",\"the weight\"]'",
        ),
    ] {
        let more = ["--format", format, "--out", format];
        let text = String::from_utf8(succeed(folder.path(), &[&own[..], &keys, &more].concat()).stdout);
        let text = text.expect("text");
        assert_eq!(
            text.lines().last(),
            Some(format!("data.name={format} data.path={format} {wanted}").as_str())
        );
    }
}

#[test]
fn mistakes_are_told() {
    let folder = folder();
    for (args, wanted) in [
        (&["data", "pack", "--format", "zip", "--out", "x"][..], "unknown format `zip`"),
        (
            &["data", "pack", "--format", "webdataset", "--out", "x", "--size", "none"],
            "as 1GB, 500MB or 1GiB",
        ),
        (&["data", "stats", "data.name=folder", "data.path=missing"], "missing"),
        (&["data", "stats", "--split", "val"], "`val` is no part of its own"),
    ] {
        let output = run(folder.path(), args);
        assert!(
            !output.status.success() && stderr(&output).contains(wanted),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_killed_packing_ends_with_the_same_bytes() {
    let folder = folder();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("PALIMPSEST_PACK_KILLS").unwrap_or(KILLS);
    let mut random = Philox::new(number("PALIMPSEST_KILLS_SEED").unwrap_or(0), Stream::Test, 0, 0);
    let args =
        |out| ["data", "pack", "--format", "webdataset", "--size", "300KB", "--shuffle", "1", "--out", out];
    let started = Instant::now();
    succeed(folder.path(), &args("whole"));
    let undisturbed = started.elapsed();
    let whole = contents(&folder.path().join("whole"));
    let (mut killed, mut most) = (0, 0);
    for _ in 0..kills {
        let mut command = command(folder.path(), &args("torn"));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        std::thread::sleep(Duration::from_millis(
            random.below(undisturbed.as_millis().max(1) as usize) as u64 / 4,
        ));
        killed += usize::from(child.try_wait().expect("asked").is_none());
        // SIGKILL.
        let _ = child.kill();
        child.wait().expect("ended");
        let torn = contents(&folder.path().join("torn"));
        for (name, bytes) in torn.iter().filter(|(name, _)| name.ends_with(".tar")) {
            assert!(whole.get(name) == Some(bytes), "{name} has its name and is not whole");
        }
        most = most.max(torn.len());
    }
    succeed(folder.path(), &args("torn"));
    let torn = contents(&folder.path().join("torn"));
    assert_eq!(torn.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    assert!(torn == whole);
    println!(
        "{killed} of {kills} were killed on their way to {} shards, the last with {most} files",
        whole.len()
    );
}
