//! Training a head with the encoder in the loop: frozen, its last blocks fine-tuned, or all of it.
//!
//! It stands in this crate because it is made of what pre-training is made of: gradients with
//! recomputation, AdamW, schedules, averages, checkpoints. A task's own part is a
//! [`TaskHead`](crate::head::TaskHead).

mod entry;
mod fine_tuner;
mod fit;
mod former;
mod layers;
mod pass;
mod recipe;
mod settings;

pub use entry::{HeadKind, TaskHeadEntry, TrainedHead, check_heads};
pub use fine_tuner::{EncoderStart, FineTuner, TrainingData};
pub use fit::{FitObserver, FitPlan, FitRequest, FitSummary, Fitted, fit, plan};
pub use former::{FormerHead, find_head, former_tables};
pub use layers::trained;
pub use pass::{FinetunePass, Network};
pub use recipe::{FinetuneRecipe, tables};
pub use settings::{FinetuneSettings, Tuned};
