//! One file a group of checks.

pub(crate) mod apply;
pub(crate) mod buffers;
pub(crate) mod gradient;
pub(crate) mod load;
pub(crate) mod manifest;
pub(crate) mod operations;
pub(crate) mod output;
pub(crate) mod parameters;
pub(crate) mod plans;
pub(crate) mod processes;
pub(crate) mod purity;
pub(crate) mod robustness;
pub(crate) mod score;
pub(crate) mod structs;
pub(crate) mod uniformity;

use crate::buffers::Plan;
use crate::instance::{Instance, Refusal};
use crate::outcome::{Checked, fail, skip};
use crate::request::Request;

/// A plan that must come: a panic is for `robust.panics` to tell.
fn planned(instance: &Instance, request: &Request) -> Checked<Plan> {
    instance.plan(request).or_else(|refusal| refused(&refusal, format!("`plan` for {request}")))
}

fn refused<T>(refusal: &Refusal, location: String) -> Checked<T> {
    if refusal.is_panic() || refusal.is_poisoned() {
        return skip("it panics: see robust.panics");
    }
    fail(
        location,
        refusal.to_string(),
        "serve every request of a geometry that `check` takes, or refuse the geometry there",
    )
}
