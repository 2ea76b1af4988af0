//! What an encoder's features are like, without labels: spectrum, attention distance, effective rank,
//! similarity. One file a measure, on host slices; [`observe`](observe()) runs encoders and fills them.

pub mod attention_distance;
pub mod effective_rank;
mod observation;
pub mod similarity;
pub mod spectrum;

pub use attention_distance::AttentionDistance;
pub use effective_rank::rank_me;
pub use observation::{Observation, Stage, Subject, observe};
pub use similarity::LinearCka;
pub use spectrum::{Spectrum, SpectrumPoint};
