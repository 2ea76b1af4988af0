//! What is named like an image and is none, and files that claim more than they hold.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use palimpsest_datasets::decode::{DecodeOptions, decode_file};
use palimpsest_datasets::idx::{IdxArray, IdxDataset};
use palimpsest_datasets::image_header::ImageHeader;
use palimpsest_datasets::{DataSpec, Split, open, open_detection};

use crate::files::{assert_error, jpeg, put};

#[cfg(unix)]
#[test]
fn pipes_and_sockets_are_never_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "classes.txt", "cat\n");
    put(root, "images/train/a.jpg", jpeg(6, 4, 1));
    put(root, "labels/train/a.txt", "0 0.5 0.5 0.2 0.2\n");
    let pipe = root.join("images/train/pipe.jpg");
    let made = Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success());
    assert!(made, "mkfifo");
    let _socket =
        std::os::unix::net::UnixListener::bind(root.join("images/train/socket.png")).expect("a socket");
    std::os::unix::fs::symlink("/dev/zero", root.join("images/train/zero.png")).expect("a link");
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at("yolo", root) };
    assert_eq!(open_detection(&spec, Split::Train).expect("opens").dataset.len(), 1);
    for name in ["pipe.jpg", "socket.png", "zero.png"] {
        let path = root.join("images/train").join(name);
        assert_error(decode_file(&path, DecodeOptions::default()), &[name, "not a regular file"]);
        assert_eq!(ImageHeader::of_file(&path), None);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(vec![], Compression::best());
    out.write_all(bytes).expect("packs");
    out.finish().expect("packs")
}

#[test]
fn idx_files_that_claim_gigabytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let header =
        |count: u32| [&[0, 0, 8, 3][..], &count.to_be_bytes(), &[0, 0, 4, 0], &[0, 0, 4, 0]].concat();
    let claims = [&header(9000)[..], &[0; 1 << 16]].concat();
    for (bytes, part) in [
        (gzip(&claims), "9437184000 bytes, far more than the file holds; "),
        (claims, "9437184000 bytes, but 65536 follow; "),
    ] {
        let path = put(folder.path(), "a-images-idx3-ubyte", bytes);
        assert_error(IdxArray::read(&path), &["a-images-idx3-ubyte", part]);
    }
    // Black images are no bomb.
    let black = [&header(4)[..], &[0; 4 << 20]].concat();
    let path = put(folder.path(), "black.gz", gzip(&black));
    assert_eq!(IdxArray::read(&path).expect("reads").shape, [4, 1024, 1024]);
}

#[test]
fn idx_parts_by_the_usual_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let images = |count: u8| {
        [&[0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 1, 0, 0, 0, 1][..], &vec![1; count.into()]].concat()
    };
    let labels = |count: u8| [&[0, 0, 8, 1, 0, 0, 0, count][..], &vec![0; count.into()]].concat();
    put(root, "emnist-letters-Training-images-idx3-ubyte", images(3));
    put(root, "emnist-letters-Training-labels-idx1-ubyte.gz", gzip(&labels(3)));
    put(root, "emnist-letters-valid-images.idx3-ubyte", images(2));
    put(root, "emnist-letters-valid-labels.idx1-ubyte", labels(2));
    let spec = DataSpec::at("idx", root);
    for (split, count) in [(Split::Train, 3), (Split::Test, 2)] {
        let data = open(&spec, split).expect("opens");
        assert_eq!((data.len(), data.label(0)), (count, Some(0)));
    }
    put(root, "t10k-images-idx3-ubyte", images(4));
    assert_eq!(open(&spec, Split::Test).expect("opens").len(), 4, "the test part first");
    put(root, "emnist-digits-train-images-idx3-ubyte", images(5));
    assert_error(
        IdxDataset::find(root, false),
        &["emnist-digits-train`, `emnist-letters-Training", "folder of its own"],
    );
}

/// The most memory that this process had, in kB.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Decodes the image that [`a_large_image_costs_three_times_its_pixels`] names, in a process of its own.
#[test]
fn decode_and_tell() {
    let Ok(path) = std::env::var("PALIMPSEST_DECODE") else { return };
    let before = most_memory().expect("Linux");
    let image = decode_file(Path::new(&path), DecodeOptions::default()).expect("decodes");
    let taken = most_memory().expect("Linux") - before;
    let own = image.pixels.len() as u64 / 1024;
    assert!(taken <= 3 * own + 4096, "{path}: {taken} kB for an image of {own} kB");
}

#[test]
fn a_large_image_costs_three_times_its_pixels() {
    use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, Rgba};
    if most_memory().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (width, height) = (2400, 1600);
    let deep = ImageBuffer::from_fn(width, height, |x, y| Rgba([x as u16, y as u16, 9, 65_535]));
    let colour = ImageBuffer::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 9]));
    let grey = ImageBuffer::from_fn(width, height, |x, _| Luma([x as u8]));
    let images = [
        ("deep.png", DynamicImage::ImageRgba16(deep), ImageFormat::Png),
        ("colour.jpg", DynamicImage::ImageRgb8(colour), ImageFormat::Jpeg),
        ("grey.png", DynamicImage::ImageLuma8(grey), ImageFormat::Png),
    ];
    for (name, image, format) in images {
        let mut bytes = crate::files::encode(&image, format);
        if format == ImageFormat::Jpeg {
            // Turned upright, which takes a copy.
            let exif =
                b"\xFF\xE1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
            bytes.splice(2..2, exif.iter().copied());
        }
        let path = put(folder.path(), name, bytes);
        let own = std::env::current_exe().expect("its own program");
        let done = Command::new(own)
            .args(["--exact", "not_files::decode_and_tell", "--nocapture"])
            .env("PALIMPSEST_DECODE", &path)
            .output()
            .expect("runs");
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name}: {told}");
    }
}
