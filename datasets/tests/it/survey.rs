//! What data are like, against NumPy and by hand.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use palimpsest_core::data::{Dataset, Split};
use palimpsest_datasets::scaling::{Scale, Scaling};
use palimpsest_datasets::survey::{ClassCount, Survey, SurveyOptions, survey};
use palimpsest_datasets::{DataSpec, open};

use crate::files::{Numbered, encode, jpeg, png, put, rgb_image};

const OPTIONS: SurveyOptions = SurveyOptions {
    limit: 0,
    seed: 0,
    channels: 3,
    page: 0,
    scaling: Scaling { scale: Scale::TypeRange, nan: None },
};

fn of(root: &Path, options: SurveyOptions) -> Survey {
    let spec = DataSpec { channels: options.channels, ..DataSpec::at("folder", root) };
    let parts = [Split::Train, Split::Test].map(|split| (split, open(&spec, split).expect("a part")));
    survey(&parts, options, &mut |_, _| ()).expect("a survey")
}

/// Two classes in two parts: five sound images to train on, two to test on, one broken.
fn tree(root: &Path) {
    put(root, "train/cat/a.png", png(20, 10, 1));
    put(root, "train/cat/b.v1.jpg", jpeg(30, 30, 2));
    put(root, "train/cat/c.png", png(20, 10, 1));
    put(root, "train/dog/d.png", png(7, 40, 3));
    put(root, "train/dog/e.png", png(20, 10, 1));
    put(root, "train/dog/broken.jpg", &jpeg(30, 30, 2)[..200]);
    put(
        root,
        "train/owl/grey.png",
        encode(&GrayImage::from_pixel(9, 9, Luma([77])).into(), ImageFormat::Png),
    );
    put(root, "test/cat/f.png", encode(&rgb_image(20, 10, 1).into(), ImageFormat::WebP));
    put(root, "test/dog/g.png", png(64, 48, 9));
}

#[test]
fn everything_is_found() {
    let root = tempfile::tempdir().expect("a folder");
    tree(root.path());
    let found = of(root.path(), OPTIONS);
    let [train, test] = &found.parts[..] else { panic!("two parts") };
    assert_eq!((train.part.as_str(), train.of, train.images, train.grey), ("train", 7, 7, 1));
    assert_eq!(train.broken.len(), 1);
    assert!(train.broken[0].location.ends_with("train/dog/broken.jpg"), "{:?}", train.broken);
    assert!(train.broken[0].why.contains("truncated"), "{:?}", train.broken);
    let formats: Vec<(&str, usize)> =
        train.formats.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(formats, [("JPEG", 2), ("PNG", 5)]);
    // By its content, not by its name.
    assert_eq!(test.formats.keys().map(String::as_str).collect::<Vec<_>>(), ["PNG", "WebP"]);
    let count = |class: &str, images| ClassCount { class: class.to_owned(), images };
    assert_eq!(train.classes, [count("cat", 3), count("dog", 3), count("owl", 1)]);
    assert_eq!(test.empty_classes(), ["owl"]);
    let sizes = train.sizes.as_ref().expect("sizes");
    assert_eq!((sizes.width.least, sizes.width.median, sizes.width.most), (7.0, 20.0, 30.0));
    assert_eq!((sizes.height.least, sizes.height.median, sizes.height.most), (9.0, 10.0, 40.0));
    assert_eq!(sizes.aspect.least, 7.0 / 40.0);
    // a, c and e are one image, in both classes; and so is f, lossless, among those that are tested on.
    let duplicates = &found.duplicates;
    assert_eq!((duplicates.leaked, duplicates.contradictions, duplicates.repeated), (1, 1, 2));
    let [group] = &duplicates.groups[..] else { panic!("one group: {duplicates:?}") };
    assert!(group.across && group.contradiction);
    let names: Vec<&str> =
        group.images.iter().map(|twin| twin.location.rsplit('/').next().expect("a name")).collect();
    assert_eq!(names, ["a.png", "c.png", "e.png", "f.png"]);
    let classes: Vec<&str> =
        group.images.iter().map(|twin| twin.class.as_deref().expect("a class")).collect();
    assert_eq!(classes, ["cat", "cat", "dog", "cat"]);
}

/// Some of the images, the same for a seed, and figures that no number of threads changes.
#[test]
fn a_draw_is_the_seeds() {
    let data: Arc<dyn Dataset> = Arc::new(Numbered::new(2000, &[3]));
    let surveyed = |limit, seed| {
        let parts = [(Split::Train, data.clone())];
        survey(&parts, SurveyOptions { limit, seed, ..OPTIONS }, &mut |_, _| ()).expect("a survey")
    };
    let text = |survey: &Survey| serde_json::to_string(survey).expect("JSON");
    let some = surveyed(500, 1);
    assert_eq!((some.parts[0].images, some.parts[0].of), (500, 2000));
    assert_eq!(text(&some), text(&surveyed(500, 1)));
    assert_ne!(text(&some), text(&surveyed(500, 2)));
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    assert_eq!(text(&surveyed(0, 0)), one.install(|| text(&surveyed(0, 0))));
    assert_eq!(surveyed(0, 0).parts[0].broken.len(), 1);
}

const NUMPY: &str = r"
import sys, numpy as np
from PIL import Image
images = [np.asarray(Image.open(p).convert('RGB')).astype(np.float64).reshape(-1, 3) / 255 for p in sys.argv[1:]]
pixels = np.concatenate(images)
print(*pixels.mean(0), *pixels.std(0))
";

/// The figures are those of `numpy.mean` and `numpy.std` over the same pixels.
#[test]
fn means_and_deviations_are_numpys() {
    let root = tempfile::tempdir().expect("a folder");
    let paths: Vec<_> =
        (0..7).map(|i| put(root.path(), &format!("{i}.png"), png(10 + 13 * i, 50 - 6 * i, i))).collect();
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at("folder", root.path()) };
    let parts = [(Split::Train, open(&spec, Split::Train).expect("a part"))];
    let found = survey(&parts, OPTIONS, &mut |_, _| ()).expect("a survey");
    let output = Command::new("python3").args(["-c", NUMPY]).args(&paths).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        eprintln!("passed over: python3 can't import numpy and PIL");
        return;
    };
    let text = String::from_utf8(output.stdout).expect("text");
    let wanted: Vec<f64> = text.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let channels = &found.parts[0].channels;
    for (channel, wanted) in channels.iter().zip(wanted.as_chunks::<3>().0.iter().flatten().take(3)) {
        // Sums of 8-bit values are exact here, those of NumPy are pairwise in f64.
        assert!((channel.mean - wanted).abs() < 1e-12, "{} {wanted}", channel.mean);
    }
    for (channel, wanted) in channels.iter().zip(&wanted[3..]) {
        assert!((channel.std - wanted).abs() < 1e-9, "{} {wanted}", channel.std);
    }
}

/// Without another program: two images whose figures are plain.
#[test]
fn large_images_count_by_their_area() {
    let root = tempfile::tempdir().expect("a folder");
    let grey = |side, value| -> DynamicImage { GrayImage::from_pixel(side, side, Luma([value])).into() };
    put(root.path(), "black.png", encode(&grey(30, 0), ImageFormat::Png));
    put(root.path(), "white.png", encode(&grey(10, 255), ImageFormat::Png));
    let spec = DataSpec { holdout: 0.0, channels: 1, ..DataSpec::at("folder", root.path()) };
    let parts = [(Split::Train, open(&spec, Split::Train).expect("a part"))];
    let found = survey(&parts, SurveyOptions { channels: 1, ..OPTIONS }, &mut |_, _| ()).expect("a survey");
    let [channel] = &found.parts[0].channels[..] else { panic!("one channel") };
    // A tenth of the pixels are 1: the mean is 0.1 and the variance 0.1 - 0.01.
    assert!((channel.mean - 0.1).abs() < 1e-15, "{}", channel.mean);
    assert!((channel.std - 0.3).abs() < 1e-15, "{}", channel.std);
    assert_eq!((channel.levels[0], channel.levels[255]), (900, 100));
    assert!(found.parts[0].is_grey());
    assert_eq!(found.parts[0].square(), None);
}

/// Images whose numbers are of other types: each is scaled by its own range. As tifffile, Pillow and NumPy wrote them.
#[test]
fn mixed_types_of_numbers_are_told() {
    let root = tempfile::tempdir().expect("a folder");
    let files =
        ["grey8_lzw.tif", "grey16.png", "rgb16_big_endian.tif", "float_tiled.tif", "int16.npy", "float.npy"];
    for name in files {
        put(
            root.path(),
            &format!("train/{name}"),
            std::fs::read(crate::files::fixture("scientific").join(name)).expect("read"),
        );
    }
    put(root.path(), "train/a.jpg", jpeg(8, 8, 1));
    put(
        root.path(),
        "train/palette.tif",
        std::fs::read(crate::files::fixture("scientific/bits1.tif")).expect("read"),
    );
    put(root.path(), "test/a.png", png(8, 8, 1));
    let found = of(root.path(), OPTIONS);
    let stored: Vec<(&str, usize)> =
        found.parts[0].stored.iter().map(|(kind, files)| (kind.as_str(), *files)).collect();
    assert_eq!(stored, [("16-bit", 2), ("16-bit signed", 1), ("32-bit float", 2), ("8-bit", 3)]);
    assert_eq!(found.parts[1].stored.keys().collect::<Vec<_>>(), ["8-bit"]);
}

const VALUES: &str = r"
import sys, numpy as np, tifffile
from PIL import Image
def stored(path):
    if path.endswith('.npy'): return np.load(path)
    if path.endswith('.tif'): return tifffile.imread(path)
    return np.asarray(Image.open(path))
for path in sys.argv[1:]:
    values = stored(path).astype(np.float64)
    values = values[np.isfinite(values)]
    print(float(values.min()), float(values.max()))
";

/// What `data.range` is chosen by: the numbers of the files as tifffile, Pillow and NumPy read them, whatever the recipe
/// makes of them, also of files that it can't read without a range.
#[test]
fn the_least_and_greatest_stored_values() {
    let files = ["grey8_lzw.tif", "grey16.png", "grey16.tif", "int16.npy", "float.npy"];
    let files: Vec<_> = files.iter().map(|name| crate::files::fixture("scientific").join(name)).collect();
    let files: Vec<_> = files.into_iter().filter(|path| path.is_file()).collect();
    assert!(files.len() > 3);
    let output = Command::new("python3").args(["-c", VALUES]).args(&files).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        eprintln!("passed over: python3 can't import numpy, PIL and tifffile");
        return;
    };
    let text = String::from_utf8(output.stdout).expect("text");
    for (file, line) in files.iter().zip(text.lines()) {
        let wanted: Vec<f64> =
            line.split_whitespace().map(|value| value.parse().expect("a number")).collect();
        let root = tempfile::tempdir().expect("a folder");
        put(
            root.path(),
            file.file_name().expect("a name").to_str().expect("text"),
            std::fs::read(file).expect("read"),
        );
        for scale in [Scale::TypeRange, Scale::Range(0.0, 4095.0), Scale::Percentiles(1.0, 99.0)] {
            let scaling = Scaling { scale, nan: None };
            let spec = DataSpec { holdout: 0.0, channels: 1, scaling, ..DataSpec::at("folder", root.path()) };
            let parts = [(Split::Train, open(&spec, Split::Train).expect("a part"))];
            let options = SurveyOptions { channels: 1, scaling, ..OPTIONS };
            let found = survey(&parts, options, &mut |_, _| ()).expect("a survey");
            let values = found.parts[0].stored_values.expect("values");
            // Rounded to 32-bit floats.
            let near = |value: f64, wanted: f64| (value - wanted).abs() <= wanted.abs() * 1e-7;
            assert!(
                near(values.least, wanted[0]) && near(values.most, wanted[1]),
                "{values:?} {line} {file:?}"
            );
        }
    }
    // Of two files the outer ones.
    let data: Arc<dyn Dataset> = Arc::new(Numbered::new(3, &[3]));
    let found = survey(&[(Split::Train, data)], OPTIONS, &mut |_, _| ()).expect("a survey");
    assert!(found.parts[0].stored_values.is_some());
}
