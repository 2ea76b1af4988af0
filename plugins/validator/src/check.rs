//! The list of checks.

use palimpsest_core::Result;
use palimpsest_core::error::unknown_name;

use crate::checks::{
    apply, buffers, gradient, load, manifest, operations, output, parameters, plans, processes, purity,
    robustness, score, structs, uniformity,
};
use crate::outcome::{Answer, Checked};
use crate::subject::Subject;

/// Something that a library must hold.
pub struct Check {
    /// `group.name`.
    pub name: &'static str,
    /// One sentence for people.
    pub says: &'static str,
    run: fn(&Subject<'_>) -> Checked,
}

impl Check {
    /// Runs it here, in this process: the library may end it.
    pub fn run(&self, subject: &Subject<'_>) -> Answer {
        Answer::of((self.run)(subject))
    }
}

const fn check(name: &'static str, says: &'static str, run: fn(&Subject<'_>) -> Checked) -> Check {
    Check { name, says, run }
}

/// All checks, in the order in which they are run. If the first one fails the others can't be run.
pub const CHECKS: &[Check] = &[
    check("load.open", "it has the entry, speaks this ABI, and describes itself in order", load::open),
    check(
        "load.description",
        "texts and capabilities are whole, and stay the same while it works",
        load::description,
    ),
    check("load.time", "loading and reading the description takes less than a second", load::time),
    check("manifest.truthful", "the manifest beside it says what the library says", manifest::truthful),
    check(
        "structs.larger",
        "a host of a later minor version, with longer structs and unknown extensions, gets the same",
        structs::larger,
    ),
    check(
        "structs.smaller",
        "it reads no byte behind the structs of the host, a host of ABI 1.0 included",
        structs::smaller,
    ),
    check(
        "parameters.defaults",
        "each parameter is documented, its default is in its range, and a strategy of defaults can be made",
        parameters::defaults,
    ),
    check(
        "parameters.limits",
        "the smallest and largest value and each choice make a strategy that plans",
        parameters::limits,
    ),
    check(
        "parameters.refused",
        "NaN, values out of range, wrong types and unknown keys are refused, and nothing ends",
        parameters::refused,
    ),
    check(
        "plan.valid",
        "roles, sources and counts are what the contract and the capabilities say",
        plans::valid,
    ),
    check(
        "plan.shapes",
        "a single image, a single token and grids that are not square are served",
        plans::shapes,
    ),
    check("plan.random", "20,000 random requests and parameters give valid plans", plans::random),
    check("plan.effect", "it corrupts something, with its defaults", plans::effect),
    check("plan.repeatable", "the same request gives the same plan to the bit, later too", plans::repeatable),
    check(
        "plan.keyed",
        "seed, step and image change the plan of a strategy that promises random masks; all 64 bits of the seed count",
        plans::keyed,
    ),
    check("plan.split", "an image's plan is the same however batches are cut", plans::split),
    check(
        "plan.uniform",
        "every position is masked as often, where the capabilities promise it",
        uniformity::uniform,
    ),
    check(
        "plan.ratio",
        "a parameter `ratio`, or of such a name, is the share of tokens that are hidden, noised or moved",
        uniformity::ratio,
    ),
    check("buffers.canaries", "it writes nothing before or behind the plan's buffers", buffers::canaries),
    check("buffers.guarded", "it touches no byte before or behind the plan's buffers", buffers::guarded),
    check("buffers.levels", "gains are finite, and noise is finite and not negative", buffers::levels),
    check(
        "purity.instances",
        "two strategies of the same parameters agree, whatever they did before",
        purity::instances,
    ),
    check("purity.threads", "four threads on one strategy get what one thread gets", purity::threads),
    check(
        "purity.processes",
        "other processes, environments, time zones, working folders and days give the same plans",
        processes::elsewhere,
    ),
    check("robust.panics", "nothing panics; and what panicked takes no more calls", robustness::panics),
    check("robust.memory", "10,000 plans take no more memory than a few", robustness::memory),
    check(
        "robust.instances",
        "making and giving back 1,000 strategies takes no more memory than a few",
        robustness::instances,
    ),
    check("robust.output", "it prints nothing to standard output, which belongs to results", output::silent),
    check(
        "robust.operations",
        "an operation of the host that fails comes back as an error",
        operations::failing,
    ),
    check(
        "apply.result",
        "tokens keep shape and type, are finite in f32 and bf16, and are the same a second time",
        apply::result,
    ),
    check("apply.handles", "every tensor that it uses is one of the call", apply::handles),
    check(
        "apply.gradient",
        "gradients through it agree with finite differences in f64",
        gradient::differences,
    ),
    check(
        "score.result",
        "scores are finite, one for each token, the same a second time, and give a valid plan",
        score::result,
    ),
];

/// The check of a name.
///
/// # Errors
/// None of that name.
pub fn find(name: &str) -> Result<&'static Check> {
    CHECKS
        .iter()
        .find(|check| check.name == name)
        .ok_or_else(|| unknown_name("check", name, CHECKS.iter().map(|check| check.name)))
}
