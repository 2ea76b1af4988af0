//! FGVC-Aircraft 2013b (Maji et al. 2013), at any of its three levels.

use std::path::Path;
use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_core::data::Dataset;
use palimpsest_core::error::unknown_name;

use crate::decode::DecodeOptions;
use crate::formats::text_lines::TextLines;
use crate::formats::unpacked::unpacked;
use crate::image_list::ImageList;
use crate::reader::{ImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// What a class is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As Boeing 737-700.
    Variant,
    /// As Boeing 737.
    Family,
    /// As Boeing.
    Manufacturer,
}

fn part_name(split: Split) -> &'static str {
    if split == Split::Train { "trainval" } else { "test" }
}

/// Opens the images of `trainval`, or of `test`.
///
/// # Errors
/// A list or image that is missing, an unknown class.
pub fn open(path: &Path, level: Level, split: Split, options: DecodeOptions) -> Result<ImageList> {
    let (names, level) = match level {
        Level::Variant => ("variants.txt", "variant"),
        Level::Family => ("families.txt", "family"),
        Level::Manufacturer => ("manufacturers.txt", "manufacturer"),
    };
    let root = unpacked(path, &["data", "fgvc-aircraft-2013b/data"], names)?;
    let classes = TextLines::read(&root.join(names))?.entries()?;
    let part = part_name(split);
    let location = root.join(format!("images_{level}_{part}.txt"));
    let lines = TextLines::read(&location)?;
    let mut list = ImageList::new(root.join("images"), classes.clone(), options);
    for line in lines.lines() {
        let (image, class) = line.key_and_rest("IMAGE CLASS")?;
        let label = classes
            .iter()
            .position(|c| c == class)
            .ok_or_else(|| line.at(unknown_name("class", class, classes.iter().map(String::as_str))))?;
        list.push(&format!("{image}.jpg"), label as u32).map_err(|e| line.at(e))?;
    }
    list.filled(&location)
}

/// `aircraft`, `aircraft-family` and `aircraft-manufacturer`: the levels from the finest on.
pub struct Aircraft<const LEVEL: usize>;

impl<const LEVEL: usize> Reader for Aircraft<LEVEL> {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened> {
        let level = [Level::Variant, Level::Family, Level::Manufacturer][LEVEL];
        let list = open(spec.path()?, level, split, spec.decode(keys.max_pixels))?;
        Ok(Opened::new(Arc::new(list) as Arc<dyn Dataset>).part(part_name(split)))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Aircraft<0>>(
        "aircraft",
        "FGVC-Aircraft 2013b, variants: 6,667 + 3,333 images, 100 classes",
        "fgvc-aircraft-2013b/data/{variants.txt,images_variant_{trainval,test}.txt,images/}",
    )
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Aircraft<1>>(
        "aircraft-family",
        "FGVC-Aircraft 2013b, families: the same images, 70 classes",
        "as aircraft, with families.txt and images_family_*.txt",
    )
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Aircraft<2>>(
        "aircraft-manufacturer",
        "FGVC-Aircraft 2013b, manufacturers: the same images, 30 classes",
        "as aircraft, with manufacturers.txt and images_manufacturer_*.txt",
    )
}
