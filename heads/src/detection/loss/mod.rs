//! Losses of dense prediction and of boxes. Each returns one value per element, unless it says otherwise.

mod binary_cross_entropy;
mod focal;
mod giou;
mod smooth_l1;

pub use binary_cross_entropy::binary_cross_entropy;
pub use focal::{FocalSettings, focal};
pub use giou::{box_iou_loss, giou_loss};
pub use smooth_l1::smooth_l1;
