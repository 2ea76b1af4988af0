//! Oxford-IIIT Pets (Parkhi et al. 2012): the class is in the file's name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::{Error, Result};

use crate::decode::DecodeOptions;
use crate::formats::text_lines::TextLines;
use crate::formats::unpacked::unpacked;
use crate::image_list::ImageList;
use crate::reader::{ImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

fn part_name(split: Split) -> &'static str {
    if split == Split::Train { "trainval" } else { "test" }
}

/// Opens the images of trainval.txt, or of test.txt.
///
/// # Errors
/// A list or image that is missing, a class with two names or none.
pub fn open(path: &Path, split: Split, options: DecodeOptions) -> Result<ImageList> {
    let root = unpacked(path, &["oxford-iiit-pet"], "annotations")?;
    let list_of = |part: &str| root.join(format!("annotations/{part}.txt"));
    let part = part_name(split);
    // Both parts have all classes; the training part names them.
    let (training, own) = (TextLines::read(&list_of("trainval"))?, TextLines::read(&list_of(part))?);
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    for line in training.lines() {
        let (class, name, _) = row(&line)?;
        let known = names.entry(class).or_insert_with(|| name.clone());
        if *known != name {
            return Err(line.at(Error::user(format!("class {class} is `{name}` here and `{known}` above"))
                .help("copy the list again as it is distributed")));
        }
    }
    let label_of: BTreeMap<u32, u32> = names.keys().zip(0..).map(|(&class, label)| (class, label)).collect();
    let mut list = ImageList::new(root.join("images"), names.into_values().collect(), options);
    for line in own.lines() {
        let (class, name, image) = row(&line)?;
        let label = label_of.get(&class).ok_or_else(|| {
            line.at(Error::user(format!("unknown class {class} (`{name}`)"))
                .help("use the classes of annotations/trainval.txt"))
        })?;
        list.push(&format!("{image}.jpg"), *label).map_err(|e| line.at(e))?;
    }
    list.filled(&list_of(part))
}

/// Class, its name and the image of a line such as `american_bulldog_100 2 2 1`.
fn row(line: &crate::formats::text_lines::Line<'_>) -> Result<(u32, String, String)> {
    let (image, rest) = line.key_and_rest("IMAGE CLASS SPECIES BREED")?;
    let class = rest.split_whitespace().next().unwrap_or_default();
    let (name, _) = image.rsplit_once('_').unwrap_or((image, ""));
    Ok((line.number(class, "class")?, name.replace('_', " "), image.to_owned()))
}

/// `pets`
pub struct Pets;

impl Reader for Pets {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened> {
        let list = open(spec.path()?, split, spec.decode(keys.max_pixels))?;
        Ok(Opened::new(Arc::new(list) as Arc<dyn Dataset>).part(part_name(split)))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Pets>(
        "pets",
        "Oxford-IIIT Pets: 3,680 + 3,669 images, 37 classes",
        "annotations/{trainval,test}.txt, images/",
    )
}
