//! Sets for detection, as their owners distribute them.

pub mod annotated;
pub mod coco;
mod coco_files;
pub(crate) mod coco_form;
pub(crate) mod voc_files;
pub mod voc_xml;
pub mod yolo;
mod yolo_files;
mod yolo_yaml;
