//! Pascal VOC's XML (Everingham et al. 2010), and sets that others write in its form.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};
use palimpsest_targets::BoundingBox;
use palimpsest_targets::DetectionData;
use roxmltree::{Document, Node};

use super::annotated::{AnnotatedImage, AnnotatedList, Annotation, SLACK, Shape, fitted};
use crate::decode::DecodeOptions;
use crate::formats::text_lines::TextLines;
use crate::reader::{NamedImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

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

/// The folder of one year; the latest of those in a development kit.
pub(crate) fn voc_root(path: &Path) -> Result<PathBuf> {
    let years = ["VOC2012", "VOC2011", "VOC2010", "VOC2009", "VOC2008", "VOC2007"];
    let names: Vec<String> =
        years.iter().flat_map(|year| [(*year).to_owned(), format!("VOCdevkit/{year}")]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    crate::formats::unpacked::unpacked(path, &names, "JPEGImages")
}

/// Opens `trainval` and `test` where test images have annotations (VOC 2007), else `train` and `val`. With
/// `classes`, those in place of VOC's.
///
/// # Errors
/// Files that are missing, an unknown class, a box outside of its image, a file that is no such XML.
pub fn open(
    path: &Path,
    classes: &[String],
    split: Split,
    options: DecodeOptions,
) -> Result<(AnnotatedList, Vec<String>)> {
    let root = voc_root(path)?;
    let list = |part: &str| root.join(format!("ImageSets/Main/{part}.txt"));
    // Test images of the later years come without objects: then validation is the test part.
    let annotated = |name: &str| root.join(format!("Annotations/{name}.xml"));
    let test = list("test");
    let has_test = test.is_file()
        && TextLines::read(&test)?.lines().next().is_some_and(|line| annotated(line.text).is_file());
    let part = match (split, has_test) {
        (Split::Train, true) => "trainval",
        (Split::Test, true) => "test",
        (Split::Train, false) => "train",
        (Split::Test, false) => "val",
    };
    let classes = if classes.is_empty() { CLASSES.map(str::to_owned).to_vec() } else { classes.to_vec() };
    let (mut images, mut dropped) = (Vec::new(), 0);
    let lines = TextLines::read(&list(part))?;
    for line in lines.lines() {
        let file = root.join(format!("JPEGImages/{}.jpg", line.text));
        if !file.is_file() {
            return Err(
                line.at(
                    Error::user(format!("no such file `{}`", file.display())).help("unpack the images too")
                ),
            );
        }
        let (image, none) = read_file(&annotated(line.text), file, &classes)?;
        images.push(image);
        dropped += none;
    }
    if images.is_empty() {
        return Err(Error::user("the list is empty").at(list(part).display()).help("copy it again"));
    }
    let mut notes = Vec::new();
    if dropped > 0 {
        notes.push(format!("{dropped} boxes without area were left out"));
    }
    Ok((AnnotatedList::new(images, classes, options), notes))
}

/// An image by its XML, and how many boxes without area were left out.
fn read_file(xml: &Path, file: PathBuf, classes: &[String]) -> Result<(AnnotatedImage, usize)> {
    let bytes = std::fs::read(xml).map_err(|e| Error::io(xml, &e))?;
    let text = String::from_utf8_lossy(&bytes);
    let document = Document::parse(&text)
        .map_err(|e| Error::user(format!("broken XML: {e}")).at(xml.display()).help("copy it again"))?;
    let at = |node: Node<'_, '_>, error: Error| {
        error.at(format_args!("{}:{}", xml.display(), document.text_pos_at(node.range().start).row))
    };
    let root = document.root_element();
    let size = child(root, "size").map_err(|e| at(root, e))?;
    let side = |name: &str| number(size, name).map_err(|e| at(size, e));
    let (width, height) = (side("width")?, side("height")?);
    let (mut annotations, mut dropped) = (Vec::new(), 0);
    for object in root.children().filter(|node| node.has_tag_name("object")) {
        let annotation = read_object(object, classes, width, height).map_err(|e| at(object, e))?;
        match annotation {
            Some(annotation) => annotations.push(annotation),
            None => dropped += 1,
        }
    }
    let size = Some((width as usize, height as usize));
    Ok((AnnotatedImage { path: file, size, annotations }, dropped))
}

fn read_object(
    object: Node<'_, '_>,
    classes: &[String],
    width: f64,
    height: f64,
) -> Result<Option<Annotation>> {
    let name = child(object, "name")?.text().unwrap_or_default().trim();
    let class = classes
        .iter()
        .position(|class| class == name)
        .ok_or_else(|| unknown_name("class", name, classes.iter().map(String::as_str)))?;
    // Of the object itself: its parts (head, hand, foot) have boxes too.
    let bndbox = child(object, "bndbox")?;
    let edge = |name: &str| number(bndbox, name);
    // Pixels are counted from 1, and both ends belong to the box.
    let bounds =
        BoundingBox::from_edges(edge("xmin")? - 1.0, edge("ymin")? - 1.0, edge("xmax")?, edge("ymax")?);
    let ignore = child(object, "difficult").is_ok_and(|node| node.text().map(str::trim) == Some("1"));
    let bounds = fitted(bounds, width, height, SLACK)?;
    Ok(bounds.map(|bounds| Annotation {
        class: class as u32,
        bounds,
        shape: Shape::Unknown,
        area: None,
        crowd: false,
        ignore,
    }))
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

/// `voc`; its label maps are opened by `readers/segmentation/voc.rs`
pub struct Voc;

impl Reader<dyn DetectionData> for Voc {
    type Settings = NamedImageFiles;

    fn open(keys: &NamedImageFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn DetectionData>> {
        let options = spec.decode(keys.max_pixels);
        let (list, notes) = open(spec.path()?, &keys.classes, split, options)?;
        Ok(Opened::new(Arc::new(list) as Arc<dyn DetectionData>).notes(notes))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::detection::<Voc>(
        "voc",
        "Pascal VOC: 20 classes of objects; detection, and segmentation with the background as a class",
        "VOCdevkit/VOC2012/{JPEGImages,Annotations,SegmentationClass,ImageSets/{Main,Segmentation}}",
    )
    .with_segmentation::<Voc>()
}
