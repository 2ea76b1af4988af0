//! A sample of Fashion-MNIST inside the library: see `embedded/README.md`.

use std::sync::{Arc, OnceLock};

use flate2::read::GzDecoder;
use palimpsest_core::Result;
use palimpsest_core::data::Dataset;

use crate::idx::{IdxArray, IdxDataset};
use crate::reader::{NoKeys, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// The class names of Fashion-MNIST, by label.
pub const FASHION_MNIST_CLASSES: [&str; 10] = [
    "t-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
];

const FILES: [[&[u8]; 2]; 2] = [
    [
        include_bytes!("../../embedded/train-images-idx3-ubyte.gz"),
        include_bytes!("../../embedded/train-labels-idx1-ubyte.gz"),
    ],
    [
        include_bytes!("../../embedded/test-images-idx3-ubyte.gz"),
        include_bytes!("../../embedded/test-labels-idx1-ubyte.gz"),
    ],
];

/// 8,000 training or 2,000 test images of Fashion-MNIST, 28x28 grey, ten balanced classes. They
/// are unpacked on first use and shared from then on.
///
/// # Errors
/// None that a sound build can have.
pub fn fashion_mnist(split: Split) -> Result<Arc<dyn Dataset>> {
    static UNPACKED: [OnceLock<Result<Arc<IdxDataset>>>; 2] = [const { OnceLock::new() }; 2];
    let which = usize::from(split == Split::Test);
    let data = UNPACKED[which].get_or_init(|| {
        let [images, labels] = FILES[which].map(|file| IdxArray::parse(GzDecoder::new(file)));
        let classes = FASHION_MNIST_CLASSES.map(str::to_owned).to_vec();
        let location = format!("fashion-mnist ({split})");
        IdxDataset::from_arrays(images?, Some(labels?), Some(classes), &location).map(Arc::new)
    });
    data.clone().map(|data| data as Arc<dyn Dataset>)
}

/// `fashion-mnist`
pub struct FashionMnist;

impl Reader for FashionMnist {
    type Settings = NoKeys;

    fn open(_: &NoKeys, spec: &DataSpec, split: Split) -> Result<Opened> {
        spec.no_path()?;
        spec.of_8_bits()?;
        fashion_mnist(split).map(Opened::new)
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<FashionMnist>(
        "fashion-mnist",
        "embedded sample of Fashion-MNIST: 8,000 + 2,000 images, 28x28 grey, 10 classes",
        "nothing: it is part of the program",
    )
}
