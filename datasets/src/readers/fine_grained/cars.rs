//! Stanford Cars (Krause et al. 2013), with the development kit's MATLAB files.

use std::path::Path;
use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::{Error, Result};

use crate::decode::DecodeOptions;
use crate::formats::unpacked::unpacked;
use crate::image_list::ImageList;
use crate::mat5::{named, read_file};
use crate::reader::{ImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// Opens a part.
///
/// # Errors
/// A file that is missing or broken; a class that cars_meta.mat doesn't name.
pub fn open(path: &Path, split: Split, options: DecodeOptions) -> Result<ImageList> {
    let root = unpacked(path, &["stanford_cars"], "devkit")?;
    let devkit = root.join("devkit");
    let meta = devkit.join("cars_meta.mat");
    let names = read_file(&meta)?;
    let classes: Vec<String> = named(&names, "class_names")
        .and_then(|v| v.cells()?.iter().map(|name| Ok(name.text()?.to_owned())).collect())
        .map_err(|e| e.at(meta.display()))?;
    let (annotations, images) = match split {
        Split::Train => (devkit.join("cars_train_annos.mat"), root.join("cars_train")),
        // The labels of the test part came later, as a file of their own.
        Split::Test => {
            let name = "cars_test_annos_withlabels.mat";
            let beside = root.join(name);
            (if beside.is_file() { beside } else { devkit.join(name) }, root.join("cars_test"))
        }
    };
    let file = read_file(&annotations)?;
    let mut list = ImageList::new(images, classes, options);
    let rows =
        named(&file, "annotations").and_then(|v| v.structs()).map_err(|e| e.at(annotations.display()))?;
    for (i, row) in rows.iter().enumerate() {
        let mut add = || {
            let class = named(row, "class")?.index()?;
            let label = class.checked_sub(1).ok_or_else(|| {
                Error::user("class 0, where they begin with 1")
                    .help("copy the file again as it is distributed")
            })?;
            list.push(named(row, "fname")?.text()?, label as u32)
        };
        add().map_err(|e| e.at(format_args!("{}: annotation {}", annotations.display(), i + 1)))?;
    }
    list.filled(&annotations)
}

/// `cars`
pub struct Cars;

impl Reader for Cars {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened> {
        let list = open(spec.path()?, split, spec.decode(keys.max_pixels))?;
        let part = if split == Split::Train { "cars_train" } else { "cars_test" };
        Ok(Opened::new(Arc::new(list) as Arc<dyn Dataset>).part(part))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Cars>(
        "cars",
        "Stanford Cars: 8,144 + 8,041 images, 196 classes",
        "devkit/{cars_meta,cars_train_annos}.mat, cars_test_annos_withlabels.mat (here or in devkit/), cars_train/, cars_test/",
    )
}
