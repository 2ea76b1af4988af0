//! What a plug-in with a corruption strategy must hold, and the checks that it does.
//!
//! - A [`Check`] is run in a process of its own by whoever uses this crate, with [`confine`] called first: a
//!   library may end, hang or eat that process, and nothing else.
//! - [`fuzz`] sends random requests; each is a function of one number, so that it can be sent again.

#[doc(hidden)]
pub mod buffers;
mod check;
mod checks;
mod confine;
mod elsewhere;
pub mod fuzz;
mod guarded;
mod instance;
mod judge;
mod operations;
mod outcome;
mod pretence;
mod progress;
mod request;
mod scene;
mod subject;

pub use check::{CHECKS, Check, find};
pub use confine::confine;
pub use elsewhere::{Answered, Elsewhere, RunElsewhere, answers};
pub use guarded::{signal_name, tell_faults};
pub use outcome::{Answer, Finding, Verdict};
pub use pretence::Pretence;
pub use progress::Progress;
pub use subject::Subject;
