//! Metrics against scikit-learn, torchmetrics and pycocotools.

mod analysis;
mod classification;
mod detection;
mod merging;
mod reference;
mod segmentation;
mod whole_images;
