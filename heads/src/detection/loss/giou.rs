//! Losses of overlap between boxes [N, 4] (left, top, right, bottom), [N, 1] each.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use palimpsest_core::{Result, Tensor};

/// Added to areas that are divided by, as torchvision has it.
const EPS: f64 = 1e-7;

/// 1 - generalised IoU (Rezatofighi et al. 2019).
pub fn giou_loss(boxes: &Tensor, truths: &Tensor) -> Result<Tensor> {
    let Overlap { iou, union } = overlap(boxes, truths)?;
    let [left, top, right, bottom] = edges(boxes)?;
    let [true_left, true_top, true_right, true_bottom] = edges(truths)?;
    let width = larger(&right, &true_right)?.sub(&smaller(&left, &true_left)?)?;
    let height = larger(&bottom, &true_bottom)?.sub(&smaller(&top, &true_top)?)?;
    let hull = width.mul(&height)?;
    let outside = hull.sub(&union)?.div(&hull.add_scalar(EPS)?)?;
    iou.sub(&outside)?.neg()?.add_scalar(1.0)
}

/// -ln IoU (Yu et al., UnitBox, 2016): the box loss of FCOS's first version. Boxes that do not overlap
/// count as an IoU of 1e-7, without a gradient.
pub fn box_iou_loss(boxes: &Tensor, truths: &Tensor) -> Result<Tensor> {
    overlap(boxes, truths)?.iou.clamp(EPS, f64::MAX)?.log()?.neg()
}

struct Overlap {
    iou: Tensor,
    union: Tensor,
}

fn overlap(boxes: &Tensor, truths: &Tensor) -> Result<Overlap> {
    let [left, top, right, bottom] = edges(boxes)?;
    let [true_left, true_top, true_right, true_bottom] = edges(truths)?;
    let width = smaller(&right, &true_right)?.sub(&larger(&left, &true_left)?)?.clamp(0.0, f64::MAX)?;
    let height = smaller(&bottom, &true_bottom)?.sub(&larger(&top, &true_top)?)?.clamp(0.0, f64::MAX)?;
    let both = width.mul(&height)?;
    let area = right.sub(&left)?.mul(&bottom.sub(&top)?)?;
    let true_area = true_right.sub(&true_left)?.mul(&true_bottom.sub(&true_top)?)?;
    let union = area.add(&true_area)?.sub(&both)?;
    Ok(Overlap { iou: both.div(&union.add_scalar(EPS)?)?, union })
}

fn edges(boxes: &Tensor) -> Result<[Tensor; 4]> {
    Ok([boxes.narrow(1, 0, 1)?, boxes.narrow(1, 1, 1)?, boxes.narrow(1, 2, 1)?, boxes.narrow(1, 3, 1)?])
}

fn smaller(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.less(b)?.where_(a, b)
}

fn larger(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.less(b)?.where_(b, a)
}
