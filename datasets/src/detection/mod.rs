//! Sets for detection, as their owners distribute them.

pub mod annotated;
pub mod coco;
mod coco_form;
pub mod voc_xml;
pub mod yolo;
mod yolo_names;

use crate::reader::{DatasetInfo, OpenedDetection, Reader};
use crate::segmentation;
use annotated::AnnotatedList;

fn opened((dataset, notes): (AnnotatedList, Vec<String>)) -> OpenedDetection {
    OpenedDetection { dataset: std::sync::Arc::new(dataset), notes }
}

pub(crate) static READERS: [Reader; 3] = [
    Reader::detection(
        DatasetInfo {
            name: "coco",
            summary: "COCO's JSON: boxes, polygons, run-length masks, crowds; detection",
            layout: "annotations/instances_{train,val}2017.json, {train,val}2017/; or {train,val,test}/_annotations.coco.json",
        },
        |spec, split| coco::open(spec.path()?, split, spec.decode()).map(opened),
    ),
    Reader::detection(
        DatasetInfo {
            name: "voc",
            summary: "Pascal VOC: 20 classes of objects; detection, and segmentation with the background as a class",
            layout: "VOCdevkit/VOC2012/{JPEGImages,Annotations,SegmentationClass,ImageSets/{Main,Segmentation}}",
        },
        |spec, split| voc_xml::open(spec.path()?, &spec.classes, split, spec.decode()).map(opened),
    )
    .with_segmentation(|spec, split| {
        segmentation::voc::open(spec.path()?, split, spec.decode()).map(segmentation::opened)
    }),
    Reader::detection(
        DatasetInfo {
            name: "yolo",
            summary: "YOLO's text files: boxes or polygons relative to the picture; detection",
            layout: "images/{train,val|test}, labels/{train,val|test}/*.txt; classes.txt, obj.names or data.yaml",
        },
        |spec, split| yolo::open(spec.path()?, &spec.classes, split, spec.decode()).map(opened),
    ),
];
