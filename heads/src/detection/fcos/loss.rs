//! The three losses, each summed and divided by the number of places on objects.

use palimpsest_core::{Error, Result, Tensor};

use super::head::FcosOutputs;
use super::targets::{assign, centreness};
use crate::detection::BoxXyxy;
use crate::detection::loss::{FocalSettings, binary_cross_entropy, focal, giou_loss};

/// Scalars.
#[derive(Debug, Clone)]
pub struct FcosLosses {
    /// Focal loss of the classes.
    pub classes: Tensor,
    /// 1 - generalised IoU of the boxes.
    pub boxes: Tensor,
    /// Cross-entropy of the centreness.
    pub centreness: Tensor,
}

/// The losses for the objects of each image: (box, class). Centre sampling takes `radius` strides.
///
/// # Errors
/// Another number of images, a class out of range, or the backend's failure.
pub fn fcos_losses(
    outputs: &FcosOutputs,
    objects: &[Vec<(BoxXyxy, usize)>],
    radius: f64,
) -> Result<FcosLosses> {
    let [b, n, classes] = outputs.classes.shape().array()?;
    if objects.len() != b {
        return Err(Error::failure(format!("objects of {} images for {b}", objects.len())));
    }
    let mut one_hot = vec![0.0; b * n * classes];
    let (mut rows, mut truths, mut centres, mut scales, mut origins) =
        (vec![], vec![], vec![], vec![], vec![]);
    for (i, objects) in objects.iter().enumerate() {
        let edges: Vec<BoxXyxy> = objects.iter().map(|o| o.0).collect();
        for (at, object) in assign(&outputs.points, &edges, radius).into_iter().enumerate() {
            let Some((edges, class)) = object.map(|object| objects[object]) else { continue };
            if class >= classes {
                return Err(Error::failure(format!("class {class} of {classes}")));
            }
            let (row, point) = (i * n + at, outputs.points[at]);
            one_hot[row * classes + class] = 1.0;
            rows.push(row as i64);
            truths.extend(edges.0);
            centres.push(centreness(point.distances(&edges)));
            let [x, y] = point.at;
            origins.extend([x, y, x, y]);
            scales.extend([-point.stride, -point.stride, point.stride, point.stride]);
        }
    }
    let (device, dtype) = (outputs.classes.device(), outputs.classes.dtype());
    let share = 1.0 / rows.len().max(1) as f64;
    let one_hot = device.f64s([b, n, classes], one_hot, dtype)?;
    let class_loss = focal(&outputs.classes, &one_hot, FocalSettings::default())?;
    let class_loss = class_loss.sum_all()?.mul_scalar(share)?;
    if rows.is_empty() {
        let nothing = |x: &Tensor| x.sum_all()?.mul_scalar(0.0);
        return Ok(FcosLosses {
            classes: class_loss,
            boxes: nothing(&outputs.distances)?,
            centreness: nothing(&outputs.centreness)?,
        });
    }
    let found = rows.len();
    let rows = device.indices([found], rows)?;
    let double = |values: Vec<f64>, columns: usize| device.f64s([found, columns], values, dtype);
    let distances = outputs.distances.reshape([b * n, 4])?.index_select(0, &rows)?;
    let boxes = distances.mul(&double(scales, 4)?)?.add(&double(origins, 4)?)?;
    let boxes = giou_loss(&boxes, &double(truths, 4)?)?;
    let centreness = outputs.centreness.reshape([b * n, 1])?.index_select(0, &rows)?;
    let centreness = binary_cross_entropy(&centreness, &double(centres, 1)?)?;
    Ok(FcosLosses {
        classes: class_loss,
        boxes: boxes.sum_all()?.mul_scalar(share)?,
        centreness: centreness.sum_all()?.mul_scalar(share)?,
    })
}
