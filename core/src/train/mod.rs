//! Training: gradients, the optimiser step, schedules, checkpoints, and the loop around them.

mod average;
mod checkpoint;
mod collective;
mod folder;
mod gradient;
mod graph;
mod optimizer;
mod run;
mod schedule;
mod trainer;

pub use average::Average;
pub(crate) use checkpoint::CHECKPOINT_FORMAT;
pub use checkpoint::{Checkpoint, CheckpointState};
pub use collective::{Collective, Single};
pub use folder::RunFolder;
pub(crate) use gradient::accumulate;
pub use gradient::{Gradients, Pass, Scalars, Side, gradients, gradients_of};
pub use optimizer::AdamW;
pub(crate) use optimizer::global_norm;
pub use run::{Observer, Summary, run};
pub use schedule::Schedule;
pub(crate) use trainer::read_scalars;
pub use trainer::{Phases, StepReport, Trainer};
