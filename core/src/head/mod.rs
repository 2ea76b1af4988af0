//! Downstream heads: what a pre-trained encoder is worth on a task. One file a head.
//!
//! A [`FrozenHead`] is fitted on features that the encoder made once. A [`TaskHead`] is trained with
//! the encoder in the loop (frozen, its last blocks fine-tuned, or all of it) by [`crate::finetune`]: it
//! declares its parameters, the features that it looks at, the type of its targets, its losses, its
//! predictions and its metric.
//!
//! Targets are typed. [`Class`], [`LabelSet`] and [`Values`] are here; label maps and objects are in
//! `palimpsest-targets`, which implements [`Target`] for them, so that this crate knows nothing of
//! them. Whoever can give images with targets of a type registers an [`ExamplesEntry`]; a head finds
//! it by the type alone.

mod examples;
mod features;
mod frozen;
mod metric_state;
mod part_size;
mod shared;
mod statistics;
mod target;
mod task_head;

pub use crate::draws::Draws;
pub use examples::{
    ExamplePass, Examples, ExamplesEntry, ExamplesRequest, LabelledLoader, LabelledSplits, OpenLabelled,
    Pass, examples_of,
};
pub use features::{Feature, HeadFeatures, encode};
pub(crate) use features::{collect as collect_features, run_blocks};
pub use frozen::{Evaluation, Features, FrozenEval, FrozenHead};
pub use metric_state::{MetricState, StateNumber};
pub use part_size::{Broken, BrokenSample, ClassSize, PartSize, broken_messages, counted};
pub(crate) use shared::{any_rank, broken_of_all};
pub use statistics::{LabelCounts, TargetStatistics, ValueStatistics};
pub use target::{Class, LabelSet, Target, Values};
pub use task_head::{Artifact, HeadContext, Inference, Metric, TaskHead};

/// Named figures of a head. The first is the one that encoders are compared by.
pub type Scores = Vec<(String, f64)>;
