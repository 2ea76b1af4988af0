//! Heads on frozen features: the encoder looks at every image once, and the head is fitted on what it saw.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    Artifact, Broken, Class, LabelledSplits, MetricState, PartSize, Scores, any_rank, broken_of_all,
};
use crate::backend::NoGrad;
use crate::collective::{Collective, gather, gather_bytes, gather_floats};
use crate::data::{Share, Split};
use crate::encoder::{Encoder, patchify};
use crate::params::Params;
use crate::pooling::Pooling;
use crate::tensor::{DType, DeviceHandle, HostTensor};
use crate::{Error, ErrorKind, Result};

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

    /// The features that all processes made, in the order of one process; broken images are known already.
    fn of_all(self, engine: &dyn Collective) -> Result<Self> {
        // A process without a batch doesn't know the width.
        let width = gather(engine, &[self.width as f64])?.iter().fold(0.0, |width, of| of[0].max(width));
        let mut state = MetricState::default();
        state.put(&self.labels);
        state.put(&self.indices.iter().map(|&index| index as u64).collect::<Vec<_>>());
        let (mut labels, mut indices) = (vec![], vec![]);
        for of_rank in gather_bytes(engine, state.as_bytes())? {
            let mut state = MetricState::from_bytes(of_rank);
            labels.extend(state.take::<i64>()?);
            indices.extend(state.take::<u64>()?.into_iter().map(|index| index as usize));
        }
        let values = gather_floats(engine, self.values)?;
        Ok(Self { values, width: width as usize, labels, indices, broken: self.broken })
    }
}

/// An encoder and the data that it is measured on. Frozen features are made once, whichever heads
/// ask for them, and are never corrupted.
///
/// Several processes share the images: each makes the features of some batches, and all get all of them, bit by bit
/// those of one process. Every process then fits every head on them.
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
    collective: Option<Arc<dyn Collective>>,
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
            collective: None,
        })
    }

    /// Stops where this becomes true.
    #[must_use]
    pub fn until(self, interrupted: &'a AtomicBool) -> Self {
        Self { interrupted: Some(interrupted), ..self }
    }

    /// Shares the images with the other processes of a run, which have the same weights and data.
    #[must_use]
    pub fn among(self, collective: Option<Arc<dyn Collective>>) -> Self {
        Self { collective: collective.filter(|engine| engine.world().size > 1), ..self }
    }

    fn engine(&self) -> Option<&dyn Collective> {
        self.collective.as_deref()
    }

    /// To be asked where a head works long.
    ///
    /// # Errors
    /// The user wants to stop.
    pub fn go_on(&self) -> Result<()> {
        if self.is_interrupted() { Err(interrupted()) } else { Ok(()) }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.is_some_and(|interrupted| interrupted.load(Ordering::Relaxed))
    }

    /// Fits a head and scores it. A process that is asked to stop stops all: no other waits for it.
    ///
    /// # Errors
    /// As [`FrozenHead::evaluate`]. Where processes share the images, an error is that process's own: it aborts the
    /// engine, so that the others end too.
    pub fn evaluate(&self, head: &dyn FrozenHead) -> Result<Evaluation> {
        // Of both parts, before a head may leave early: all processes come to the same sums.
        let features = self.features(Split::Train).and_then(|_| self.features(Split::Test));
        let evaluation = features.and_then(|_| head.evaluate(self));
        let stopped = matches!(&evaluation, Err(error) if error.kind() == ErrorKind::Interrupted);
        match evaluation {
            Err(error) if !stopped => Err(error),
            evaluation => match any_rank(self.engine(), stopped)? {
                true => evaluation.and(Err(interrupted())),
                false => evaluation,
            },
        }
    }

    /// The place of the weights.
    pub fn device(&self) -> DeviceHandle {
        self.params.device()
    }

    /// The frozen features of a split. Processes that share the images ask for the same in the same order.
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
        Artifact::of_tensors("features.safetensors", &tensors, HashMap::new())
    }

    fn extract(&self, split: Split) -> Result<Features> {
        let geometry = self.encoder.geometry();
        let device = self.device();
        let _quiet = NoGrad::new(&*device.backend);
        let mut features = Features::default();
        let share = self.engine().map_or(Share::WHOLE, |engine| engine.world().share());
        let mut pass = self.data.pass(split, share)?;
        let mut stopped = false;
        for examples in pass.by_ref() {
            stopped = self.is_interrupted();
            if stopped {
                break;
            }
            let batch = examples?.batch;
            let images = batch.images(&device, self.params.dtype())?;
            let tokens = self.encoder.features(self.params, &patchify(&images, geometry)?, self.blocks)?;
            let pooled = self.pooling.pool(&tokens, geometry)?;
            let [_, width] = pooled.shape().array()?;
            features.width = width;
            features.values.extend(pooled.cast(DType::F32)?.download()?.into_f32());
            features.labels.extend(&batch.labels);
            features.indices.extend(&batch.indices);
        }
        // None is left waiting for features of one that was asked to stop.
        if any_rank(self.engine(), stopped)? {
            return Err(interrupted());
        }
        features.broken = broken_of_all(self.engine(), pass.broken())?;
        pass.forgives(&features.broken)?;
        drop(pass);
        if let Some(engine) = self.engine() {
            features = features.of_all(engine)?;
        }
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

fn interrupted() -> Error {
    Error::interrupted("interrupted before the heads were scored").of_all()
}

/// A head that is fitted on frozen features.
///
/// Where several processes share the images, each fits the head on the features of all, so that a head needs to know
/// nothing of them. It has to be a function of features, settings and seed then; the figures of process 0 are the ones
/// that are told.
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
