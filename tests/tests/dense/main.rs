//! The parts of segmentation and detection heads against torchvision and PyTorch, and their gradients
//! against differences.

mod detection;
mod differences;
mod fitting;
mod mask_rcnn;
mod pyramids;
mod ranks;
mod reference;
mod segmentation;
mod training;
