//! The tables of a recipe that have one shape.

use super::reader_keys::reader_has;
use crate::error::unknown_name;
use crate::settings::{Section, Settings};
use crate::{Error, Result};

/// The number format of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout.
    F32,
    /// bfloat16 for matrix products and attention; weights, norms, softmax sums and losses in f32.
    Bf16,
}

/// What becomes of a file's learned positions that are for another grid of patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitPositions {
    /// They are refused.
    Exact,
    /// They are resampled (bicubic).
    Resample,
}

/// How images are resized. Both filters are widened when shrinking (antialias), as PIL does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Triangle filter.
    Bilinear,
    /// Catmull-Rom cubic (a = -0.5).
    Bicubic,
}

/// What padding around an image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PadMode {
    /// Black.
    Zero,
    /// The image mirrored, without its edge pixels.
    Reflect,
}

/// How the learning rate goes after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Half a cosine down to `min_lr`.
    Cosine,
    /// Times `gamma` at each milestone.
    Multistep,
    /// No change.
    Constant,
}

/// How the decay of the weights' average goes from its first value to its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmaShape {
    /// In a straight line (data2vec, I-JEPA).
    Linear,
    /// By half a cosine (BYOL, iBOT, DINOv2).
    Cosine,
}

/// Whether the device's part of a step is launched as a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GraphMode {
    /// On a GPU whose backend has graphs, if launching the work takes as long as doing it.
    Auto,
    /// Wherever the backend has graphs.
    On,
    /// Nowhere.
    Off,
}

crate::settings! {
    /// `[data]`: which images, and what the loader does with them.
    pub struct DataSettings {
        /// The data set, by its reader's name: see `part list readers`; `part show reader NAME` tells the keys of
        /// [data.reader].
        name: String = "fashion-mnist".to_owned();
        /// The file or folder, for data that aren't embedded.
        path: String = String::new();
        /// The classes that are used, by name, which also gives their labels their order; [] takes all, and images
        /// without a class.
        classes: Vec<String> = Vec::new();
        /// The share of a data set without a test split that is held out for evaluation.
        holdout: f64 = 0.1, in 0.0..=0.9;
        /// Training images that are pre-trained on at most, drawn by the seed and spread evenly over the classes;
        /// 0 takes all. Heads have eval.train_images.
        limit: usize = 0, in 0..=1_000_000_000;
        /// Side of a training image in pixels.
        image_size: usize = 224, in 1..=8192;
        /// Channels: 1 (grey), 3 (RGB), or as many as each file has, up to 64.
        channels: usize = 3, in 1..=64;
        /// Padding around an image before it is cropped, in pixels (for small images).
        pad: usize = 0, in 0..=1024;
        /// What the padding holds: zero, or reflect (the simple resized crop of DeiT III and PixMIM).
        pad_mode: PadMode = PadMode::Zero;
        /// Random resized crop: smallest and largest share of the area; empty for a centre crop.
        crop_scale: Vec<f64> = vec![0.67, 1.0];
        /// Random resized crop: smallest and largest aspect ratio.
        crop_ratio: Vec<f64> = vec![0.75, 1.333_333_333_333_333_3];
        /// How images are resized, in pre-training and for frozen features: bilinear or bicubic, antialiased.
        filter: Filter = Filter::Bilinear;
        /// Whether images are mirrored at random.
        flip: bool = true;
        /// Mean that pixels (0 to 1) are normalised with, for each channel; default ImageNet's.
        mean: Vec<f64> = vec![0.485, 0.456, 0.406];
        /// Standard deviation that pixels are normalised with.
        std: Vec<f64> = vec![0.229, 0.224, 0.225];
        /// The values of a file that become 0 and 1, as [0, 4095]; what lies outside is cut. [] takes the range of the
        /// file's samples (0 to 255, 0 to 65535), and floats as they are.
        range: Vec<f64> = Vec::new();
        /// The same for each image and channel by itself: the percentiles that become 0 and 1, as [1, 99].
        percentiles: Vec<f64> = Vec::new();
        /// What takes the place of samples that are NaN or infinite, in the file's units; unset refuses the file.
        nan: Option<f64> = None;
        /// The page of a TIFF of several, from 0.
        page: usize = 0, in 0..=1_000_000;
        /// The channels, from 0, that sample images show: three as red, green and blue, or one as grey; [] shows
        /// the first three, or the first of two.
        shown: Vec<usize> = Vec::new();
        /// Threads that decode; 0 loads in the training thread.
        workers: usize = 2, in 0..=256;
        /// Batches that are loaded ahead.
        prefetch: usize = 2, in 1..=64;
        /// Megabytes of memory for decoded training images, which later epochs then don't decode again; 0 keeps none.
        cache: usize = 0, in 0..=100_000_000;
        /// Broken files that are skipped before the run stops.
        bad_files: usize = 10, in 0..=1_000_000;
    }
}

/// Keys of `[data]` that came after recipes were hashed: at their defaults, which are what was done before them, they
/// stay out of a recipe.
const YOUNGER: [&str; 10] =
    ["limit", "filter", "classes", "range", "percentiles", "nan", "page", "shown", "cache", "pad_mode"];

/// Those of `[train]`.
const YOUNGER_OF_TRAINING: [&str; 4] = ["ema_end", "ema_epochs", "ema_shape", "layer_decay"];

/// Settings as a recipe holds them: without younger keys at their defaults.
fn without_younger<S: Settings + serde::Serialize>(settings: &S, younger: &[&str]) -> Result<toml::Table> {
    let mut table = toml::Table::try_from(settings).map_err(|e| Error::failure(e.to_string()))?;
    let fields = S::fields();
    table.retain(|key, value| {
        let default = || fields.iter().find(|field| field.name == key).map(|field| field.default.clone());
        !younger.contains(&key) || Some(value.to_string()) != default()
    });
    Ok(table)
}

impl TrainSettings {
    /// The table `[train]`, without [`YOUNGER_OF_TRAINING`] keys at their defaults.
    ///
    /// # Errors
    /// None that settings can have.
    pub(crate) fn table(&self) -> Result<toml::Table> {
        without_younger(self, &YOUNGER_OF_TRAINING)
    }
}

impl DataSettings {
    /// Reads the table `[data]`, but for the reader's own.
    ///
    /// # Errors
    /// As [`Section::read`]. A key that isn't here may be one of the reader's.
    pub(crate) fn of(section: Section) -> Result<Self> {
        let section = with_classes_as_text(section.without(&["reader"]));
        let fields = Self::fields();
        let stranger = section.table().keys().find(|key| fields.iter().all(|field| field.name != *key));
        let Some(key) = stranger else {
            let settings: Self = section.read()?;
            return match twice(&settings.classes) {
                None => Ok(settings),
                Some(class) => Err(Error::user(format!("`{class}` is listed twice"))
                    .at(section.location("classes"))
                    .help("a class has one label: list it once")),
            };
        };
        let error = unknown_name("key", key, fields.iter().map(|field| field.name).collect::<Vec<_>>());
        Err(Self::or_the_readers(error, key, section.table()).at(section.location(key)))
    }

    /// The channels that are shown as red, green and blue.
    pub fn shown_channels(&self) -> [usize; 3] {
        match self.shown[..] {
            [red, green, blue] => [red, green, blue],
            [grey] => [grey; 3],
            _ if self.channels < 3 => [0; 3],
            _ => [0, 1, 2],
        }
    }

    /// The error of a key that this table `[data]` hasn't, which tells where it belongs if it is one of the reader's.
    pub(crate) fn or_the_readers(error: Error, key: &str, data: &toml::Table) -> Error {
        let named = data.get("name").and_then(toml::Value::as_str).map(str::to_owned);
        if !reader_has(&named.unwrap_or_else(|| Self::default().name), key) {
            return error;
        }
        let help = error.help_text().unwrap_or_default();
        Error::user(error.message()).help(format!("{help}; what the reader is told is data.reader.{key}"))
    }

    /// The table `[data]` with that of the reader, which is absent where it has no keys: it isn't in the hash of
    /// recipes that say nothing of their reader. Nor are [`YOUNGER`] keys at their defaults.
    ///
    /// # Errors
    /// None that settings can have.
    pub(crate) fn with_reader(&self, reader: &Section) -> Result<toml::Table> {
        let mut table = without_younger(self, &YOUNGER)?;
        if !reader.table().is_empty() {
            table.insert("reader".to_owned(), reader.table().clone().into());
        }
        Ok(table)
    }
}

/// The first name that stood in the list before.
fn twice(names: &[String]) -> Option<&String> {
    names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)).map(|(_, name)| name)
}

/// Classes may be called 3 or true, and TOML reads such names as something else, above all on a command line.
fn with_classes_as_text(section: Section) -> Section {
    let mut table = section.table().clone();
    if let Some(toml::Value::Array(names)) = table.get_mut("classes") {
        for name in names {
            if let toml::Value::Integer(_) | toml::Value::Boolean(_) = name {
                *name = name.to_string().into();
            }
        }
    }
    section.with_table(table)
}

crate::settings! {
    /// `[optimizer]`: AdamW with decoupled decay; norms, biases, gains, tokens and position tables
    /// don't decay.
    pub struct OptimizerSettings {
        /// Base learning rate for a batch of `lr_batch`.
        lr: f64 = 1e-4, in 0.0..=1000.0;
        /// The batch that `lr` is for: the rate grows linearly with train.batch; 0 takes lr as it is.
        lr_batch: usize = 512, in 0..=1_000_000;
        /// Decay of the mean gradient.
        beta1: f64 = 0.9, in 0.0..=0.999_999;
        /// Decay of the mean squared gradient.
        beta2: f64 = 0.999, in 0.0..=0.999_999_9;
        /// Added to the root of the mean squared gradient.
        eps: f64 = 1e-8, in 0.0..=1.0;
        /// Weight decay.
        weight_decay: f64 = 0.05, in 0.0..=10.0;
        /// Largest global gradient norm; 0 doesn't clip.
        clip: f64 = 5.0, in 0.0..=1e9;
    }
}

crate::settings! {
    /// `[schedule]`: the learning rate over the run.
    pub struct ScheduleSettings {
        /// cosine, multistep or constant.
        shape: ScheduleKind = ScheduleKind::Cosine;
        /// Epochs of linear warm-up.
        warmup_epochs: f64 = 10.0, in 0.0..=1e6;
        /// Learning rate at the start of the warm-up (scaled like lr).
        warmup_lr: f64 = 5e-7, in 0.0..=1000.0;
        /// Learning rate at the end of a cosine (scaled like lr).
        min_lr: f64 = 0.0, in 0.0..=1000.0;
        /// Multistep: where the rate drops, as shares of the run.
        milestones: Vec<f64> = vec![0.75];
        /// Multistep: the factor at each milestone.
        gamma: f64 = 0.1, in 0.0..=1.0;
    }
}

crate::settings! {
    /// `[train]`
    pub struct TrainSettings {
        /// Passes over the data.
        epochs: f64 = 400.0, in 0.0..=1e6;
        /// Optimiser steps, in place of epochs; 0 goes by epochs.
        steps: usize = 0, in 0..=1_000_000_000;
        /// Images in an optimiser step, of all processes together.
        batch: usize = 4096, in 1..=1_000_000;
        /// Parts that a process splits its batch into; their gradients are summed.
        accumulate: usize = 1, in 1..=65536;
        /// Decay of an average of the weights, which is evaluated and saved beside them; 0 for none.
        ema: f64 = 0.0, in 0.0..=0.999_999_9;
        /// What that decay goes to; 0 keeps it as it is.
        ema_end: f64 = 0.0, in 0.0..=1.0;
        /// Epochs until it is there; 0 takes the whole run.
        ema_epochs: f64 = 0.0, in 0.0..=1e6;
        /// How it goes there: linear or cosine.
        ema_shape: EmaShape = EmaShape::Linear;
        /// Factor of the learning rate of each layer to the one above it, for an encoder that goes on from public weights (BEiT);
        /// 1 for none.
        layer_decay: f64 = 1.0, in 0.0..=1.0;
        /// Blocks that are recomputed together in the backward pass to save memory; 0 for none.
        checkpoint_blocks: usize = 0, in 0..=1024;
        /// auto, on or off: whether a step's work on the device is launched as one graph; auto does so on a
        /// GPU whose backend has graphs, where launching takes as long as the work.
        graph: GraphMode = GraphMode::Auto;
        /// Whether several processes add gradients in the order of their ranks, so that they give the bits of one
        /// process with as many parts; else in the order of the engine.
        deterministic: bool = false;
        /// Whether each of several processes keeps the optimiser's moments, and the average, of its part of the
        /// parameters alone (ZeRO-1); the weights are the same to the bit.
        shard_optimizer: bool = false;
        /// Epochs between checkpoints.
        checkpoint_every: f64 = 1.0, in 0.001..=1e6;
        /// Checkpoints that are kept.
        keep_last: usize = 2, in 1..=10_000;
        /// Steps between lines of metrics.
        log_every: usize = 10, in 1..=1_000_000;
        /// Whether each process writes the numbers of its images, step by step, to samples-RANK.jsonl.
        log_samples: bool = false;
        /// Epochs between sample sheets.
        samples_every: f64 = 5.0, in 0.001..=1e6;
    }
}

crate::settings! {
    /// `[eval]`: what is measured on frozen features, without labels in training.
    pub struct EvalSettings {
        /// Epochs between evaluations; 0 evaluates at the end only.
        every: f64 = 0.0, in 0.0..=1e6;
        /// Heads to evaluate.
        heads: Vec<String> = vec!["knn".to_owned(), "linear".to_owned()];
        /// Whether the random initialisation is evaluated too, for comparison.
        baseline: bool = true;
        /// Features: mean (of the patch tokens), class (the class token), or grid:2, grid:4, … (means over a
        /// grid of that many parts a side, which keeps where things are).
        features: String = "mean".to_owned();
        /// The number of blocks that features are taken after; 0 for all, and the final norm. Encoders with a
        /// light head spend their last blocks on pixels, and carry more in the middle.
        blocks: usize = 0, in 0..=1024;
        /// Training images at most, drawn by the seed and spread evenly over the classes; 0 takes all.
        train_images: usize = 0, in 0..=100_000_000;
        /// Test images at most, drawn likewise; 0 takes all.
        test_images: usize = 0, in 0..=100_000_000;
    }
}
