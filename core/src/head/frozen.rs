//! Heads on frozen features: the encoder looks at every image once, and the head is fitted on what it saw.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Artifact, Broken, Class, LabelledSplits, PartSize, Scores};
use crate::backend::NoGrad;
use crate::data::Split;
use crate::encoder::{Encoder, patchify};
use crate::params::Params;
use crate::pooling::Pooling;
use crate::stored::serialize;
use crate::tensor::{DType, DeviceHandle, HostTensor};
use crate::{Error, Result};

/// Frozen features of a split.
#[derive(Debug, Clone, Default)]
pub struct Features {
    /// [count, width], row by row.
    pub values: Vec<f32>,
    /// Values per image.
    pub width: usize,
    /// The label of each image.
    pub labels: Vec<i64>,
    /// The index of each image in its part of the data set.
    pub indices: Vec<usize>,
    /// The images that could not be read, by their index.
    pub broken: Broken,
}

impl Features {
    /// The number of images.
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// The rows at these positions.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let values = rows
            .iter()
            .flat_map(|&r| self.values[r * self.width..(r + 1) * self.width].iter().copied())
            .collect();
        let labels = rows.iter().map(|&r| self.labels[r]).collect();
        let indices = rows.iter().map(|&r| self.indices[r]).collect();
        Self { values, width: self.width, labels, indices, broken: self.broken.clone() }
    }
}

/// An encoder and the data that it is measured on. Frozen features are made once, whichever heads
/// ask for them, and are never corrupted.
pub struct FrozenEval<'a> {
    /// The encoder.
    pub encoder: &'a dyn Encoder,
    /// Its weights.
    pub params: &'a Params,
    /// The data.
    pub data: &'a dyn LabelledSplits<Class>,
    /// How tokens are pooled.
    pub pooling: Pooling,
    /// The number of blocks that features are taken after.
    pub blocks: usize,
    /// Seed of what a head draws.
    pub seed: u64,
    features: [OnceCell<Features>; 2],
    interrupted: Option<&'a AtomicBool>,
}

impl<'a> FrozenEval<'a> {
    /// A task.
    ///
    /// # Errors
    /// The class token is asked of an encoder that has none, or data without classes.
    pub fn new(
        encoder: &'a dyn Encoder,
        params: &'a Params,
        data: &'a dyn LabelledSplits<Class>,
        pooling: Pooling,
        blocks: usize,
        seed: u64,
    ) -> Result<Self> {
        let depth = encoder.geometry().depth;
        if blocks > depth {
            return Err(Error::user(format!("there are {depth} blocks, not {blocks}"))
                .at("`eval.blocks`")
                .help(format!("choose 0 (all) to {depth}")));
        }
        pooling.check(encoder.geometry()).map_err(|e| e.at("`eval.features`"))?;
        if data.classes().len() < 2 {
            return Err(Error::user(format!("the data have {} classes", data.classes().len()))
                .at("`eval.heads`")
                .help("evaluate on data with classes, or set eval.heads = []"));
        }
        Ok(Self {
            encoder,
            params,
            data,
            pooling,
            blocks: if blocks == 0 { depth } else { blocks },
            seed,
            features: [OnceCell::new(), OnceCell::new()],
            interrupted: None,
        })
    }

    /// Stops where this becomes true.
    #[must_use]
    pub fn until(self, interrupted: &'a AtomicBool) -> Self {
        Self { interrupted: Some(interrupted), ..self }
    }

    /// To be asked where a head works long.
    ///
    /// # Errors
    /// The user wants to stop.
    pub fn go_on(&self) -> Result<()> {
        match self.interrupted {
            Some(interrupted) if interrupted.load(Ordering::Relaxed) => {
                Err(Error::interrupted("interrupted before the heads were scored"))
            }
            _ => Ok(()),
        }
    }

    /// The place of the weights.
    pub fn device(&self) -> DeviceHandle {
        self.params.device()
    }

    /// The frozen features of a split.
    ///
    /// # Errors
    /// Data that can't be read, or the backend's failure.
    pub fn features(&self, split: Split) -> Result<&Features> {
        let cell = &self.features[split as usize];
        if let Some(features) = cell.get() {
            return Ok(features);
        }
        let features = self.extract(split)?;
        Ok(cell.get_or_init(|| features))
    }

    /// How many images of how many classes heads are fitted and scored on.
    ///
    /// # Errors
    /// As [`FrozenEval::features`].
    pub fn sizes(&self) -> Result<[PartSize; 2]> {
        let [train, test] = self.data.sizes();
        let left = |size: PartSize, split| Ok(size.without(&self.features(split)?.broken));
        Ok([left(train, Split::Train)?, left(test, Split::Test)?])
    }

    /// The features of both splits as `features.safetensors`: `train.features` [count, width] in f32,
    /// `train.labels` and `train.indices` \[count\] in i64 (positions in the part of the data set), `test.…` likewise.
    ///
    /// # Errors
    /// As [`FrozenEval::features`].
    pub fn stored_features(&self) -> Result<Artifact> {
        let mut tensors = vec![];
        for split in [Split::Train, Split::Test] {
            let features = self.features(split)?;
            let count = features.count();
            let indices = features.indices.iter().map(|&index| index as i64).collect();
            tensors.extend([
                (
                    format!("{split}.features"),
                    HostTensor::f32([count, features.width], features.values.clone())?,
                ),
                (format!("{split}.labels"), HostTensor::i64([count], features.labels.clone())?),
                (format!("{split}.indices"), HostTensor::i64([count], indices)?),
            ]);
        }
        Ok(Artifact { name: "features.safetensors".to_owned(), bytes: serialize(&tensors, HashMap::new())? })
    }

    fn extract(&self, split: Split) -> Result<Features> {
        let geometry = self.encoder.geometry();
        let device = self.device();
        let _quiet = NoGrad::new(&*device.backend);
        let mut features = Features::default();
        let mut pass = self.data.pass(split)?;
        for examples in pass.by_ref() {
            self.go_on()?;
            let batch = examples?.batch;
            let images = device.floats(batch.shape, batch.pixels, self.params.dtype())?;
            let tokens = self.encoder.features(self.params, &patchify(&images, geometry)?, self.blocks)?;
            let pooled = self.pooling.pool(&tokens, geometry)?;
            let [_, width] = pooled.shape().array()?;
            features.width = width;
            features.values.extend(pooled.cast(DType::F32)?.download()?.into_f32());
            features.labels.extend(&batch.labels);
            features.indices.extend(&batch.indices);
        }
        features.broken = pass.broken().clone();
        if let Some(row) = features.labels.iter().position(|&label| label < 0) {
            return Err(Error::user(format!("image {row} of the evaluation data has no label"))
                .help("give every image a class, or set eval.heads = []"));
        }
        if features.count() == 0 {
            return Err(Error::user("there are no images to evaluate on")
                .help("raise data.holdout or give a test split"));
        }
        if features.values.iter().any(|v| !v.is_finite()) {
            return Err(Error::failure("the encoder's features are not finite"));
        }
        Ok(features)
    }
}

/// A head that is fitted on frozen features.
pub trait FrozenHead: Send + Sync {
    /// Fits the head on the training split and scores it on the test split.
    ///
    /// # Errors
    /// Data that can't be read, or the backend's failure.
    fn evaluate(&self, task: &FrozenEval<'_>) -> Result<Evaluation>;
}

/// What a head on frozen features gave.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The scores, the one that is compared first.
    pub scores: Scores,
    /// Images and tables that show more.
    pub artifacts: Vec<Artifact>,
    /// What the user should know of the figures, one sentence each.
    pub notes: Vec<String>,
}
