//! Semantic segmentation of Pascal VOC (Everingham et al. 2010): palette PNGs, 255 is ignored.

use palimpsest_core::{Error, Result};
use palimpsest_targets::SegmentationData;

use super::paired::{PairedFiles, plain_labels};
use crate::detection::voc_files::{ImagesByName, lists, lists_folder, name_on, voc_root};
use crate::detection::voc_xml::{CLASSES, Voc, is_background, stranger, told_classes};
use crate::formats::image_files::{regular_files, stem};
use crate::formats::target_files::NamedTargetFiles;
use crate::formats::text_lines::TextLines;
use crate::reader::{Opened, Reader};
use crate::spec::DataSpec;
use crate::split::{Split, held_out, key_below};

impl Reader<dyn SegmentationData> for Voc {
    type Settings = NamedTargetFiles;

    /// Opens `train`, or `val` as the test part: 1,464 and 1,449 images in VOC 2012, 21 classes with the background
    /// first. Without lists, all label maps, of which a part is held out.
    fn open(keys: &NamedTargetFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn SegmentationData>> {
        let root = voc_root(spec.path()?)?;
        let (folder, maps) = (lists_folder(&root, "Segmentation"), root.join("SegmentationClass"));
        let map_of = |name: &str| maps.join(format!("{name}.png"));
        let images = ImagesByName::of(&root.join("JPEGImages"))?;
        let image_of = |name: &str| {
            images.find(name, None).cloned().unwrap_or_else(|| root.join(format!("JPEGImages/{name}.jpg")))
        };
        let names_of = |part: &str| -> Result<Vec<String>> {
            let lines = TextLines::read(&folder.join(format!("{part}.txt")))?;
            let mut names: Vec<String> = vec![];
            let mut known = std::collections::HashSet::new();
            for line in lines.lines() {
                let name = name_on(&line, |name| map_of(name).is_file()).to_owned();
                if !known.insert(name.clone()) {
                    return Err(line
                        .at(Error::user(format!("`{name}` is listed twice")).help("list each image once")));
                }
                names.push(name);
            }
            Ok(names)
        };
        let lists = lists(&folder)?;
        let mut found = None;
        for part in lists.candidates(split) {
            let names = names_of(part)?;
            // Test images come without label maps; one map that is missing is another matter.
            let has_maps = names.iter().any(|name| map_of(name).is_file());
            if has_maps || found.is_none() {
                found = Some((part.to_owned(), names));
            }
            if has_maps {
                break;
            }
        }
        let mut notes = vec![];
        let (part, names) = match found {
            Some(found) => found,
            None if lists.is_empty() && maps.is_dir() => {
                let all = regular_files(&maps)?
                    .into_iter()
                    .filter(|map| map.extension().is_some_and(|e| e == "png"));
                let held = held_out(all.collect(), spec, split, |map| key_below(&root, map))
                    .map_err(|e| e.at(maps.display()))?;
                notes.extend(held.note);
                (held.part.unwrap_or_default(), held.items.iter().map(|map| stem(map)).collect())
            }
            None => {
                return Err(Error::user(format!("no list of the {split} part"))
                    .at(folder.display())
                    .help("write train.txt and val.txt, or remove the lists"));
            }
        };
        let pairs = names.iter().map(|name| [image_of(name), map_of(name)]).collect();
        let mut classes = match (&keys.classes[..], told_classes(&root)?) {
            ([], Some(told)) => told.into_iter().filter(|name| name != "__ignore__").collect(),
            ([], None) => match stranger(&root) {
                None => CLASSES.map(str::to_owned).to_vec(),
                Some(name) => {
                    return Err(Error::user(format!(
                        "`{name}` is no class of VOC's, and no list says which label is which class"
                    ))
                    .at(root.display())
                    .help("write the classes to classes.txt in the order of the labels, or set data.reader.classes"));
                }
            },
            (known, _) => known.to_vec(),
        };
        if !classes.first().is_some_and(|first| is_background(first)) {
            if let Some(at) = classes.iter().position(|name| is_background(name)) {
                return Err(Error::user(format!(
                    "the background is class {at}, and VOC's maps have it as 0"
                ))
                .at(root.display())
                .help("list the classes in the order of the labels, or use data.name=index-png"));
            }
            classes.insert(0, "background".to_owned());
        }
        let meaning = plain_labels(classes.len());
        let list = PairedFiles::new(&folder, pairs, classes, meaning, keys.decode(spec))?;
        Ok(list.opened(part).notes(notes))
    }
}
