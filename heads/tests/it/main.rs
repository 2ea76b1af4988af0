//! Metrics against scikit-learn, torchmetrics and pycocotools.

mod classification;
mod detection;
mod reference;
mod segmentation;
