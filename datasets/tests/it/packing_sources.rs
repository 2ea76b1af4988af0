//! Image files that change after they were packed.

use std::fs;
use std::path::Path;

use palimpsest_core::data::Split;
use palimpsest_datasets::pack::{PackFormat, PackOptions, PackPart, Packed, Resize, pack};
use palimpsest_datasets::{DataSpec, open};

use crate::files::{assert_error, jpeg, png, put};

fn packed(
    images: &Path,
    out: &Path,
    format: PackFormat,
    bad_files: usize,
) -> palimpsest_core::Result<Packed> {
    let spec = DataSpec::at("folder", images);
    let part = |split| PackPart::of(split, open(&spec, split).expect("a part"));
    let options = PackOptions { format, shard_size: 9_300, resize: None, shuffle: Some(3), bad_files };
    pack(&[Split::Train, Split::Test].map(part), out, &options, &|_| ())
}

/// The shards by their names.
fn shards(out: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(out)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending != "json" && ending != "txt"))
        .map(|path| {
            (path.file_name().expect("a name").to_string_lossy().into_owned(), fs::read(path).expect("read"))
        })
        .collect();
    all.sort();
    all
}

/// Replaced by a file of another size, or of the same size and another time: the shard is packed again and with those
/// behind it gives what packing anew does. Nothing of before stays, though there are fewer shards now.
#[test]
fn changed_files_are_packed_again() {
    for format in [PackFormat::WebDataset, PackFormat::Parquet] {
        let root = tempfile::tempdir().expect("a folder");
        let images = root.path().join("images");
        for seed in 0..12 {
            put(&images, &format!("train/{}/{seed}.png", seed % 2), png(60, 60, seed));
        }
        put(&images, "test/0/a.png", png(20, 20, 50));
        put(&images, "test/1/b.png", png(20, 20, 51));
        let [out, anew] = ["out", "anew"].map(|name| root.path().join(name));
        let first = packed(&images, &out, format, 0).expect("packed");
        assert!(first.shards.len() > 3, "{:?}", first.shards);
        let again = packed(&images, &out, format, 0).expect("there already");
        assert_eq!((again.kept, again.notes), (first.shards.len(), vec![]));

        for seed in 0..12 {
            put(&images, &format!("train/{}/{seed}.png", seed % 2), png(10, 8, seed));
        }
        let again = packed(&images, &out, format, 0).expect("packed again");
        let [note] = &again.notes[..] else { panic!("one note: {:?}", again.notes) };
        assert!(note.contains("the image files of") && note.contains("train-00000"), "{note}");
        assert!(note.contains("have changed since it was packed") && note.contains("images/train"), "{note}");
        assert_eq!(again.kept, first.shards.iter().filter(|shard| shard.part == "test").count());
        packed(&images, &anew, format, 0).expect("packed");
        assert!(shards(&out).len() < first.shards.len());
        assert!(shards(&out) == shards(&anew), "{format:?}");

        // The same bytes at another time: nothing but the time tells that they are the same.
        let touched = images.join("test/1/b.png");
        let file = fs::File::options().write(true).open(&touched).expect("opened");
        file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5)).expect("touched");
        let again = packed(&images, &out, format, 0).expect("packed again");
        assert!(
            again.notes.len() == 1 && again.notes[0].contains("test/1/b.png was written last"),
            "{:?}",
            again.notes
        );
        assert!(shards(&out) == shards(&anew), "{format:?}");
    }
}

/// A broken file that was left out, and is repaired, belongs into the shards.
#[test]
fn a_repaired_file_is_packed() {
    let root = tempfile::tempdir().expect("a folder");
    let (images, out) = (root.path().join("images"), root.path().join("out"));
    for seed in 0..4 {
        put(&images, &format!("train/0/{seed}.png"), png(30, 30, seed));
    }
    put(&images, "train/0/broken.jpg", b"");
    put(&images, "test/0/a.png", png(20, 20, 50));
    let first = packed(&images, &out, PackFormat::WebDataset, 1).expect("packed");
    assert_eq!(first.left_out.len(), 1);
    put(&images, "train/0/broken.jpg", jpeg(30, 30, 9));
    let again = packed(&images, &out, PackFormat::WebDataset, 1).expect("packed again");
    assert!(again.left_out.is_empty() && again.notes.len() == 1, "{:?}", again.notes);
    assert_eq!(again.shards.iter().map(|shard| shard.samples).sum::<usize>(), 6);
}

/// A TIFF isn't resized, and isn't taken for a broken file, whatever its name says.
#[test]
fn a_sound_file_that_is_not_resized_ends_packing() {
    let root = tempfile::tempdir().expect("a folder");
    let tiff = fs::read(crate::files::fixture("scientific/grey8_lzw.tif")).expect("read");
    put(root.path(), "train/0/a.tif", &tiff);
    put(root.path(), "train/0/image isn't resized.jpg", b"");
    put(root.path(), "test/0/a.png", png(20, 20, 50));
    let spec = DataSpec::at("folder", root.path());
    let part = PackPart::of(Split::Train, open(&spec, Split::Train).expect("a part"));
    let options = PackOptions {
        format: PackFormat::WebDataset,
        shard_size: 4_000,
        resize: Some(Resize { side: 4, max_pixels: 1_000_000 }),
        shuffle: None,
        bad_files: 9,
    };
    let out = root.path().join("out");
    assert_error(
        pack(&[part], &out, &options, &|_| ()),
        &["a.tif", "a TIFF image isn't resized", "--resize"],
    );
}
