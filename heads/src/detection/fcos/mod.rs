//! FCOS (Tian et al., "FCOS: a simple and strong anchor-free object detector", 2020): every place of a
//! pyramid tells a class, the distances to the box's edges, and how near to its centre it is.

mod detector;
mod head;
mod loss;
mod predict;
mod targets;

pub use detector::Fcos;
pub use head::{FcosHead, FcosOutputs, FcosSettings};
pub use loss::{FcosLosses, fcos_losses};
pub use predict::fcos_predict;
pub use targets::{Point, assign, centreness, points};
