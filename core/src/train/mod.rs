//! Training: gradients, the optimiser step, schedules, checkpoints, and the loop around them.

mod average;
mod checkpoint;
mod engine;
mod folder;
mod gradient;
mod graph;
mod parts;
mod reduction;
mod report;
mod run;
mod saver;
mod schedule;
mod sharding;
mod state;
pub(crate) mod steps;
mod trainer;

pub use average::EmaDecay;
pub(crate) use checkpoint::CHECKPOINT_FORMAT;
pub use checkpoint::{Checkpoint, CheckpointState};
pub use engine::{Engine, EngineSettings, EngineState, StepInput, StepWeights, WithPass};
pub use folder::{Newest, RunFolder, Use};
pub use gradient::{Gradients, Pass, Scalars, Taps, gradients, gradients_of};
pub use report::{StepReport, StepTimes};
pub use run::{Observer, Summary, run};
pub use saver::{SaveTimes, Saved, Saver};
pub use schedule::Schedule;
pub use steps::Pace;
pub use trainer::{Trainer, check_batch};
