//! Plug-ins as their authors and users meet them: written, built, validated and trained with by the driver, in folders
//! outside the workspace.

mod bad;
#[allow(dead_code, reason = "the driver's other tests use more of it")]
#[path = "../cli/driver.rs"]
mod driver;
mod examples;
mod finding;
mod foreign;
mod new;
mod runs;
mod workshop;
