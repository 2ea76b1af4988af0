//! Shards that are packed: what is in them, that they are the same every time, and that packing goes on.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use image::{DynamicImage, ImageFormat};
use palimpsest_core::data::{Dataset, Image, Samples, Split};
use palimpsest_core::{Error, Result};
use palimpsest_datasets::pack::{PackFormat, PackOptions, PackPart, Packed, Resize, forecast, pack};
use palimpsest_datasets::{DataSpec, open, open_with_notes};

use crate::files::{assert_error, encode, jpeg, png, put, rgb_image};

const OPTIONS: PackOptions = PackOptions {
    format: PackFormat::WebDataset,
    shard_size: 20_000,
    resize: None,
    shuffle: None,
    bad_files: 0,
};

fn parts(root: &Path) -> Vec<PackPart> {
    let spec = DataSpec::at("folder", root);
    [Split::Train, Split::Test].map(|split| PackPart::of(split, open(&spec, split).expect("a part"))).to_vec()
}

/// Names with dots, folders in folders, other letters, a name too long for a plain header.
fn tree(root: &Path) {
    let long = format!("{}/{}", "folder".repeat(20), "name".repeat(30));
    for (seed, name) in
        ["cat/a.jpg", "cat/b.v1.2.jpg", "cat/in.side/c.d.jpg", "dog/ü ö.jpg", &format!("dog/{long}.jpg")]
            .iter()
            .enumerate()
    {
        put(root, &format!("train/{name}"), jpeg(40 + seed as u32, 30, seed as u32));
    }
    for seed in 0..20 {
        put(root, &format!("train/owl/{seed:02}.png"), png(32, 24, 40 + seed));
    }
    for class in ["cat", "dog", "owl"] {
        put(root, &format!("test/{class}/1.png"), png(24, 24, 90));
    }
}

fn packed(root: &Path, out: &Path, options: PackOptions) -> Result<Packed> {
    pack(&parts(root), out, &options, &|_| ())
}

/// Every file of a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    files
        .map(|path| {
            (
                path.file_name().expect("a name").to_string_lossy().into_owned(),
                fs::read(&path).expect("a file"),
            )
        })
        .collect()
}

fn assert_same(a: &dyn Dataset, b: &dyn Dataset) {
    assert_eq!((a.len(), a.classes()), (b.len(), b.classes()));
    for index in 0..a.len() {
        assert_eq!(a.label(index), b.label(index), "{}", a.location(index));
        assert_eq!(
            a.load(index).expect("an image"),
            b.load(index).expect("an image"),
            "{}",
            a.location(index)
        );
    }
}

#[test]
fn tars_are_read_as_the_folder_is() {
    let root = tempfile::tempdir().expect("a folder");
    tree(&root.path().join("images"));
    let (images, out) = (root.path().join("images"), root.path().join("shards"));
    let done = packed(&images, &out, OPTIONS).expect("packed");
    assert!(done.shards.len() > 3, "{:?}", done.shards);
    assert!(done.shards.iter().all(|shard| shard.bytes <= OPTIONS.shard_size + 1024));
    assert_eq!(done.shards.iter().map(|shard| shard.samples).sum::<usize>(), 28);
    for split in [Split::Train, Split::Test] {
        let folder = open(&DataSpec::at("folder", &images), split).expect("the folder");
        let shards = open(&DataSpec::at("webdataset", &out), split).expect("the shards");
        assert_same(&*folder, &*shards);
        // The bytes of the files too.
        for index in 0..folder.len() {
            let bytes =
                [&folder, &shards].map(|data| data.encoded(index).expect("a file").read().expect("bytes"));
            assert!(bytes[0] == bytes[1], "{}", folder.location(index));
        }
    }
}

#[test]
fn the_same_data_give_the_same_bytes() {
    let root = tempfile::tempdir().expect("a folder");
    let images = root.path().join("images");
    tree(&images);
    let [a, b, c] = ["a", "b", "c"].map(|name| root.path().join(name));
    packed(&images, &a, OPTIONS).expect("packed");
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    one.install(|| packed(&images, &b, OPTIONS)).expect("packed");
    assert!(contents(&a) == contents(&b));
    // Once more: nothing is written anew.
    let again = packed(&images, &a, OPTIONS).expect("there already");
    assert_eq!(again.kept, again.shards.len());
    assert!(contents(&a) == contents(&b));
    // Another order holds the same images.
    packed(&images, &c, PackOptions { shuffle: Some(3), ..OPTIONS }).expect("packed");
    assert!(contents(&a) != contents(&c));
    let of = |out: &Path| open(&DataSpec::at("webdataset", out), Split::Train).expect("the shards");
    assert_same(&*of(&a), &*of(&c));
}

#[test]
fn parquet_is_read_as_the_folder_is() {
    let root = tempfile::tempdir().expect("a folder");
    let (images, out) = (root.path().join("images"), root.path().join("shards"));
    tree(&images);
    let options = PackOptions { format: PackFormat::Parquet, ..OPTIONS };
    let done = packed(&images, &out, options).expect("packed");
    let files: Vec<&str> = done.shards.iter().map(|shard| shard.file.as_str()).collect();
    let of = files.len() - 1;
    assert!(of > 1 && files[0] == format!("train-00000-of-{of:05}.parquet"), "{files:?}");
    assert_eq!(files[of], "test-00000-of-00001.parquet");
    for split in [Split::Train, Split::Test] {
        let folder = open(&DataSpec::at("folder", &images), split).expect("the folder");
        let shards = open(&DataSpec::at("parquet", &out), split).expect("the shards");
        assert_same(&*folder, &*shards);
        // And back: from parquet to tar.
        let part = PackPart::of(split, shards);
        pack(&[part], &root.path().join(format!("{split}")), &OPTIONS, &|_| ()).expect("packed");
    }
    let again = packed(&images, &out, options).expect("there already");
    assert_eq!((again.kept, again.shards), (files.len(), done.shards.clone()));
    // A process that was killed while the shards got their names.
    let name = |number| format!("train-{number:05}-of-{of:05}.parquet");
    let before = contents(&out);
    let ledger = String::from_utf8(before["pack.json"].clone()).expect("text");
    fs::write(
        out.join("pack.json"),
        ledger.replace(&name(0), "train-00000.whole").replace(&name(1), "train-00001.whole"),
    )
    .expect("written");
    fs::rename(out.join(name(1)), out.join("train-00001.whole")).expect("renamed");
    assert_eq!(packed(&images, &out, options).expect("named").kept, files.len());
    assert!(contents(&out) == before);
}

/// A data set that fails once so many images were read.
struct Failing {
    inner: std::sync::Arc<dyn Dataset>,
    left: AtomicUsize,
}

impl Dataset for Failing {
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn classes(&self) -> &[String] {
        self.inner.classes()
    }
    fn label(&self, index: usize) -> Option<u32> {
        self.inner.label(index)
    }
    fn load(&self, index: usize) -> Result<Image> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| Error::user("the disk is gone").at(self.location(index)))?;
        self.inner.load(index)
    }
    fn location(&self, index: usize) -> String {
        self.inner.location(index)
    }
    fn name(&self, index: usize) -> Option<String> {
        self.inner.name(index)
    }
}

/// What the reader of a folder of tars tells, which leaves no index there.
fn notes_of(shards: &Path) -> String {
    let opened = open_with_notes(&DataSpec::at("webdataset", shards), Split::Train).expect("opens");
    for name in contents(shards).into_keys().filter(|name| name.ends_with(".index")) {
        fs::remove_file(shards.join(name)).expect("removed");
    }
    opened.notes.join("\n")
}

#[test]
fn packing_goes_on_where_it_stopped() {
    let root = tempfile::tempdir().expect("a folder");
    let images = root.path().join("images");
    for seed in 0..300 {
        put(&images, &format!("train/{}/{seed}.png", seed % 3), png(20, 20, seed));
    }
    for class in 0..3 {
        put(&images, &format!("test/{class}/1.png"), png(24, 24, 90));
    }
    let failing = |left| -> Vec<PackPart> {
        let wrap = |part: PackPart| PackPart {
            data: std::sync::Arc::new(Failing { inner: part.data, left: AtomicUsize::new(left) }),
            ..part
        };
        parts(&images).into_iter().map(wrap).collect()
    };
    let [whole, torn] = ["whole", "torn"].map(|name| root.path().join(name));
    pack(&failing(usize::MAX), &whole, &OPTIONS, &|_| ()).expect("packed");
    let shards = contents(&whole).len();
    let mut kept = 0;
    for left in [0, 100, 150, 299, usize::MAX] {
        let result = pack(&failing(left), &torn, &OPTIONS, &|_| ());
        let (whole, torn) = (contents(&whole), contents(&torn));
        // Whatever has its name is whole; a lock and half a shard stay from a killed process alone.
        for (name, bytes) in torn.iter().filter(|(name, _)| name.ends_with(".tar")) {
            assert!(whole.get(name) == Some(bytes), "{name} after {left}");
        }
        assert!(torn.keys().all(|name| whole.contains_key(name)), "{:?}", torn.keys());
        match result {
            Ok(done) => assert!(left >= 299 && done.kept == kept),
            Err(error) => assert!(error.to_string().contains("the disk is gone"), "{error}"),
        }
        kept = torn.keys().filter(|name| name.ends_with(".tar")).count();
        if kept > 0 && left < 299 {
            assert!(
                notes_of(&root.path().join("torn")).contains("was stopped, and train and test aren't whole")
            );
        }
    }
    assert!(!notes_of(&torn).contains("was stopped"));
    assert!(contents(&whole) == contents(&torn) && shards > 5, "{shards}");
    // A shard that was damaged since is packed again, and those behind it.
    fs::write(torn.join("train-000001.tar"), b"damaged").expect("written");
    let done = pack(&failing(usize::MAX), &torn, &OPTIONS, &|_| ()).expect("packed");
    assert!(done.notes[0].contains("train-000001.tar is gone or has changed"), "{:?}", done.notes);
    assert!(contents(&whole) == contents(&torn));
}

#[test]
fn another_folder_is_asked_for() {
    let root = tempfile::tempdir().expect("a folder");
    let images = root.path().join("images");
    tree(&images);
    let out = root.path().join("out");
    put(&out, "notes.txt", "mine");
    assert_error(packed(&images, &out, OPTIONS), &["it has `notes.txt`", "--out"]);
    fs::remove_file(out.join("notes.txt")).expect("removed");
    packed(&images, &out, OPTIONS).expect("packed");
    let other = PackOptions { shard_size: 30_000, ..OPTIONS };
    assert_error(packed(&images, &out, other), &["shard_size is 20000 there and 30000 here", "--out"]);
    put(&images, "train/cat/more.png", png(20, 20, 5));
    assert_error(packed(&images, &out, OPTIONS), &["other data or options: other parts"]);
}

#[test]
fn unreadable_images_are_left_out_up_to_the_limit() {
    let root = tempfile::tempdir().expect("a folder");
    let images = root.path().join("images");
    tree(&images);
    put(&images, "train/cat/empty.jpg", b"");
    put(&images, "train/owl/text.png", b"no image");
    let out = root.path().join("out");
    assert_error(packed(&images, &out, OPTIONS), &["1 images can't be read", "empty.jpg", "data.bad_files"]);
    let done =
        packed(&images, &root.path().join("other"), PackOptions { bad_files: 2, ..OPTIONS }).expect("packed");
    let whys: Vec<&str> = done.left_out.iter().map(|left| left.why.as_str()).collect();
    assert!(whys[0].contains("empty.jpg") && whys[1].contains("text.png"), "{whys:?}");
    assert_eq!(done.shards.iter().map(|shard| shard.samples).sum::<usize>(), 28);
}

/// 60x90 pixels that are to be turned by 90 degrees.
fn turned_jpeg() -> Vec<u8> {
    let mut exif =
        b"\xFF\xE1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    let plain = jpeg(60, 90, 7);
    exif.splice(0..0, plain[..2].iter().copied());
    exif.extend(&plain[2..]);
    exif
}

/// Shrunk images keep format, channels and depth; smaller ones are copied.
#[test]
fn resizing_keeps_what_an_image_is() {
    let root = tempfile::tempdir().expect("a folder");
    let images = root.path().join("images");
    let grey = DynamicImage::from(rgb_image(80, 60, 1)).to_luma8();
    put(&images, "train/a.jpg", jpeg(90, 60, 1));
    put(&images, "train/b.jpg", encode(&grey.clone().into(), ImageFormat::Jpeg));
    put(&images, "train/c.png", encode(&DynamicImage::from(grey).to_luma16().into(), ImageFormat::Png));
    put(&images, "train/d.png", png(60, 91, 2));
    put(&images, "train/e.webp", encode(&rgb_image(70, 70, 3).into(), ImageFormat::WebP));
    put(&images, "train/small.png", png(20, 90, 4));
    let turned = turned_jpeg();
    put(&images, "train/turned.jpg", turned);
    put(&images, "test/x.png", png(20, 20, 1));
    let out = root.path().join("out");
    let options = PackOptions { resize: Some(Resize { side: 24, max_pixels: 7_000 }), ..OPTIONS };
    packed(&images, &out, options).expect("packed");
    let data = open(&DataSpec::at("webdataset", &out), Split::Train).expect("the shards");
    let of = |name: &str| {
        let index = (0..data.len()).find(|index| data.name(*index).as_deref() == Some(name)).expect("there");
        data.encoded(index).expect("a file").read().expect("bytes")
    };
    let decoded = |name: &str| image::load_from_memory(&of(name)).expect("an image");
    for (name, width, height, colour) in [
        ("a.jpg", 36, 24, image::ColorType::Rgb8),
        ("b.jpg", 32, 24, image::ColorType::L8),
        ("c.png", 32, 24, image::ColorType::L16),
        ("d.png", 24, 36, image::ColorType::Rgb8),
        // Lossless.
        ("e.png", 24, 24, image::ColorType::Rgb8),
    ] {
        let image = decoded(name);
        assert_eq!((image.width(), image.height(), image.color()), (width, height, colour), "{name}");
    }
    assert!(of("small.png") == fs::read(images.join("train/small.png")).expect("read"));
    // Upright, and without the tag that would turn it again.
    let turned = decoded("turned.jpg");
    assert_eq!((turned.width(), turned.height()), (36, 24));
    assert!(!of("turned.jpg").windows(4).any(|four| four == b"Exif"));
    // The reader's limit holds here too.
    let few = PackOptions { resize: Some(Resize { side: 24, max_pixels: 5_400 }), ..OPTIONS };
    let error = packed(&images, &root.path().join("few"), few);
    assert_error(error, &["d.png", "60x91 pixels, more than the limit of 5400"]);
    // What is told beforehand.
    let told = forecast(&parts(&images), &options).expect("told");
    let [train, test] = &told.parts[..] else { panic!("two parts") };
    assert_eq!((train.samples, train.shards, test.as_png, test.as_jpeg), (7, 1, 0.0, 0.0));
    assert!(train.as_png > 0.0 && train.as_jpeg > 0.0);
}

/// Pixels without files become PNGs that give the same pixels.
#[test]
fn pixels_become_png() {
    let root = tempfile::tempdir().expect("a folder");
    let spec = DataSpec::new("fashion-mnist");
    let data = open(&DataSpec { channels: 1, ..spec }, Split::Test).expect("the sample");
    let out = root.path().join("out");
    let part = PackPart::of(Split::Test, data.clone());
    let done =
        pack(&[part], &out, &PackOptions { shard_size: 1_000_000, ..OPTIONS }, &|_| ()).expect("packed");
    assert!(done.shards.len() > 1);
    // The only part there is.
    let spec = DataSpec { channels: 1, holdout: 0.0, ..DataSpec::at("webdataset", &out) };
    let read = open(&spec, Split::Train).expect("the shards");
    assert_same(&*data, &*read);
    let Samples::U8(pixels) = read.load(0).expect("an image").pixels else { panic!("8 bits") };
    assert_eq!(pixels.len(), 28 * 28);
}

const WEBDATASET: &str = r"
import sys, json, numpy as np, webdataset as wds
from PIL import Image
shards, images, names = sys.argv[1], sys.argv[2], sorted(json.loads(sys.argv[3]))
classes = open(shards + '/classes.txt').read().splitlines()
found = []
for part in ('train', 'test'):
    import glob
    urls = sorted(glob.glob(f'{shards}/{part}-*.tar'))
    for sample in wds.WebDataset(urls, shardshuffle=False, empty_check=False).decode('pil'):
        told = sample['json']
        image = sample['jpg'] if 'jpg' in sample else sample['png']
        path = f'{images}/{part}/' + told['name']
        assert np.array_equal(np.asarray(image), np.asarray(Image.open(path).convert('RGB'))), path
        assert classes[int(sample['cls'])] == told['class'] == told['name'].split('/')[0], told
        found.append(f'{part}/' + told['name'])
assert sorted(found) == names, (sorted(found), names)
print(len(found))
";

/// The package that gave the format its name reads every sample, pixel for pixel.
#[test]
fn the_webdataset_package_reads_what_is_packed() {
    let root = tempfile::tempdir().expect("a folder");
    let images = root.path().join("images");
    tree(&images);
    let out = root.path().join("out");
    packed(&images, &out, OPTIONS).expect("packed");
    let importable = Command::new("python3").args(["-c", "import webdataset, PIL, numpy"]).output();
    if !importable.is_ok_and(|output| output.status.success()) {
        eprintln!("passed over: python3 can't import webdataset");
        return;
    }
    let output =
        Command::new("python3").args(["-c", WEBDATASET]).args([&out, &images]).arg(names(&images)).output();
    let output = output.expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "28");
}

const DATASETS: &str = r"
import sys, io, json, glob, numpy as np, datasets
from PIL import Image
datasets.disable_progress_bars()
shards, images, names, cache = sys.argv[1], sys.argv[2], sorted(json.loads(sys.argv[3])), sys.argv[4]
found = []
for part in ('train', 'test'):
    files = sorted(glob.glob(f'{shards}/{part}-*.parquet'))
    data = datasets.load_dataset('parquet', data_files=files, cache_dir=cache)['train']
    label = data.features['label']
    assert isinstance(label, datasets.ClassLabel) and label.names == ['cat', 'dog', 'owl'], data.features
    raw = data.cast_column('image', datasets.Image(decode=False))
    for row, stored in zip(data, raw):
        name = stored['image']['path']
        path = f'{images}/{part}/{name}'
        assert stored['image']['bytes'] == open(path, 'rb').read(), path
        assert np.array_equal(np.asarray(row['image']), np.asarray(Image.open(path))), path
        assert label.int2str(row['label']) == name.split('/')[0], row
        found.append(f'{part}/{name}')
assert sorted(found) == names, (sorted(found), names)
print(len(found))
";

/// Hugging Face's package reads every image, pixel for pixel, and the names of the classes.
#[test]
fn the_datasets_package_reads_what_is_packed() {
    let root = tempfile::tempdir().expect("a folder");
    let (images, out) = (root.path().join("images"), root.path().join("out"));
    tree(&images);
    packed(&images, &out, PackOptions { format: PackFormat::Parquet, ..OPTIONS }).expect("packed");
    // `datasets` elsewhere may be a folder of that name, which is imported as nothing.
    let importable =
        Command::new("python3").args(["-c", "import datasets, PIL, numpy; datasets.Image"]).output();
    if !importable.is_ok_and(|output| output.status.success()) {
        eprintln!("passed over: python3 can't import datasets");
        return;
    }
    let mut command = Command::new("python3");
    command.args(["-c", DATASETS]).args([&out, &images]).arg(names(&images)).arg(root.path().join("cache"));
    let output = command.env("HF_HOME", root.path()).output().expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "28");
}

/// The samples of both parts, as JSON.
fn names(images: &Path) -> String {
    let of = |part: &PackPart| {
        let name = |i| format!("{}/{}", part.split, part.data.name(i).expect("a name"));
        (0..part.data.len()).map(name).collect::<Vec<_>>()
    };
    serde_json::to_string(&parts(images).iter().flat_map(of).collect::<Vec<_>>()).expect("JSON")
}
