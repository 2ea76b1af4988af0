//! Pascal VOC's XML (Everingham et al. 2010), and sets that others write in its form.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};
use palimpsest_targets::BoundingBox;
use palimpsest_targets::DetectionData;
use roxmltree::{Document, Node, ParsingOptions};

use super::annotated::{AnnotatedImage, AnnotatedList, Annotation, SLACK, Shape, Unit, fitted};
use super::voc_files::{Entry, Found, ImagesByName, find, xml_files};
use crate::decode::DecodeOptions;
use crate::formats::tally::Tally;
use crate::formats::target_files::NamedTargetFiles;
use crate::formats::text_lines::TextLines;
use crate::image_header::ImageHeader;
use crate::reader::{Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::{Split, held_out, key_below};

/// The classes of VOC 2007 to 2012.
pub const CLASSES: [&str; 20] = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// An annotation's file as it says, before the set's classes are known.
struct Annotated {
    xml: PathBuf,
    filename: Option<String>,
    size: Option<(usize, usize)>,
    objects: Vec<NamedObject>,
}

struct NamedObject {
    name: String,
    row: u32,
    bounds: BoundingBox,
    difficult: bool,
}

fn read_file(xml: &Path) -> Result<Annotated> {
    let bytes = std::fs::read(xml).map_err(|e| Error::io(xml, &e))?;
    parse(&bytes, xml)
}

/// Far beyond the objects of an image.
const MOST_NODES: u32 = 1_000_000;

/// Reads the text of an annotation; `xml` is for messages.
fn parse(bytes: &[u8], xml: &Path) -> Result<Annotated> {
    // Read as something else, names of classes would become one.
    let text = std::str::from_utf8(bytes).map_err(|_| {
        Error::user("is not UTF-8")
            .at(xml.display())
            .help("save it as UTF-8, with encoding=\"UTF-8\" or none")
    })?;
    let options = ParsingOptions { allow_dtd: true, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text.trim_start_matches('\u{feff}'), options)
        .map_err(|e| Error::user(format!("broken XML: {e}")).at(xml.display()).help("copy it again"))?;
    let row = |node: Node<'_, '_>| document.text_pos_at(node.range().start).row;
    let at = |node: Node<'_, '_>, error: Error| error.at(format_args!("{}:{}", xml.display(), row(node)));
    let root = document.root_element();
    // Not told, or told as 0 by tools that don't open the image: then it is the image's own.
    let size = match child(root, "size") {
        Err(_) => None,
        Ok(size) => {
            let side = |name: &str| pixels(size, name).map_err(|e| at(size, e));
            let (width, height) = (side("width")?, side("height")?);
            (width > 0 && height > 0).then_some((width, height))
        }
    };
    let objects = root.children().filter(|node| node.has_tag_name("object"));
    let objects = objects
        .map(|node| {
            let (name, bounds, difficult) = read_object(node).map_err(|e| at(node, e))?;
            Ok(NamedObject { name, row: row(node), bounds, difficult })
        })
        .collect::<Result<_>>()?;
    let filename =
        child(root, "filename").ok().and_then(|node| node.text()).map(|text| text.trim().to_owned());
    Ok(Annotated { xml: xml.to_owned(), filename, size, objects })
}

fn read_object(object: Node<'_, '_>) -> Result<(String, BoundingBox, bool)> {
    let name = child(object, "name")?.text().unwrap_or_default().trim();
    if name.is_empty() {
        return Err(Error::user("`name` is empty").help("write the object's class"));
    }
    // Of the object itself: its parts (head, hand, foot) have boxes too.
    let bndbox = child(object, "bndbox")?;
    let edge = |name: &str| number(bndbox, name);
    // Pixels are counted from 1, and both ends belong to the box.
    let bounds =
        BoundingBox::from_edges(edge("xmin")? - 1.0, edge("ymin")? - 1.0, edge("xmax")?, edge("ymax")?);
    let difficult = child(object, "difficult").is_ok_and(|node| {
        let text = node.text().unwrap_or_default().trim();
        text == "1" || text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("yes")
    });
    Ok((name.to_owned(), bounds, difficult))
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Result<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(name)).ok_or_else(|| {
        Error::user(format!("no `{name}` in `{}`", node.tag_name().name())).help("write it as VOC does")
    })
}

fn number(node: Node<'_, '_>, name: &str) -> Result<f64> {
    let text = child(node, name)?.text().unwrap_or_default().trim();
    text.parse()
        .map_err(|_| Error::user(format!("`{name}` is `{text}`, not a number")).help("write it as VOC does"))
}

fn pixels(node: Node<'_, '_>, name: &str) -> Result<usize> {
    let value = number(node, name)?;
    if !(0.0..=f64::from(u32::MAX)).contains(&value) || value.fract() != 0.0 {
        return Err(Error::user(format!("`{name}` is {value}, not a number of pixels"))
            .help("write the image's own, or 0"));
    }
    Ok(value as usize)
}

/// How many objects have which name.
fn count_names<'a>(files: impl IntoIterator<Item = &'a Annotated>, counts: &mut BTreeMap<String, usize>) {
    for object in files.into_iter().flat_map(|file| &file.objects) {
        *counts.entry(object.name.clone()).or_default() += 1;
    }
}

/// The classes, and a note where they are the annotations' own: those of `classes.txt`, VOC's where there are
/// no others, else the names in the annotations of all parts, sorted.
fn classes_of(found: &Found, files: &[Annotated]) -> Result<(Vec<String>, Option<String>)> {
    if let Some(classes) = told_classes(&found.root)? {
        return Ok((classes.into_iter().filter(|name| !is_background(name)).collect(), None));
    }
    let mut counts = BTreeMap::new();
    count_names(files, &mut counts);
    let read: HashSet<&Path> = files.iter().map(|file| &*file.xml).collect();
    for folder in &found.annotations {
        for xml in xml_files(folder)?.iter().filter(|xml| !read.contains(&***xml)) {
            // What is broken in another part is told when that is opened.
            count_names(read_file(xml).ok().as_ref(), &mut counts);
        }
    }
    if counts.keys().all(|name| CLASSES.contains(&&**name)) {
        return Ok((CLASSES.map(str::to_owned).to_vec(), None));
    }
    let listed: Vec<String> =
        counts.iter().take(20).map(|(name, count)| format!("{name} ({count} objects)")).collect();
    let more = if counts.len() > 20 { format!(" and {} more", counts.len() - 20) } else { String::new() };
    let note = format!("the classes are the names in the annotations: {}{more}", listed.join(", "));
    Ok((counts.into_keys().collect(), Some(note)))
}

/// The lines of a list of classes, where there is one.
pub(crate) fn told_classes(root: &Path) -> Result<Option<Vec<String>>> {
    let names = ["classes.txt", "class_names.txt", "labels.txt", "predefined_classes.txt"];
    let list = names.iter().map(|name| root.join(name)).find(|list| list.is_file());
    list.map(|list| TextLines::read(&list)?.entries()).transpose()
}

/// The name of an object that isn't VOC's, among the first annotations: then its label maps aren't VOC's either.
pub(crate) fn stranger(root: &Path) -> Option<String> {
    const MOST: usize = 200;
    let files = xml_files(&root.join("Annotations")).ok()?;
    let objects = files.iter().take(MOST).filter_map(|xml| read_file(xml).ok()).flat_map(|file| file.objects);
    objects.map(|object| object.name).find(|name| !CLASSES.contains(&&**name))
}

/// Whether a class is what is left when nothing is found, as exporters of label maps list it.
pub(crate) fn is_background(name: &str) -> bool {
    name.trim_matches('_').eq_ignore_ascii_case("background") || name == "__ignore__"
}

/// What an annotation is seen with.
struct Set<'a> {
    by_name: &'a ImagesByName,
    images: &'a Path,
    classes: &'a [String],
    decode: DecodeOptions,
}

impl Set<'_> {
    /// The image of an annotation, and its objects.
    fn image(&self, file: Annotated, entry: &Entry, tally: &mut Tally) -> Result<AnnotatedImage> {
        let told = file.filename.as_deref().filter(|told| !told.is_empty());
        let named = || told.map(|told| self.images.join(told)).filter(|path| path.is_file());
        let path = self.by_name.find(&entry.name, told).cloned().or_else(named).ok_or_else(|| {
            let wanted = told.map_or_else(|| format!("{}.jpg", entry.name), str::to_owned);
            Error::user(format!("no such file `{}`", self.images.join(wanted).display()))
                .at(entry.location.clone().unwrap_or_else(|| entry.xml.display().to_string()))
                .help("unpack the images too")
        })?;
        if file.size.is_none() {
            tally.add("annotations have no size: it was taken from the images");
        }
        let size = file.size.or_else(|| self.decode.size_of(ImageHeader::of_file(&path)?));
        let (width, height) = size.map_or((f64::MAX, f64::MAX), |(w, h)| (w as f64, h as f64));
        let mut annotations = vec![];
        for object in file.objects {
            let at = |error: Error| error.at(format_args!("{}:{}", file.xml.display(), object.row));
            let class = self.classes.iter().position(|class| *class == object.name).ok_or_else(|| {
                at(unknown_name("class", &object.name, self.classes.iter().map(String::as_str)))
            })?;
            let bounds = fitted(object.bounds, (width, height), SLACK, tally).map_err(at)?;
            annotations.extend(bounds.map(|bounds| Annotation {
                class: class as u32,
                bounds,
                shape: Shape::Unknown,
                area: None,
                crowd: false,
                ignore: object.difficult,
            }));
        }
        Ok(AnnotatedImage { path, size, annotations })
    }
}

/// `voc`; its label maps are opened by `readers/segmentation/voc.rs`
pub struct Voc;

impl Reader<dyn DetectionData> for Voc {
    type Settings = NamedTargetFiles;

    fn open(keys: &NamedTargetFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn DetectionData>> {
        let found = find(spec.path()?, split)?;
        let read = |entry: &Entry| {
            let line = entry.location.as_ref().filter(|_| !entry.xml.is_file());
            read_file(&entry.xml).map_err(|e| match line {
                Some(line) => e.at(line),
                None => e,
            })
        };
        let files: Vec<Annotated> = found.entries.iter().map(read).collect::<Result<_>>()?;
        let (classes, note) = match &keys.classes[..] {
            [] => classes_of(&found, &files)?,
            known => (known.to_vec(), None),
        };
        let by_name = ImagesByName::of(&found.images)?;
        let mut tally = Tally::default();
        let mut images = Vec::with_capacity(files.len());
        let decode = keys.decode(spec);
        let set = Set { by_name: &by_name, images: &found.images, classes: &classes, decode };
        for (file, entry) in files.into_iter().zip(&found.entries) {
            images.push(set.image(file, entry, &mut tally)?);
        }
        let mut notes: Vec<String> = note.into_iter().collect();
        let mut part = found.part;
        if found.entries.iter().all(|entry| entry.location.is_none()) {
            let left = by_name.len().saturating_sub(images.len());
            tally.add_many("images have no annotations and were passed over", left);
        }
        if found.whole {
            let root = &found.root;
            let held = held_out(images, spec, split, |image| key_below(root, &image.path))
                .map_err(|e| e.at(root.display()))?;
            (images, part) = (held.items, held.part.unwrap_or(part));
            notes.extend(held.note);
        }
        let list = AnnotatedList::new(images, classes, Unit::Pixels, decode);
        Ok(list.opened(part, &tally).notes(notes))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::detection::<Voc>(
        "voc",
        "Pascal VOC and sets in its form: boxes in XML; detection, and segmentation with the background as a class",
        "VOCdevkit/VOC2012/{JPEGImages,Annotations,SegmentationClass,ImageSets/{Main,Segmentation}}; or images with \
         XML files of LabelImg, in parts or not",
    )
    .with_segmentation::<Voc>()
}
