//! Studies: what a method's claim stands on. One file says what is varied, over which seeds, what is measured, and what is
//! compared with what; it becomes a plan of trials, each resolved and hashed before the first runs. Trials are shared out
//! among processes through a folder, and their scores become tables, differences over paired seeds, and tests.
//!
//! | file | subject |
//! |---|---|
//! | `file.rs` | the study's TOML |
//! | `axis.rs` | values of a key: lists, ranges, named variants |
//! | `planner.rs`, `plan.rs` | from the file to cells and trials; the plan, frozen |
//! | `identity.rs` | what trials and measurements are known by |
//! | `declaration.rs` | when a comparison was declared, and what was known then |
//! | `selection.rs` | which cells a comparison means, and which belong together |
//! | `trial.rs` | a trial's folder: claimed, worked on, finished or failed |
//! | `scores.rs` | what was measured, by trial |
//! | `summary.rs` | a row for each cell: mean, interval, interquartile mean |
//! | `levels.rs` | the levels of an axis, over everything else that a grid varies |
//! | `comparison.rs` | declared comparisons: paired differences, tests, Holm's correction |
//! | `interaction.rs`, `relation.rs` | whether one factor changes another's effect; whether one measure predicts another |
//! | `results.rs` | all of it together |
//! | `archive.rs` | what was measured as lines of one file, and back |
//! | `written.rs` | tables as CSV and LaTeX |

pub mod archive;
pub mod axis;
pub mod comparison;
pub mod declaration;
pub mod file;
mod identity;
pub mod interaction;
pub mod levels;
pub mod plan;
pub mod planner;
pub mod relation;
pub mod results;
pub mod scores;
pub mod selection;
pub mod summary;
pub mod trial;
pub mod written;
