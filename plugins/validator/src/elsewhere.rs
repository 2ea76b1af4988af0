//! The same plans in another process, which differs in what a plan must not depend on.

use std::hash::{DefaultHasher, Hash, Hasher};

use palimpsest_core::Result;
use serde::{Deserialize, Serialize};

use crate::instance::{Instance, Refusal};
use crate::outcome::{Checked, Stop};
use crate::pretence::{Pretence, pretend};
use crate::request::Request;
use crate::subject::{Subject, request};

/// A process that differs from this one in something.
#[derive(Debug)]
pub struct Elsewhere {
    /// In what, for messages.
    pub what: &'static str,
    /// Variables of its environment.
    pub variables: &'static [(&'static str, &'static str)],
    /// Whether it works in another folder.
    pub moved: bool,
    /// What the library is told when it asks the C library.
    pub pretence: Pretence,
}

/// Runs such a process, which calls [`answers`].
pub type RunElsewhere<'a> = dyn Fn(&Elsewhere) -> Result<Vec<Answered>> + 'a;

const PLAIN: Elsewhere =
    Elsewhere { what: "", variables: &[], moved: false, pretence: Pretence { seconds: 0, variables: false } };

/// Variables that programs read, with values that nobody has.
const VARIABLES: &[(&str, &str)] = &[
    ("HOME", "/nowhere"),
    ("USER", "nobody"),
    ("HOSTNAME", "elsewhere"),
    ("LANG", "de_DE.UTF-8"),
    ("LC_ALL", "de_DE.UTF-8"),
    ("SEED", "4211"),
    ("RANK", "3"),
    ("LOCAL_RANK", "3"),
    ("WORLD_SIZE", "8"),
    ("SLURM_PROCID", "3"),
    ("OMP_NUM_THREADS", "3"),
    ("PALIMPSEST_VALIDATOR", "elsewhere"),
];

/// The processes that are compared.
pub(crate) const ALL: &[Elsewhere] = &[
    Elsewhere { what: "another process id and other addresses", ..PLAIN },
    Elsewhere {
        what: "other environment variables",
        variables: VARIABLES,
        pretence: Pretence { seconds: 0, variables: true },
        ..PLAIN
    },
    // Twenty-six hours apart: the date is never the same in both.
    Elsewhere { what: "another time zone", variables: &[("TZ", "EAST-14")], ..PLAIN },
    Elsewhere { what: "another time zone", variables: &[("TZ", "WEST12")], ..PLAIN },
    Elsewhere { what: "another working folder", moved: true, ..PLAIN },
    Elsewhere {
        what: "a clock a day and an hour later",
        pretence: Pretence { seconds: 86_400 + 3_600 + 60 + 1, variables: false },
        ..PLAIN
    },
];

/// A request and what came of it: a digest of the plan, or the refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// In words.
    pub request: String,
    /// The digest, or what was said.
    pub answer: String,
}

/// The answers of a library to a few requests, in this process.
///
/// # Errors
/// A library that can't be opened, or makes no strategy.
pub fn answers(subject: &Subject<'_>, pretence: &Pretence) -> Result<Vec<Answered>> {
    // Initialisers have run by then: what they read is what a process finds.
    let library = subject.library()?;
    pretend(library.path(), pretence);
    asked(subject).map_err(|stop| match stop {
        Stop::Failed(finding) => palimpsest_core::Error::failure(finding.to_string()),
        Stop::Noted(why) | Stop::Skipped(why) => palimpsest_core::Error::failure(why),
    })
}

/// The same without a pretence.
pub(crate) fn asked(subject: &Subject<'_>) -> Checked<Vec<Answered>> {
    let instance = subject.instance()?;
    let mut answered = vec![];
    for geometry in subject.geometries(&instance)? {
        for (seed, step) in [(7, 100), (0, 0)] {
            let mut one = request(&instance, geometry, 4);
            (one.seed, one.step) = (seed, step);
            let answer = digest(&instance, &one).unwrap_or_else(|refusal| refusal.to_string());
            answered.push(Answered { request: one.to_string(), answer });
        }
    }
    Ok(answered)
}

fn digest(instance: &Instance, asked: &Request) -> Result<String, Refusal> {
    let plan = instance.plan(asked)?;
    // The same in every process: its keys are constants.
    let mut hasher = DefaultHasher::new();
    plan.flags.hash(&mut hasher);
    plan.roles.hash(&mut hasher);
    let levels = plan.gain.iter().chain(&plan.noise);
    levels.for_each(|level| level.to_bits().hash(&mut hasher));
    if plan.uses_source() {
        plan.source.hash(&mut hasher);
    }
    Ok(format!("a plan of digest {:016x}", hasher.finish()))
}
