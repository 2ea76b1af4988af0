//! Shards of WebDataset: as the Python package reads them, in any order, whatever their form; and broken ones.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use palimpsest_core::data::Dataset;
use palimpsest_datasets::{DataSpec, Split, open, open_label_sets, open_values, open_with_notes};
use tempfile::tempdir;

use crate::files::{assert_error, png, put};
use crate::shards::{assert_pixels, batches, expected, folders, loose_images};

fn spec(path: impl AsRef<Path>, keys: &str) -> DataSpec {
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at("webdataset", path.as_ref()) };
    spec.with_keys(keys).expect("keys")
}

/// A shard of these members.
fn tar(path: &Path, members: &[(&str, &[u8])]) {
    let mut tar = tar::Builder::new(File::create(path).expect("a file"));
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *bytes).expect("added");
    }
    tar.finish().expect("written");
}

fn keys_of(data: &dyn Dataset) -> Vec<String> {
    (0..data.len())
        .map(|index| data.location(index).rsplit(", ").next().unwrap_or_default().to_owned())
        .collect()
}

/// Names of every form, several dots, labels here and there: the samples that the package gives, in the order of their keys.
#[test]
fn as_the_python_package_reads() {
    for folder in folders("webdataset", "webdataset") {
        let mut want: Vec<serde_json::Value> = expected(folder.path());
        let path = |sample: &serde_json::Value| {
            format!(
                "{}.{}",
                sample["key"].as_str().expect("a key"),
                sample["suffix"].as_str().expect("a suffix")
            )
        };
        want.sort_by_key(|sample| path(sample).replace('/', "\0"));
        let opened = open_with_notes(&spec(folder.path(), ""), Split::Train).expect("opened");
        let data = opened.dataset;
        assert_eq!(keys_of(&*data), want.iter().map(path).collect::<Vec<_>>());
        assert_eq!(data.classes(), ["-1", "3", "10"]);
        for (index, sample) in want.iter().enumerate() {
            assert_pixels(&*data, index, sample);
            let label = data.label(index).map(|label| data.classes()[label as usize].as_str());
            assert_eq!(label, sample["label"].as_str(), "{}", data.location(index));
        }
        let told = opened.notes.join("\n");
        assert!(told.contains("1 sample without an image was passed over, the first is"), "{told}");
        assert!(told.contains("dog.v2/0002") && told.contains("14 samples of 3 shards indexed in"), "{told}");
        // Again, from what was kept.
        let again = open_with_notes(&spec(folder.path(), ""), Split::Train).expect("opened");
        assert!(!again.notes.join("\n").contains("indexed"), "{:?}", again.notes);
        assert_eq!(keys_of(&*again.dataset), keys_of(&*data));
    }
}

#[test]
fn labels_of_json_and_given_classes() {
    let folder = folders("webdataset", "nothing_of_this_name").remove(0);
    let json = open(&spec(folder.path(), "label = \"json:a.b\""), Split::Train).expect("opened");
    assert_eq!(json.classes(), ["pug", "tabby"]);
    assert_eq!((0..json.len()).filter_map(|i| json.label(i)).collect::<Vec<_>>(), [1, 0]);
    let none =
        open(&spec(folder.path(), "label = \"\"\nimage = \"seg.png;jpeg\""), Split::Train).expect("opened");
    assert_eq!(
        (none.classes().len(), keys_of(&*none)),
        (0, vec!["cat/0002.seg.png".to_owned(), "owl.jpeg".to_owned()])
    );
    let named = spec(folder.path(), "classes = [\"a\", \"b\"]");
    assert_error(open(&named, Split::Train), &["label", "classes"]);
    assert_error(
        open(&spec(folder.path(), "label = \"txt\""), Split::Train),
        &["no sample has a member called *.txt", "seg.png"],
    );
    assert_error(
        open(&spec(folder.path(), "image = \"tif\""), Split::Train),
        &["no images called *.tif", "the members are called"],
    );
    assert_error(
        open(&spec(folder.path(), "label = \"json:a\""), Split::Train),
        &["a-000.tar, cat/0001.json", "`a` is an object"],
    );
}

/// Cut into shards in any way and stored in any order, the same images are the same batches as those of a folder.
#[test]
fn the_same_batches_as_a_folder_whatever_the_shards() {
    let root = tempdir().expect("a folder");
    let mut files = loose_images(&root.path().join("loose"));
    let want = batches(
        open(&DataSpec { holdout: 0.25, ..DataSpec::at("folder", root.path().join("loose")) }, Split::Train)
            .expect("opened"),
        30,
    );
    for (name, shards) in [("one", 1), ("many", 6)] {
        let folder = root.path().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        // Stored in another order than that of the keys.
        files.reverse();
        for (shard, files) in files.chunks(files.len().div_ceil(shards)).enumerate() {
            let members: Vec<(String, Vec<u8>)> = files
                .iter()
                .flat_map(|(name, path)| {
                    let class = name.split('/').next().unwrap_or_default().as_bytes().to_vec();
                    [
                        (name.clone(), std::fs::read(path).expect("read")),
                        (name.replace(".jpg", ".cls"), class),
                    ]
                })
                .collect();
            let members: Vec<(&str, &[u8])> =
                members.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
            tar(&folder.join(format!("{shard:03}.tar")), &members);
        }
        let spec = DataSpec { holdout: 0.25, ..spec(&folder, "") };
        assert_eq!(batches(open(&spec, Split::Train).expect("opened"), 30), want, "{name}");
    }
}

#[test]
fn parts_patterns_and_lists() {
    let root = tempdir().expect("a folder");
    for (shard, key, class) in
        [("train-000", "a", "0"), ("train-001", "b", "1"), ("val-000", "c", "1"), ("sub/test-000", "d", "")]
    {
        std::fs::create_dir_all(root.path().join("sub")).expect("a folder");
        let members: [(&str, &[u8]); 2] =
            [(&format!("{key}.png"), &png(8, 8, 1)), (&format!("{key}.cls"), class.as_bytes())];
        tar(&root.path().join(format!("{shard}.tar")), &members);
    }
    let keys = |spec: &DataSpec, split: Split| {
        let opened = open_with_notes(spec, split).expect("opened");
        (opened.part.clone(), keys_of(&*opened.dataset))
    };
    let both = |path: &Path| [Split::Train, Split::Test].map(|split| keys(&spec(path, ""), split));
    // The test part has no labels, so that the validation part is measured.
    let want = [
        ("train".to_owned(), vec!["a.png".to_owned(), "b.png".into()]),
        ("val".to_owned(), vec!["c.png".into()]),
    ];
    assert_eq!(both(root.path()), want);
    let pattern = root.path().join("{train-{000..001},val-000}.tar");
    assert_eq!(both(&pattern), want);
    put(root.path(), "list.txt", "# shards\ntrain-{000..001}.tar\nval-000.tar\n");
    assert_eq!(both(&root.path().join("list.txt")), want);
    let (_, one) = keys(&spec(root.path().join("train-001.tar"), ""), Split::Train);
    assert_eq!(one, ["b.png"]);
    let missing = root.path().join("train-{000..003}.tar");
    assert_error(open(&spec(&missing, ""), Split::Train), &["2 of 4 shards are missing", "train-002.tar"]);
    assert_error(open(&spec(root.path().join("x.tar"), ""), Split::Train), &["no such file"]);
    put(root.path(), "twice.txt", "val-000.tar\nval-000.tar");
    assert_error(
        open(&spec(root.path().join("twice.txt"), ""), Split::Train),
        &["val-000.tar is named twice"],
    );
}

#[test]
fn compressed_shards_are_refused_with_the_command() {
    let root = tempdir().expect("a folder");
    put(root.path(), "renamed/train-0.tar", b"\x1f\x8b\x08");
    assert_error(open(&spec(root.path().join("renamed"), ""), Split::Train), &["train-0.tar", "gzip -dcf"]);
    put(root.path(), "empty/train-0.tar", b"");
    assert_error(
        open(&spec(root.path().join("empty"), ""), Split::Train),
        &["train-0.tar", "the file is empty"],
    );
    put(root.path(), "other/train-0.tar", vec![7; 2000]);
    assert_error(open(&spec(root.path().join("other"), ""), Split::Train), &["train-0.tar", "no tar file"]);
}

#[test]
fn a_truncated_shard_keeps_its_whole_samples() {
    let root = tempdir().expect("a folder");
    let path = root.path().join("a.tar");
    let image = png(40, 40, 1);
    tar(&path, &[("a.png", &image), ("a.cls", b"1"), ("b.png", &image), ("b.cls", b"2"), ("c.png", &image)]);
    let whole = std::fs::read(&path).expect("read");
    let open_cut = |length: usize| {
        std::fs::write(&path, &whole[..length]).expect("written");
        open_with_notes(&spec(root.path(), ""), Split::Train)
    };
    // Within the second image; its label is gone too.
    let opened = open_cut(512 + image.len().next_multiple_of(512) + 1024 + 512 + 100).expect("opened");
    assert_eq!((opened.dataset.len(), opened.dataset.label(0), opened.dataset.label(1)), (2, Some(0), None));
    assert!(opened.dataset.load(0).is_ok());
    assert_error(opened.dataset.load(1), &["a.tar, b.png", "truncated", "copy the shard again"]);
    let told = opened.notes.join("\n");
    assert!(
        told.contains("a.tar is truncated or damaged behind `b`")
            && told.contains("1 sample can't be loaded"),
        "{told}"
    );
    // Between two members.
    let opened = open_cut(512 + image.len().next_multiple_of(512) + 1024).expect("opened");
    assert!(
        opened.dataset.len() == 1 && opened.notes.join("\n").contains("no end mark"),
        "{:?}",
        opened.notes
    );
    // Anywhere: samples that are said to be whole are.
    let pixels = |data: &dyn Dataset, index: usize| data.load(index).map(|image| image.pixels).ok();
    let full = open_cut(whole.len()).expect("opened");
    let full: Vec<_> = (0..3).map(|index| pixels(&*full.dataset, index)).collect();
    for length in (1..whole.len()).step_by(97) {
        let Ok(cut) = open_cut(length) else { continue };
        assert!(length >= 512 && cut.dataset.len() <= 3);
        for (index, full) in full.iter().enumerate().take(cut.dataset.len()) {
            let image = pixels(&*cut.dataset, index);
            assert!(image.is_none() || image == *full, "{length} {index}");
        }
    }
}

#[test]
fn samples_that_cannot_be_read_are_named() {
    let root = tempdir().expect("a folder");
    let path = root.path().join("a.tar");
    tar(
        &path,
        &[
            ("a.png", &png(8, 8, 1)),
            ("a.png", &png(8, 8, 2)),
            ("b.png", b"no image"),
            ("c.png", &png(8, 8, 3)),
        ],
    );
    let data = open(&spec(root.path(), ""), Split::Train).expect("opened");
    assert_eq!(data.len(), 3);
    assert_error(data.load(0), &["a.tar, a.png", "two members of one name"]);
    assert_error(data.load(1), &["a.tar, b.png", "not a JPEG, PNG or WebP"]);
    assert!(data.load(2).is_ok());
}

/// A sparse file in GNU's old form and in pax's: the true name is told, and no packed bytes are taken for an image.
#[test]
fn sparse_members_are_refused_by_name() {
    let root = tempdir().expect("a folder");
    let image = put(root.path(), "src/a.png", png(8, 8, 1));
    File::options().write(true).open(&image).expect("opened").set_len(1 << 20).expect("longer");
    for form in ["gnu", "posix"] {
        let path = root.path().join(format!("{form}.tar"));
        let made = std::process::Command::new("tar")
            .args(["--sparse", &format!("--format={form}"), "-cf"])
            .arg(&path)
            .arg("-C")
            .arg(root.path().join("src"))
            .arg("a.png")
            .status();
        if !made.is_ok_and(|status| status.success()) {
            continue;
        }
        let data = open(&spec(&path, ""), Split::Train).expect("opened");
        assert_eq!(keys_of(&*data), ["a.png"], "{form}");
        assert_error(data.load(0), &["a.png", "sparse", "--sparse"]);
    }
}

#[test]
fn a_shard_that_changes_is_told_and_indexed_again() {
    let root = tempdir().expect("a folder");
    let path = root.path().join("a.tar");
    let notes = |keys: &str| {
        open_with_notes(&spec(root.path(), keys), Split::Train).expect("opened").notes.join("\n")
    };
    tar(&path, &[("a.png", &png(8, 8, 1))]);
    tar(&root.path().join("b.tar"), &[("b.png", &png(8, 8, 1))]);
    assert!(notes("").contains("2 samples of 2 shards indexed"));
    assert!(!notes("").contains("indexed"));
    // Touched: the same content.
    let touch = || {
        File::options().write(true).open(&path).expect("opened").set_modified(std::time::SystemTime::now())
    };
    touch().expect("touched");
    let told = notes("");
    assert!(told.contains("indexed in") && !told.contains("changed"), "{told}");
    // Other content while it is read.
    let data = open(&spec(root.path(), ""), Split::Train).expect("opened");
    assert!(data.load(0).is_ok());
    tar(&path, &[("a.png", &png(8, 8, 1)), ("c.png", &png(9, 9, 1))]);
    assert_error(data.load(0), &["a.tar, a.png", "the shard has changed since the data were opened"]);
    assert!(data.load(1).is_ok());
    let told = notes("");
    assert!(told.contains("a.tar changed since the shards were indexed"), "{told}");
    // Gone before it was read.
    let data = open(&spec(root.path(), ""), Split::Train).expect("opened");
    std::fs::remove_file(root.path().join("b.tar")).expect("removed");
    assert_error(data.load(1), &["b.tar, b.png", "the shard is gone"]);
    // Other bytes, which size and time don't tell: found when asked for, from the second time on.
    let told = notes("verify = true");
    assert!(!told.contains("other bytes") && told.contains("of the shards no checksum was kept"), "{told}");
    assert!(!notes("verify = true").contains("no checksum"));
    let before = std::fs::metadata(&path).and_then(|state| state.modified()).expect("a time");
    let file = OpenOptions::new().write(true).open(&path).expect("opened");
    file.write_all_at(b"x", 540).expect("written");
    file.set_modified(before).expect("set");
    assert!(!notes("").contains("other bytes"));
    // Every time, and when it is touched too: what is damaged never becomes what others are compared with.
    let damaged = || {
        let told = notes("verify = true");
        assert!(told.contains("a.tar has other bytes than those whose checksum was kept"), "{told}");
        assert!(!told.contains("changed") && !told.contains("no checksum"), "{told}");
        told
    };
    damaged();
    damaged();
    file.write_all_at(b"y", 541).expect("written");
    assert!(notes("").contains("indexed in"));
    let told = damaged();
    // The help, followed: these bytes are right.
    let index =
        told.split("or remove ").nth(1).and_then(|rest| rest.split(" if these").next()).expect("a file");
    std::fs::remove_file(index).expect("removed");
    assert!(notes("verify = true").contains("no checksum was kept"));
    assert!(!notes("verify = true").contains("other bytes"));
}

/// An index that is damaged, or of another form, is made again; one that can't be kept is told.
#[test]
fn an_index_is_only_a_cache() {
    let root = tempdir().expect("a folder");
    tar(&root.path().join("a.tar"), &[("a.png", &png(8, 8, 1)), ("a.cls", b"x")]);
    let opened = || open_with_notes(&spec(root.path(), ""), Split::Train).expect("opened");
    let want = (keys_of(&*opened().dataset), opened().dataset.classes().to_vec());
    let index = std::fs::read_dir(root.path())
        .expect("listed")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|ending| ending == "index"))
        .expect("an index");
    let bytes = std::fs::read(&index).expect("read");
    for at in (0..bytes.len()).step_by(3) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        std::fs::write(&index, &damaged).expect("written");
        {
            // Dropped before the next, which would share its tables.
            let found = opened();
            assert_eq!((keys_of(&*found.dataset), found.dataset.classes().to_vec()), want, "byte {at}");
        }
        std::fs::write(&index, &bytes[..at]).expect("written");
        assert_eq!(keys_of(&*opened().dataset), want.0, "cut at {at}");
    }
}

/// Lists and numbers in the members of JSON, also where one is missing.
#[test]
fn label_sets_and_numbers_of_json() {
    let folder = tempdir().expect("a folder");
    let image = png(8, 8, 1);
    let of = |name: &str, samples: &[(&str, &str)]| {
        let members: Vec<(String, &[u8])> = samples
            .iter()
            .flat_map(|(key, json)| {
                let both = [(format!("{key}.png"), &image[..]), (format!("{key}.json"), json.as_bytes())];
                both.into_iter().filter(|(_, bytes)| !bytes.is_empty())
            })
            .collect();
        let members: Vec<(&str, &[u8])> =
            members.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        tar(&folder.path().join(name), &members);
    };
    let train = [
        ("a", r#"{"tags": ["dog", "cat"], "of": {"age": 3, "kg": 1.5}}"#),
        ("b", r#"{"tags": [], "of": {"age": null}}"#),
        ("c", ""),
        ("d", r#"{"tags": ["cat"], "of": {"age": -2, "kg": 0}}"#),
    ];
    of("train-0.tar", &train);
    of("test-0.tar", &[("e", r#"{"tags": ["dog"], "of": {"kg": 7}}"#)]);
    let keys = "label_list = \"json:tags\"\nvalues = [\"json:of.age\", \"json:of.kg\"]";
    let spec = spec(folder.path(), keys);

    let told = |split| {
        let data = open_label_sets(&spec, split).expect("opens").dataset;
        assert_eq!(data.classes(), ["cat", "dog"]);
        let of = |index| {
            let set = data.labels(index).expect("labels");
            [0, 1].map(|label| set.get(label))
        };
        (0..data.len()).map(of).collect::<Vec<_>>()
    };
    let [yes, no, unknown] = [Some(true), Some(false), None];
    assert_eq!(told(Split::Train), [[yes, yes], [no, no], [unknown, unknown], [yes, no]]);
    assert_eq!(told(Split::Test), [[no, yes]]);

    let told = |split| {
        let data = open_values(&spec, split).expect("opens").dataset;
        assert_eq!(data.value_names(), ["of.age", "of.kg"]);
        (0..data.len()).map(|index| data.values(index).expect("values").0).collect::<Vec<_>>()
    };
    let none = vec![None, None];
    let wanted = [vec![Some(3.0), Some(1.5)], none.clone(), none, vec![Some(-2.0), Some(0.0)]];
    assert_eq!(told(Split::Train), wanted);
    assert_eq!(told(Split::Test), [vec![None, Some(7.0)]]);

    // As Python writes what isn't known, which is no JSON.
    let broken =
        [train[0], ("b", r#"{"tags": ["cat"], "of": {"age": NaN}}"#), ("c", r#"{"of": {"age": -Infinity}}"#)];
    of("train-0.tar", &broken);
    let palimpsest_datasets::Opened { dataset, notes, .. } = open_values(&spec, Split::Train).expect("opens");
    assert_eq!(dataset.values(1).expect("values").0, [None, None]);
    let note = notes.iter().find(|note| note.contains("2 labels can't be read")).expect("a note");
    assert!(note.contains("train-0.tar, b.json (NaN or Infinity") && note.contains("write null"), "{note}");
    of("train-0.tar", &[("a", r#"{"tags": [1, 0], "of": {"age": "old"}}"#), ("b", r#"{"tags": [1]}"#)]);
    assert_error(open_label_sets(&spec, Split::Train), &["the labels are numbers", "data.reader.labels"]);
    assert_error(open_values(&spec, Split::Train), &["`\"old\"` is no number", "train-0.tar, a", "null"]);
    let named = self::spec(folder.path(), "label_list = \"json:tags\"\nlabels = [\"x\", \"y\"]");
    let data = open_label_sets(&named, Split::Train).expect("opens").dataset;
    assert_eq!(data.labels(1).expect("labels").get(1), yes);
    of("train-0.tar", &[("a", r#"{"tags": "cat"}"#)]);
    assert_error(open_label_sets(&spec, Split::Train), &["where a list of labels is due", "train-0.tar, a"]);
    let faulty = self::spec(folder.path(), "values = [\"age\"]");
    assert_error(open_values(&faulty, Split::Train), &["`age` is no place in a member", "json:path.to.it"]);
}

/// Labels of held-out samples alone are labels too, and both parts have them in one order; so it is with parquet.
#[test]
fn a_label_of_held_out_samples_alone_is_one_as_well() {
    let folder = tempdir().expect("a folder");
    let image = png(8, 8, 1);
    let samples: Vec<(String, String)> =
        (0..60).map(|i| (format!("{i:02}"), format!("{{\"tags\": [\"t{i:02}\"]}}"))).collect();
    let members: Vec<(String, &[u8])> = samples
        .iter()
        .flat_map(|(key, json)| {
            [(format!("{key}.png"), &image[..]), (format!("{key}.json"), json.as_bytes())]
        })
        .collect();
    let members: Vec<(&str, &[u8])> = members.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    tar(&folder.path().join("all.tar"), &members);
    let spec = DataSpec { holdout: 0.1, ..spec(folder.path(), "label_list = \"json:tags\"") };
    let mut seen = 0;
    for split in [Split::Train, Split::Test] {
        let data = open_label_sets(&spec, split).expect("opens").dataset;
        let names: Vec<String> = (0..60).map(|i| format!("t{i:02}")).collect();
        assert_eq!(data.classes(), names);
        for index in 0..data.len() {
            let own: usize = data.name(index).expect("a name")[..2].parse().expect("a number");
            let set = data.labels(index).expect("labels");
            assert!((0..60).all(|label| set.get(label) == Some(label == own)), "{own}");
        }
        assert!(data.len() > 0);
        seen += data.len();
    }
    assert_eq!(seen, 60);
}

/// Of a test part whose labels or numbers are withheld, whichever way, validation is measured.
#[test]
fn withheld_targets_give_way_to_validation() {
    let image = png(8, 8, 1);
    for withheld in [r#"{"tags": null, "age": null}"#, r#"{"other": 1}"#, r#"{"tags": []}"#] {
        let folder = tempdir().expect("a folder");
        let of = |part: &str, json: &str| {
            let members: [(&str, &[u8]); 2] = [("a.png", &image), ("a.json", json.as_bytes())];
            tar(&folder.path().join(format!("{part}-0.tar")), &members);
        };
        of("train", r#"{"tags": ["cat", "dog"], "age": 1}"#);
        of("val", r#"{"tags": ["dog"], "age": 2}"#);
        of("test", withheld);
        let spec = spec(folder.path(), "label_list = \"json:tags\"\nvalues = [\"json:age\"]");
        let labels = open_label_sets(&spec, Split::Test).expect("opens");
        assert_eq!(labels.part, "val", "{withheld}");
        let set = labels.dataset.labels(0).expect("labels");
        assert_eq!([0, 1].map(|label| set.get(label)), [Some(false), Some(true)]);
        let values = open_values(&spec, Split::Test).expect("opens");
        assert_eq!(
            (values.part.as_str(), values.dataset.values(0).expect("values").0),
            ("val", vec![Some(2.0)])
        );
    }
}

#[test]
fn numbers_too_large_for_32_bits_are_told() {
    let folder = tempdir().expect("a folder");
    let image = png(8, 8, 1);
    tar(&folder.path().join("train-0.tar"), &[("a.png", &image), ("a.json", br#"{"age": -1e300}"#)]);
    let spec = spec(folder.path(), "values = [\"json:age\"]");
    assert_error(
        open_values(&spec, Split::Train),
        &["-1e+300 is too large for 32 bits", "train-0.tar, a", "null"],
    );
}
