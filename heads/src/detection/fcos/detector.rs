//! Pyramid and head together.

use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::{Result, Tensor};

use super::{FcosHead, FcosSettings, fcos_losses, fcos_predict};
use crate::detection::{BoxXyxy, Detection, PostProcess};
use crate::pyramid::{FeatureMap, SimplePyramid, SimplePyramidSettings};

/// Places within this many strides of a box's centre are trained to find it.
const CENTRE: f64 = 1.5;

/// An anchor-free detector of boxes.
#[derive(Debug, Clone)]
pub struct Fcos {
    pyramid: SimplePyramid,
    head: FcosHead,
}

impl Fcos {
    /// Declares pyramid and head.
    ///
    /// # Errors
    /// Strides that can't be reached.
    pub fn new(
        specs: &mut ParamSpecs,
        pyramid: &SimplePyramidSettings<'_>,
        head: &FcosSettings,
    ) -> Result<Self> {
        Ok(Self { pyramid: SimplePyramid::new(specs, pyramid)?, head: FcosHead::new(specs, head) })
    }

    /// The losses by name for the objects of each image: (box, class).
    ///
    /// # Errors
    /// A class out of range, or the backend's failure.
    pub fn losses(
        &self,
        params: &Params,
        grid: &FeatureMap,
        objects: &[Vec<(BoxXyxy, usize)>],
    ) -> Result<Vec<(&'static str, Tensor)>> {
        let outputs = self.head.forward(params, &self.pyramid.forward(params, grid)?)?;
        let losses = fcos_losses(&outputs, objects, CENTRE)?;
        Ok(vec![("classes", losses.classes), ("boxes", losses.boxes), ("centreness", losses.centreness)])
    }

    /// What is found in each image of this height and width, the best first.
    pub fn predict(
        &self,
        params: &Params,
        grid: &FeatureMap,
        image: [usize; 2],
        post_process: &PostProcess,
    ) -> Result<Vec<Vec<Detection>>> {
        let outputs = self.head.forward(params, &self.pyramid.forward(params, grid)?)?;
        fcos_predict(&outputs, image, post_process)
    }
}
