//! Files for the tests: images, folders of them, and counting data sets.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use image::{DynamicImage, ImageFormat, RgbImage};
use palimpsest_core::data::{Dataset, Image, Image8};
use palimpsest_core::{Error, Result};

/// An image whose samples have 8 bits, as those bytes.
pub(crate) fn bytes(image: Image) -> Image8 {
    image.into_8_bit().expect("8-bit samples")
}

/// A smooth image that differs by `seed`.
pub(crate) fn rgb_image(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 5 + seed * 31) as u8, (y * 3 + seed * 17) as u8, ((x + y) * 2 + seed) as u8])
    })
}

pub(crate) fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("encodes");
    bytes.into_inner()
}

pub(crate) fn png(width: u32, height: u32, seed: u32) -> Vec<u8> {
    encode(&rgb_image(width, height, seed).into(), ImageFormat::Png)
}

pub(crate) fn jpeg(width: u32, height: u32, seed: u32) -> Vec<u8> {
    encode(&rgb_image(width, height, seed).into(), ImageFormat::Jpeg)
}

/// Writes a file and the folders above it.
pub(crate) fn put(root: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().expect("has a folder")).expect("makes the folder");
    std::fs::write(&path, bytes).expect("writes the file");
    path
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The error's text, which must have every one of `parts`.
#[track_caller]
pub(crate) fn assert_error<T>(result: Result<T>, parts: &[&str]) {
    let text = result.err().expect("an error").to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(!text.contains('\n'), "more than one line: {text}");
}

/// Images whose pixels tell their index. Those in `broken` can't be read; it counts what is.
pub(crate) struct Numbered {
    pub(crate) len: usize,
    pub(crate) broken: Vec<usize>,
    pub(crate) loads: AtomicUsize,
    pub(crate) panics_at: Option<usize>,
}

impl Numbered {
    pub(crate) fn new(len: usize, broken: &[usize]) -> Self {
        Self { len, broken: broken.to_vec(), loads: AtomicUsize::new(0), panics_at: None }
    }
}

impl Dataset for Numbered {
    fn len(&self) -> usize {
        self.len
    }
    fn classes(&self) -> &[String] {
        &[]
    }
    fn label(&self, index: usize) -> Option<u32> {
        (!index.is_multiple_of(3)).then_some(index as u32)
    }
    fn load(&self, index: usize) -> Result<Image> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        assert_ne!(self.panics_at, Some(index), "a fault of the reader");
        if self.broken.contains(&index) {
            return Err(Error::user("broken image").at(self.location(index)).help("remove it"));
        }
        let pixels: Vec<u8> = (0..20 * 16 * 3).map(|i| (i * 7 + index * 13) as u8).collect();
        Ok(Image { width: 20, height: 16, channels: 3, pixels }.into())
    }
    fn location(&self, index: usize) -> String {
        format!("numbered/{index}.jpg")
    }
}
