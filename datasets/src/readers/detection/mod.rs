//! Sets for detection, as their owners distribute them.

pub mod annotated;
pub mod coco;
mod coco_form;
pub mod voc_xml;
pub mod yolo;
mod yolo_names;
