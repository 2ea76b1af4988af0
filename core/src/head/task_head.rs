//! The trait of a head that is trained with the encoder in the loop.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use std::collections::HashMap;

use super::{Feature, HeadFeatures, MetricState, Scores, Target, TargetStatistics, encode};
use crate::data::Batch;
use crate::draws::Draws;
use crate::encoder::{Encoder, patchify};
use crate::geometry::Geometry;
use crate::objective::NamedLoss;
use crate::params::{ParamSpecs, Params};
use crate::settings::Settings;
use crate::stored::serialize;
use crate::tensor::{HostTensor, Tensor};
use crate::{Error, Result};

/// What a head is built for.
#[derive(Debug, Clone)]
pub struct HeadContext {
    /// The encoder's extents, at the size of the task's images.
    pub geometry: Geometry,
    /// The class names of the data; empty where they have none.
    pub classes: Vec<String>,
    /// The mean of each channel that pixels are normalised with, of values in 0..1, or one for all.
    pub mean: Vec<f32>,
    /// The deviation likewise.
    pub std: Vec<f32>,
    /// The channels that are shown as red, green and blue.
    pub shown: [usize; 3],
    /// What was counted of the training targets.
    pub statistics: TargetStatistics,
}

impl HeadContext {
    /// The number of classes.
    ///
    /// # Errors
    /// Fewer than `least`.
    pub fn class_count(&self, least: usize) -> Result<usize> {
        let count = self.classes.len();
        if count < least {
            return Err(Error::user(format!("the data have {count} classes, and the head needs {least}"))
                .help("choose data with classes"));
        }
        Ok(count)
    }
}

/// A fitted head at work.
pub struct Inference<'a> {
    /// The encoder.
    pub encoder: &'a dyn Encoder,
    /// All weights, the encoder's and the head's.
    pub params: &'a Params,
    /// The features that the head asked for.
    pub features: &'a [Feature],
}

impl Inference<'_> {
    /// The features of a batch of the encoder's size.
    ///
    /// # Errors
    /// Images of another size, or the backend's failure.
    pub fn encode(&self, batch: &Batch) -> Result<HeadFeatures> {
        let device = self.params.device();
        self.encode_images(&batch.images(&device, self.params.dtype())?)
    }

    /// The features of normalised images [B, C, H, W] of the encoder's size.
    ///
    /// # Errors
    /// As [`Inference::encode`].
    pub fn encode_images(&self, images: &Tensor) -> Result<HeadFeatures> {
        encode(self.encoder, self.params, &patchify(images, self.encoder.geometry())?, self.features)
    }
}

/// An image or table that a metric wants to be seen.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The file's name, as `confusion.svg`.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Artifact {
    /// Tensors under their names as a safetensors file, with what else is to be known of them.
    ///
    /// # Errors
    /// Names that are no names.
    pub fn of_tensors(
        name: &str,
        tensors: &[(String, HostTensor)],
        metadata: HashMap<String, String>,
    ) -> Result<Self> {
        Ok(Self { name: name.to_owned(), bytes: serialize(tensors, metadata)? })
    }
}

/// Scores that are gathered batch by batch.
pub trait Metric<T, P> {
    /// Adds images with their annotations and what was predicted.
    ///
    /// # Errors
    /// Predictions that don't fit the targets.
    fn add(&mut self, batch: &Batch, targets: &[T], predictions: &[P]) -> Result<()>;

    /// The scores so far, the one that is compared first.
    ///
    /// # Errors
    /// Nothing was added.
    fn scores(&self) -> Result<Scores>;

    /// What shows more than the scores tell.
    fn artifacts(&self) -> Vec<Artifact> {
        vec![]
    }

    /// What the user should know of the scores, one sentence each: what they leave out.
    fn notes(&self) -> Vec<String> {
        vec![]
    }

    /// All that was added so far, for [`Metric::absorb`]. Several processes share the test images, and each gets the
    /// scores of all: what is kept has to be such that the scores are those of one process to the last digit. Counts
    /// are; a sum of floats is not, since it goes by the order: keep what is summed.
    ///
    /// # Errors
    /// A metric that has no such state, as by default: its head is fitted in one process.
    fn state(&self) -> Result<MetricState> {
        Err(Error::user("the head's scores can't be put together from several processes")
            .help("fit it in one process, or write `state` and `absorb` for its metric"))
    }

    /// Adds what another process's metric of the same head has in its state. Its images come after those of this one.
    ///
    /// # Errors
    /// A state of another metric; as [`Metric::state`].
    fn absorb(&mut self, state: &mut MetricState) -> Result<()> {
        let _ = state;
        self.state().map(drop)
    }
}

/// A head that is trained with the encoder in the loop. It holds no weights, only their ids.
pub trait TaskHead: Sized + Send + Sync + 'static {
    /// Its own settings.
    type Settings: Settings;
    /// What has to be known of an image.
    type Target: Target;
    /// What it predicts of an image, on the host.
    type Prediction;

    /// Its training where that differs from the defaults, as TOML: the tables `[train]`, `[optimizer]`,
    /// `[schedule]`, `[augment]`.
    const TRAINING: &'static str = "";

    /// What it is for people: how it works, an example, and where it is from. Plain text of some lines.
    const ABOUT: &'static str = "";

    /// Builds the head and declares its parameters; they stand under `head.`.
    ///
    /// # Errors
    /// Settings that don't fit the encoder or the data.
    fn build(settings: &Self::Settings, context: &HeadContext, specs: &mut ParamSpecs) -> Result<Self>;

    /// The features that it looks at.
    fn features(&self) -> Vec<Feature>;

    /// The losses of a batch; their weighted sum is minimised. Targets are in the batch's order.
    ///
    /// # Errors
    /// Targets that don't fit, or the backend's failure.
    fn losses(
        &self,
        params: &Params,
        features: &HeadFeatures,
        targets: &[Self::Target],
        draws: Draws,
    ) -> Result<Vec<NamedLoss>>;

    /// What it predicts of each image.
    fn predict(&self, params: &Params, features: &HeadFeatures) -> Result<Vec<Self::Prediction>>;

    /// What it predicts of a batch as the data give it for testing: where images are larger than the
    /// encoder's, a head slides a window here.
    fn infer(&self, inference: &Inference<'_>, batch: &Batch) -> Result<Vec<Self::Prediction>> {
        self.predict(inference.params, &inference.encode(batch)?)
    }

    /// An empty metric.
    fn metric(&self) -> Box<dyn Metric<Self::Target, Self::Prediction>>;
}
