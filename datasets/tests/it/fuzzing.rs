//! Parsers of what others wrote, on sound files with random faults: a value or an error of one line, never a panic.

use std::io::Cursor;
use std::path::Path;

use palimpsest_core::Result;
use palimpsest_datasets::decode::{DecodeOptions, decode};
use palimpsest_datasets::idx::IdxArray;
use palimpsest_datasets::image_header::ImageHeader;
use palimpsest_datasets::label_png::parse_labels;
use palimpsest_datasets::{DataSpec, Split, mat5, open, open_detection, yaml};
use palimpsest_targets::Rle;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::files::{fixture, jpeg, png, put};
use crate::segmentation::label_png;

/// What is put into a file: numbers and signs that parsers stumble over.
const TOKENS: [&[u8]; 20] = [
    b"NaN",
    b"-1",
    b"1e308",
    b"18446744073709551616",
    b"0",
    b"\"",
    b"[",
    b"{",
    b"}",
    b"]",
    b"<a>",
    b"&x;",
    b"\0",
    b"\xFF\xFF\xFF\xFF",
    b"\n",
    b",",
    b": ",
    b"- ",
    b"\xC3\xA9",
    b"null",
];

#[derive(Debug, Clone)]
enum Edit {
    Set(usize, u8),
    Flip(usize, u8),
    Cut(usize, usize),
    Insert(usize, usize),
    Repeat(usize, usize),
    Truncate(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = 0..1_000_000usize;
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (at.clone(), 0..8u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (at.clone(), 1..40usize).prop_map(|(at, count)| Edit::Cut(at, count)),
        (at.clone(), 0..TOKENS.len()).prop_map(|(at, token)| Edit::Insert(at, token)),
        (at.clone(), 1..40usize).prop_map(|(at, count)| Edit::Repeat(at, count)),
        at.prop_map(Edit::Truncate),
    ]
}

fn edited(seed: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for edit in edits {
        let place = |at: usize| if bytes.is_empty() { 0 } else { at % bytes.len() };
        match *edit {
            Edit::Set(at, byte) if !bytes.is_empty() => {
                let at = place(at);
                bytes[at] = byte;
            }
            Edit::Flip(at, bit) if !bytes.is_empty() => {
                let at = place(at);
                bytes[at] ^= 1 << bit;
            }
            Edit::Cut(at, count) => {
                let at = place(at);
                drop(bytes.drain(at..bytes.len().min(at + count)));
            }
            Edit::Insert(at, token) => {
                let at = place(at);
                drop(bytes.splice(at..at, TOKENS[token].iter().copied()));
            }
            Edit::Repeat(at, count) => {
                let at = place(at);
                let again = bytes[at..bytes.len().min(at + count)].to_vec();
                drop(bytes.splice(at..at, again));
            }
            Edit::Truncate(at) => bytes.truncate(place(at)),
            _ => {}
        }
    }
    bytes
}

/// Parses `seeds` with faults. `PALIMPSEST_FUZZ` sets the number of cases for a long run.
fn never_panics(seeds: &[Vec<u8>], parse: impl Fn(&[u8]) -> Result<()>) {
    let cases = std::env::var("PALIMPSEST_FUZZ").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    seeds.iter().for_each(|seed| parse(seed).expect("a sound file"));
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(20),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let cases = (0..seeds.len(), prop::collection::vec(edit(), 1..6));
    let done = TestRunner::new(config).run(&cases, |(seed, edits)| {
        if let Err(error) = parse(&edited(&seeds[seed], &edits)) {
            prop_assert!(!error.to_string().contains('\n'), "more than one line: {error}");
        }
        Ok(())
    });
    done.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Opens a detection set whose file `name` has the bytes, and loads what is there.
fn objects(reader: &str, root: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    put(root, name, bytes);
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at(reader, root) };
    let data = open_detection(&spec, Split::Train)?.dataset;
    (0..data.len()).try_for_each(|i| data.sample(i).map(drop))
}

#[test]
fn coco_json() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "train/a.png", png(6, 4, 1));
    let seed = |more: &str| {
        format!(
            r#"{{"images": [{{"id": 1, "file_name": "a.png", "width": 6, "height": 4}}],
"categories": [{{"id": 3, "name": "dog"}}], "annotations": [{{"id": 7, "image_id": 1, "category_id": 3,
"bbox": [0, 0, 3, 3], "area": 9.5, "iscrowd": 0{more}}}]}}"#
        )
        .into_bytes()
    };
    let seeds = [
        seed(r#", "segmentation": [[0, 0, 3, 0, 3, 3]]"#),
        seed(r#", "segmentation": {"size": [4, 6], "counts": [0, 24]}"#),
        seed(r#", "segmentation": {"size": [4, 6], "counts": "0h0"}"#),
    ];
    never_panics(&seeds, |bytes| objects("coco", folder.path(), "train.json", bytes));
}

#[test]
fn voc_xml() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "JPEGImages/a.png", png(6, 4, 1));
    let seed = "<annotation><filename>a.png</filename><size><width>6</width><height>4</height></size><object>\
                <name>dog</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax>\
                <ymax>3</ymax></bndbox></object></annotation>";
    let read = |bytes: &[u8]| objects("voc", folder.path(), "Annotations/a.xml", bytes);
    never_panics(&[seed.into()], read);
    // Nested beyond any use.
    assert!(read("<a>".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn yolo_lines_and_yaml() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "images/a.png", png(6, 4, 1));
    put(root, "classes.txt", "cat\ndog\n");
    never_panics(&[b"0 0.5 0.5 0.2 0.4\n1 0.1 0.2 0.4 0.2 0.4 0.7\n".to_vec()], |bytes| {
        objects("yolo", root, "labels/a.txt", bytes)
    });
    put(root, "labels/a.txt", "0 0.5 0.5 0.2 0.4 0.1 0.1 0.2 0.2\n");
    let seeds = [
        b"path: .\ntrain: images\nval: images\nkpt_shape: [2, 2]\nnc: 2\nnames: [cat, 'dog']\n".to_vec(),
        b"train:\n  - images\nnames:\n  0: cat\n  1: \"dog\"\nkpt_shape: [2, 2]\n".to_vec(),
    ];
    never_panics(&seeds, |bytes| objects("yolo", root, "data.yaml", bytes));
    never_panics(&seeds, |bytes| yaml::parse(&String::from_utf8_lossy(bytes)).map(drop).map_err(|(_, e)| e));
    assert!(yaml::parse(&"[".repeat(100_000)).is_err(), "nested beyond any use");
    assert!(yaml::parse("a: &a [x]\nb: [*a, *a]\n").is_err(), "no bombs");
}

#[test]
fn csv_and_image_lists() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "a.png", png(6, 4, 1));
    put(root, "images/b.png", png(6, 4, 1));
    let seeds =
        [b"path,label\na.png,cat\n\"b.png\",dog\n".to_vec(), b"image;cat;dog\na;0.2;0.8\nb;1;0\n".to_vec()];
    let images = |reader: &str, path: &Path| -> Result<()> {
        let spec = DataSpec { holdout: 0.0, ..DataSpec::at(reader, path) };
        let data = open(&spec, Split::Train)?;
        (0..data.len()).try_for_each(|i| data.load(i).map(drop))
    };
    never_panics(&seeds, |bytes| images("csv", &put(root, "list.csv", bytes)));
    // Lists keyed by an image's id.
    let birds = folder.path().join("birds");
    put(&birds, "images/1/a.png", png(6, 4, 1));
    put(&birds, "images/1/b.png", png(6, 4, 1));
    let files = [
        ("images.txt", "1 1/a.png\n2 1/b.png\n"),
        ("classes.txt", "1 001.Black_footed\n"),
        ("image_class_labels.txt", "1 1\n2 1\n"),
        ("train_test_split.txt", "1 1\n2 0\n"),
    ];
    files.iter().for_each(|(name, text)| drop(put(&birds, name, text)));
    for (name, text) in files {
        never_panics(&[text.into()], |bytes| {
            put(&birds, name, bytes);
            images("cub", &birds)
        });
        put(&birds, name, text);
    }
}

#[test]
fn idx_cifar_and_mat() {
    let idx = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2][..], &[7; 12]].concat();
    never_panics(&[idx], |bytes| IdxArray::parse(bytes).map(drop));
    let folder = tempfile::tempdir().expect("a folder");
    let mut record = vec![0; 2 * 3073];
    record[3073] = 9;
    never_panics(&[record], |bytes| {
        let spec = DataSpec { holdout: 0.0, ..DataSpec::at("cifar10", put(folder.path(), "a.bin", bytes)) };
        open(&spec, Split::Train).map(drop)
    });
    let seeds = ["cars_meta.mat", "types.mat", "types_plain.mat", "setid.mat"]
        .map(|name| std::fs::read(fixture("mat").join(name)).expect("the fixture"));
    never_panics(&seeds, |bytes| mat5::parse(bytes).map(drop));
}

#[test]
fn label_maps_and_runs() {
    let seeds = [label_png(5, 3, &[1; 15], None), label_png(5, 3, &[1; 15], Some(2))];
    never_panics(&seeds, |bytes| parse_labels(Cursor::new(bytes), 10_000).map(drop));
    never_panics(&[b"0h0".to_vec(), b"5:9".to_vec()], |bytes| {
        // Sums that don't fit are errors too, but not of these seeds alone.
        match Rle::from_text(6, 4, &String::from_utf8_lossy(bytes)) {
            Err(error) if error.to_string().contains("the runs of the mask have") => Ok(()),
            other => other.map(|mask| assert_eq!(mask.decode().len(), 24)),
        }
    });
}

#[test]
fn orientations_and_images() {
    let mut seeds: Vec<Vec<u8>> = vec![jpeg(6, 4, 1), png(6, 4, 1)];
    for name in [
        "xmp.jpg",
        "exif6.jpg",
        "big_endian.jpg",
        "profile_packed.png",
        "xmp_packed.png",
        "exif_behind.png",
        "exif.webp",
        "xmp.webp",
    ] {
        seeds.push(std::fs::read(fixture("orientation").join(name)).expect("the fixture"));
    }
    never_panics(&seeds, |bytes| {
        let header = ImageHeader::read(Cursor::new(bytes));
        let decoded = decode(bytes, DecodeOptions { max_pixels: 1 << 16, ..DecodeOptions::default() })?;
        // What can be decoded has a header, which tells its size.
        let header = header.expect("a header");
        assert_eq!(header.upright(), (decoded.width, decoded.height));
        Ok(())
    });
}
