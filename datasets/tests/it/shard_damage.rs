//! Shards that aren't what they were: compressed, truncated, changed. Helps are followed as they stand.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use palimpsest_core::data::{Dataset, Split};
use palimpsest_core::{Error, Result};
use palimpsest_datasets::pack::{PackFormat, PackOptions, PackPart, pack};
use palimpsest_datasets::{DataSpec, open, open_with_notes};
use tempfile::tempdir;

use crate::files::{assert_error, png, put};

fn spec(path: impl AsRef<Path>, keys: &str) -> DataSpec {
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at("webdataset", path.as_ref()) };
    spec.with_keys(keys).expect("keys")
}

/// Twelve images in several shards, with the packer's list.
fn packed(root: &Path, format: PackFormat) {
    for i in 0..12 {
        put(root, &format!("images/train/{}/{i:02}.png", ["cat", "dog"][i % 2]), png(16, 16, i as u32));
    }
    for i in 0..4 {
        put(root, &format!("images/test/{}/{i:02}.png", ["cat", "dog"][i % 2]), png(16, 16, 50 + i as u32));
    }
    let options = PackOptions { format, shard_size: 17_000, resize: None, shuffle: None, bad_files: 0 };
    let part = |split| {
        PackPart::of(split, open(&DataSpec::at("folder", root.join("images")), split).expect("a folder"))
    };
    pack(&[Split::Train, Split::Test].map(part), &root.join("w"), &options, &|_| ()).expect("packed");
}

/// Runs a command as a user would copy it; false where its program isn't there.
fn shell(line: &str) -> bool {
    let output = Command::new("sh").args(["-c", line]).output().expect("a shell");
    if output.status.code() == Some(127) {
        return false;
    }
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    true
}

fn refusal(result: Result<std::sync::Arc<dyn Dataset>>) -> Error {
    result.map(drop).expect_err("it is refused")
}

/// The command after `start` in the help.
fn offered(error: &Error, start: &str) -> String {
    let help = error.help_text().expect("a help");
    let command = help.split_once(start).unwrap_or_else(|| panic!("{start} in {help}")).1;
    command.split("; then ").next().expect("a command").split("; what is").next().expect("one").to_owned()
}

fn notes(path: &Path, keys: &str) -> String {
    let both = [Split::Train, Split::Test];
    let of = |split| open_with_notes(&spec(path, keys), split).expect("opened").notes.join("\n");
    both.map(of).join("\n")
}

#[test]
fn one_command_unpacks_all_compressed_shards() {
    let root = tempdir().expect("a folder");
    packed(root.path(), PackFormat::WebDataset);
    // A folder whose name a shell would cut in two.
    let folder = root.path().join("w 3");
    fs::rename(root.path().join("w"), &folder).expect("renamed");
    let count = |split| open(&spec(&folder, ""), split).expect("opened").len();
    let want = [Split::Train, Split::Test].map(count);
    let quoted = format!("'{}'", folder.display());
    if !shell(&format!("gzip {quoted}/*.tar")) {
        return;
    }
    let error = refusal(open(&spec(&folder, ""), Split::Train));
    assert!(error.to_string().contains("shards are compressed"), "{error}");
    assert!(shell(&offered(&error, "compressed: ")));
    assert_eq!([Split::Train, Split::Test].map(count), want);
    // Some of one part alone: what is left would be another set.
    assert!(shell(&format!("gzip {quoted}/train-000000.tar {quoted}/train-000002.tar")));
    for split in [Split::Train, Split::Test] {
        assert_error(open(&spec(&folder, ""), split), &["2 of", "train-000000.tar.gz", "gzip -d"]);
    }
    let pattern = folder.join("train-{000000..000002}.tar");
    let error = refusal(open(&spec(&pattern, ""), Split::Train));
    assert!(error.to_string().contains("2 of 3 shards are compressed"), "{error}");
    assert!(shell(&offered(&error, "compressed: ")));
    assert!(open(&spec(&pattern, ""), Split::Train).is_ok());
    // Named as they are, they are named otherwise then.
    assert!(shell(&format!("gzip {quoted}/*.tar")));
    let pattern = folder.join("train-{000000..000002}.tar.gz");
    let error = refusal(open(&spec(&pattern, ""), Split::Train));
    let then =
        error.help_text().and_then(|help| help.split_once("; then give data.path=")).expect("a path").1;
    assert_eq!(then, format!("'{}'", folder.join("train-{000000..000002}.tar").display()));
    assert!(shell(&offered(&error, "compressed: ")));
    // Unpacked, and kept beside it.
    assert!(shell(&format!("gzip -k {quoted}/train-000000.tar")));
    assert_eq!([Split::Train, Split::Test].map(count), want);
    assert!(notes(&folder, "").contains("train-000000.tar.gz is not read, but what was unpacked of it"));
    // Its name doesn't tell; others of the folder are as they were.
    assert!(shell(&format!("mv {quoted}/train-000000.tar.gz {quoted}/train-000000.tar")));
    let error = refusal(open(&spec(&folder, ""), Split::Train));
    assert!(shell(&offered(&error, "with others like it: ")));
    assert_eq!([Split::Train, Split::Test].map(count), want);
}

#[test]
fn other_files_beside_shards_are_no_shards() {
    let root = tempdir().expect("a folder");
    packed(root.path(), PackFormat::Parquet);
    put(root.path(), "w/devkit.tar.gz", b"\x1f\x8b\x08");
    let parquet = DataSpec { name: "parquet".to_owned(), ..spec(root.path().join("w"), "") };
    assert!(open(&parquet, Split::Train).is_ok());
    put(root.path(), "w/train-9.parquet.zst", b"x");
    assert_error(open(&parquet, Split::Train), &["train-9.parquet.zst", "zstd -d --rm ", "/*.parquet.zst"]);
}

/// The packer's list, or the index of before, tells how many there were; that stays told.
#[test]
fn missing_samples_are_counted() {
    let root = tempdir().expect("a folder");
    packed(root.path(), PackFormat::WebDataset);
    let (folder, list) = (root.path().join("w"), root.path().join("w/pack.json"));
    let shard = folder.join("train-000001.tar");
    let count = || open(&spec(&folder, ""), Split::Train).expect("opened").len();
    assert_eq!(count(), 12);
    let whole = fs::read(&shard).expect("read");
    let samples = {
        let listed: serde_json::Value =
            serde_json::from_slice(&fs::read(&list).expect("read")).expect("JSON");
        let all = listed["shards"].as_array().expect("shards").clone();
        let own = all.iter().find(|own| own["file"] == "train-000001.tar").expect("listed");
        own["samples"].as_u64().expect("a count") as usize
    };
    let cut = |bytes: usize| fs::write(&shard, &whole[..bytes]).expect("written");
    let told =
        |kept: usize| format!("{} of {samples} samples of train-000001.tar are missing", samples - kept);
    // Within the second sample's image.
    cut(whole.len() / 2);
    let kept = samples - (12 - count());
    for _ in 0..2 {
        assert!(notes(&folder, "").contains(&told(kept)), "{}", notes(&folder, ""));
    }
    // Without the list, by the index of before, and again from the index then.
    fs::write(&shard, &whole).expect("written");
    fs::remove_file(&list).expect("removed");
    assert!(!notes(&folder, "").contains("are missing"));
    cut(whole.len() / 2);
    for _ in 0..2 {
        assert!(notes(&folder, "").contains(&told(kept)));
    }
    cut(whole.len() / 3);
    let kept = samples - (12 - count());
    assert!(notes(&folder, "").contains(&told(kept)));
    fs::write(&shard, &whole).expect("written");
    assert!(!notes(&folder, "").contains("are missing"));
}

/// A shard that isn't there at all, the last one too, whose number nobody misses; of either format.
#[test]
fn shards_that_are_gone_are_told() {
    for (format, name) in [(PackFormat::WebDataset, "webdataset"), (PackFormat::Parquet, "parquet")] {
        let root = tempdir().expect("a folder");
        packed(root.path(), format);
        let folder = root.path().join("w");
        let spec = DataSpec { name: name.to_owned(), ..spec(&folder, "") };
        let told = || open_with_notes(&spec, Split::Train).expect("opened").notes.join("\n");
        assert!(!told().contains("gone"));
        let listed = fs::read_dir(&folder).expect("listed").map(|entry| entry.expect("an entry").path());
        let is_train = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("train-"))
        };
        let last = listed.filter(is_train).max().expect("a shard");
        fs::remove_file(last).expect("removed");
        let told = told();
        assert!(told.contains("shards that pack.json lists are gone, with"), "{told}");
    }
}

/// Bytes are compared with the packer's list where there is one, from the first time on, and told each time.
#[test]
fn bytes_are_compared_with_the_packers_list() {
    let root = tempdir().expect("a folder");
    packed(root.path(), PackFormat::WebDataset);
    let (folder, shard) = (root.path().join("w"), root.path().join("w/train-000000.tar"));
    let whole = fs::read(&shard).expect("read");
    let mut damaged = whole.clone();
    damaged[700] ^= 1;
    fs::write(&shard, &damaged).expect("written");
    let verified = || notes(&folder, "verify = true");
    let wrong = "train-000000.tar has other bytes than pack.json says";
    for _ in 0..2 {
        let told = verified();
        assert!(told.contains(wrong) && !told.contains("no checksum"), "{told}");
    }
    assert!(!notes(&folder, "").contains("other bytes"));
    // With another time, and after it was opened without looking.
    File::options()
        .write(true)
        .open(&shard)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()))
        .expect("touched");
    assert!(!notes(&folder, "").contains("other bytes"));
    assert!(verified().contains(wrong));
    fs::write(&shard, &whole).expect("written");
    assert!(!verified().contains("other bytes"));
    // The list gone, what agreed with it is the measure.
    fs::remove_file(folder.join("pack.json")).expect("removed");
    assert!(!verified().contains("no checksum"));
    fs::write(&shard, &damaged).expect("written");
    for _ in 0..2 {
        assert!(verified().contains("train-000000.tar has other bytes than those whose checksum was kept"));
    }
}
