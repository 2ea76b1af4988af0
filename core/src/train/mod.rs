//! Training: gradients, the optimiser step, schedules, checkpoints, and the loop around them.

mod checkpoint;
mod collective;
mod folder;
mod gradient;
mod graph;
mod optimizer;
mod recording;
mod run;
mod schedule;
mod trainer;

pub use checkpoint::{Checkpoint, CheckpointState};
pub use collective::{Collective, Single};
pub use folder::RunFolder;
pub use gradient::{Gradients, Scalars, gradients};
pub use optimizer::AdamW;
pub use recording::Recording;
pub use run::{Observer, Summary, run};
pub use schedule::Schedule;
pub use trainer::{Phases, StepReport, Trainer};
